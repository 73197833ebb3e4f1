import { expect } from "chai";
import { Refresher } from "../../../src/agent/refresher.ts";
import type { Bootstrap } from "../../../src/config/bootstrap.ts";
import { type Config, resolveConfig } from "../../../src/config/load.ts";
import { AgentError, configurationError, ExitCode } from "../../../src/lib/errors.ts";
import type { EventName } from "../../../src/logs/events.ts";
import { ManualClock, settle } from "../../support/manual-clock.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const BOOTSTRAP: Bootstrap = {
  fleet: "web",
  region: undefined,
  hostId: "h1",
  parameterRoot: "/root",
  allowedRoots: ["/data"],
  allowedBuckets: undefined,
  stateDirectory: "/state",
  credentials: { kind: "auto" },
  allowImdsV1: false,
  roleArn: undefined,
  allowOverwrite: false,
  minAgeFloorMs: 0,
};

function configOf(values: Readonly<Record<string, string>>, readAt = 0): Config {
  const path = "/root/fleets/web";
  const parameters = Object.entries({ bucket: "data", ...values }).map(([leaf, value]) => ({
    name: `${path}/${leaf}`,
    type: "String",
    value,
  }));
  return resolveConfig([{ origin: "fleet", path, parameters }], BOOTSTRAP, readAt);
}

const unreachable = (message: string) =>
  new AgentError(message, { exitCode: ExitCode.unreachable, hint: "Check the network." });

interface State {
  readonly clock: ManualClock;
  readonly stop: AbortController;
  readonly told: { readonly event: EventName; readonly [field: string]: unknown }[];
  readonly refresher: Refresher;
  reads: number;
  desires: number;
  isOver: boolean;
  /** What the next reads answer. */
  read: () => Config | Promise<Config>;
}

/** A refresher at work whose reads answer what the test says; refreshes every ten minutes. */
function begin(options: { readonly random?: number } = {}): State {
  const clock = new ManualClock(0);
  const stop = new AbortController();
  const told: State["told"] = [];
  const state: State = {
    clock,
    stop,
    told,
    reads: 0,
    desires: 0,
    isOver: false,
    read: () => configOf({}, clock.now()),
    refresher: new Refresher({
      readConfig: async () => {
        state.reads += 1;
        return await state.read();
      },
      logger: {
        log: (event, fields = {}) => told.push({ event, ...fields }),
        setLevel() {},
        setFileEvents() {},
      },
      clock,
      random: () => options.random ?? 0.5,
      effective: configOf({}),
      onDesired: () => {
        state.desires += 1;
      },
      stop: stop.signal,
    }),
  };
  void state.refresher.run().then(() => {
    state.isOver = true;
  });
  return state;
}

const refuse = (message: string) => () => {
  throw configurationError(message, "Mend it.");
};

describe("Refresher", () => {
  it("reads once in each interval, and not before the first has passed", async () => {
    const state = begin();
    await state.clock.advance(10 * MINUTE_MS - 1);
    expect(state.reads).to.equal(0);
    await state.clock.advance(1);
    expect(state.reads).to.equal(1);
    await state.clock.advance(50 * MINUTE_MS);
    expect(state.reads).to.equal(6);
    state.stop.abort();
  });

  it("spreads its reads by a tenth of the interval both ways", async () => {
    for (const [random, first] of [
      [0, 9 * MINUTE_MS],
      [0.999_999_999, 11 * MINUTE_MS],
    ] as const) {
      const state = begin({ random });
      await state.clock.advance(first - 1);
      expect(state.reads).to.equal(0);
      await state.clock.advance(1);
      expect(state.reads).to.equal(1);
      state.stop.abort();
    }
  });

  it("wants nothing while the parameters say the same, but knows when they were read", async () => {
    const state = begin();
    await state.clock.advance(HOUR_MS);
    expect([state.desires, state.told.length]).to.deep.equal([0, 0]);
    expect(state.refresher.takeDesired()).to.equal(undefined);
    expect(state.refresher.effective.readAt).to.equal(HOUR_MS);
    state.stop.abort();
  });

  it("wants a configuration with another unknown parameter, so that it is reported", async () => {
    const state = begin();
    state.read = () => configOf({ bukcet: "x" });
    await state.clock.advance(10 * MINUTE_MS);
    expect(state.refresher.takeDesired()?.unknownParameters).to.deep.equal([
      "/root/fleets/web/bukcet",
    ]);
    state.stop.abort();
  });

  it("forgets a change that is taken back, or followed by a refused one, before it took effect", async () => {
    for (const after of [() => configOf({}), refuse("bad")]) {
      const state = begin();
      state.read = () => configOf({ concurrency: "9" });
      await state.clock.advance(10 * MINUTE_MS);
      state.read = after;
      await state.clock.advance(10 * MINUTE_MS);
      expect(state.refresher.takeDesired()).to.equal(undefined);
      state.stop.abort();
    }
  });

  it("reads again when it is hurried while it reads", async () => {
    const state = begin();
    const reading = Promise.withResolvers<Config>();
    state.read = () => reading.promise;
    await state.clock.advance(10 * MINUTE_MS);
    state.refresher.refreshNow();
    reading.resolve(configOf({}));
    await settle();
    expect(state.reads).to.equal(2);
    state.stop.abort();
  });

  it("wants a change once it is read, gives it out once, and is content when it is in effect", async () => {
    const state = begin();
    const changed = configOf({ concurrency: "9" });
    state.read = () => changed;
    await state.clock.advance(10 * MINUTE_MS);
    expect(state.desires).to.equal(1);
    expect(state.refresher.effective.hash).not.to.equal(changed.hash);
    expect(state.refresher.takeDesired()).to.equal(changed);
    expect(state.refresher.takeDesired()).to.equal(undefined);
    state.refresher.setEffective(changed);
    await state.clock.advance(HOUR_MS);
    expect(state.desires).to.equal(1);
    expect(state.refresher.takeDesired()).to.equal(undefined);
    state.stop.abort();
  });

  it("gives out the last of two changes", async () => {
    const state = begin();
    state.read = () => configOf({ concurrency: String(state.reads) });
    await state.clock.advance(20 * MINUTE_MS);
    expect(state.refresher.takeDesired()?.settings.concurrency).to.equal(2);
    state.stop.abort();
  });

  it("keeps to the interval of the configuration in effect", async () => {
    const state = begin();
    const changed = configOf({ "refresh-interval": "1m" });
    state.read = () => changed;
    await state.clock.advance(10 * MINUTE_MS);
    state.refresher.setEffective(changed);
    await state.clock.advance(10 * MINUTE_MS);
    const before = state.reads;
    await state.clock.advance(10 * MINUTE_MS);
    expect(state.reads - before).to.equal(10);
    state.stop.abort();
  });

  it("tells once of each reason why a configuration is refused, and keeps the last good one", async () => {
    const state = begin();
    const good = state.refresher.effective.hash;
    state.read = refuse("bucket is wrong");
    await state.clock.advance(HOUR_MS);
    state.read = refuse("schedule is wrong");
    await state.clock.advance(HOUR_MS);
    expect(state.told).to.deep.equal([
      { event: "config.refused", message: "bucket is wrong", hint: "Mend it.", configHash: good },
      { event: "config.refused", message: "schedule is wrong", hint: "Mend it.", configHash: good },
    ]);
    expect([state.desires, state.refresher.effective.hash]).to.deep.equal([0, good]);
    // Refused is not unreachable: the interval stays.
    expect(state.reads).to.equal(12);
    state.stop.abort();
  });

  it("tells of the same reason again when it was right in between", async () => {
    const state = begin();
    for (const read of [refuse("wrong"), () => configOf({}), refuse("wrong")]) {
      state.read = read;
      await state.clock.advance(10 * MINUTE_MS);
    }
    expect(state.told.map(({ event }) => event)).to.deep.equal([
      "config.refused",
      "config.refused",
    ]);
    state.stop.abort();
  });

  it("tells of each outage once and asks again sooner than the interval", async () => {
    const state = begin();
    for (const message of ["no network", "no network"]) {
      state.read = () => Promise.reject(unreachable(message));
      state.refresher.refreshNow();
      await settle();
      const before = state.reads;
      await state.clock.advance(10 * MINUTE_MS);
      expect(state.reads - before).to.be.within(3, 20);
      state.read = () => configOf({});
      await state.clock.advance(30 * MINUTE_MS);
    }
    expect(state.told).to.deep.equal([
      { event: "config.unreachable", message: "no network", configHash: configOf({}).hash },
      { event: "config.unreachable", message: "no network", configHash: configOf({}).hash },
    ]);
    state.stop.abort();
  });

  it("asks more and more seldom during a long outage, but at least every ten minutes or so", async () => {
    const state = begin();
    state.read = () => Promise.reject(unreachable("no network"));
    await state.clock.advance(24 * HOUR_MS);
    const before = state.reads;
    await state.clock.advance(24 * HOUR_MS);
    expect(state.reads - before).to.be.within(24 * 6 - 1, 24 * 12 + 1);
    expect(state.told).to.have.length(1);
    state.stop.abort();
  });

  it("survives an error that nobody foresaw, as an outage", async () => {
    const state = begin();
    state.read = () => {
      throw new TypeError("a bug");
    };
    await state.clock.advance(HOUR_MS);
    expect(state.told.map(({ event }) => event)).to.deep.equal(["config.unreachable"]);
    expect(state.isOver).to.equal(false);
    state.stop.abort();
  });

  it("does not wait when told to refresh now, and keeps the interval after that", async () => {
    const state = begin();
    await state.clock.advance(MINUTE_MS);
    state.refresher.refreshNow();
    await settle();
    expect(state.reads).to.equal(1);
    await state.clock.advance(10 * MINUTE_MS - 1);
    expect(state.reads).to.equal(1);
    await state.clock.advance(1);
    expect(state.reads).to.equal(2);
    state.stop.abort();
  });

  it("ends at once when stopped while it waits, without a last read", async () => {
    const state = begin();
    await settle();
    state.stop.abort();
    await settle();
    expect([state.isOver, state.reads, state.clock.sleepers]).to.deep.equal([true, 0, 0]);
  });

  it("says nothing of a read that was broken off by the stop", async () => {
    const state = begin();
    const { promise, reject } = Promise.withResolvers<Config>();
    state.read = () => promise;
    await state.clock.advance(10 * MINUTE_MS);
    state.stop.abort();
    reject(new Error("aborted"));
    await settle();
    expect([state.isOver, state.told.length, state.desires]).to.deep.equal([true, 0, 0]);
  });
});
