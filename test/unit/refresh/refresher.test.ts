import { expect } from "chai";
import { stableFraction } from "../../../src/lib/stable-fraction.ts";
import { fullReadInMs } from "../../../src/refresh/poll-plan.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { ParameterStore, refusal } from "../../support/parameter-store.ts";
import { begin, FLEET, restart } from "../../support/refresher-at-work.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** The default refresh interval. */
const T = 10 * MINUTE;

/** A fleet that has been left alone for an hour. */
function settledFleet(values: Readonly<Record<string, string>> = {}) {
  const clock = new ManualClock(Date.UTC(2026, 0, 1));
  const store = new ParameterStore(clock);
  store.aheadMs = -HOUR;
  for (const [leaf, value] of Object.entries({ bucket: "data", ...values })) {
    store.put(`${FLEET}/${leaf}`, value);
  }
  store.aheadMs = 0;
  return { clock, store };
}

/** A host that has a configuration, and a fleet with a revision that it has seen. */
async function steady(options: { readonly revision?: string; readonly hostId?: string } = {}) {
  const fleet = settledFleet(options.revision === undefined ? {} : { revision: options.revision });
  const at = begin({ ...fleet, ...options });
  await at.clock.advance(30 * SECOND);
  // The revision's version was not polled before that first read: one more read makes it known.
  await at.clock.advance(2 * T + MINUTE);
  at.store.calls.length = 0;
  return at;
}

describe("a host without a configuration", () => {
  it("makes its first call after a random part of 30 seconds", async () => {
    for (const random of [0, 0.5, 0.999]) {
      const { clock, store } = settledFleet();
      const at = begin({ clock, store, random: () => random });
      await clock.advance(30 * SECOND * random - 1);
      expect(store.calls.length).to.equal(0);
      await clock.advance(1);
      expect(store.calls.length).to.be.above(0);
      expect(at.applied.map(({ hash }) => hash)).to.have.length(1);
      await at.stop();
    }
  });

  it("asks again with the backoff of the fleet while nobody answers, and gives up never", async () => {
    const { clock, store } = settledFleet();
    const at = begin({ clock, store });
    store.onCall = () => {
      throw refusal("ThrottlingException");
    };
    await clock.advance(15 * SECOND);
    expect(store.calls).to.have.length(1);
    // Failure k waits 1 s + half of min(600, 15 * 2^(k-1)) s here.
    for (const seconds of [7.5, 15, 30, 60, 120, 240, 300, 300, 300]) {
      store.calls.length = 0;
      await clock.advance(seconds * SECOND + 999);
      expect(store.calls, `${seconds} s`).to.have.length(0);
      await clock.advance(1);
      expect(store.calls, `${seconds} s`).to.have.length(1);
    }
    store.onCall = () => {};
    await clock.advance(301 * SECOND);
    expect(at.applied).to.have.length(1);
    expect(at.events("config.unreachable")).to.have.length(1);
    expect(at.events("config.reachable")).to.have.length(1);
    await at.stop();
  });

  it("waits as long as the service asks for, if that is longer", async () => {
    const { clock, store } = settledFleet();
    const at = begin({ clock, store });
    store.onCall = () => {
      throw refusal("ThrottlingException", { retryAfterMs: 90 * SECOND });
    };
    await clock.advance(15 * SECOND);
    store.onCall = () => {};
    await clock.advance(90 * SECOND - 1);
    expect(store.calls).to.have.length(1);
    await clock.advance(1);
    expect(at.applied).to.have.length(1);
    await at.stop();
  });
});

describe("a poll", () => {
  it("without a revision is a full read of the fleet and the host, in each interval once", async () => {
    const at = await steady();
    await at.clock.advance(10 * T);
    expect(at.store.count("names")).to.equal(0);
    expect(at.store.count("page")).to.equal(2 * 10);
    expect(new Set(at.store.calls.map((call) => "path" in call && call.path))).to.deep.equal(
      new Set([FLEET, "/root/hosts/h1"]),
    );
    await at.stop();
  });

  it("has the host's place in the interval, u('refresh') of it, whenever the host was started", async () => {
    for (const hostId of ["a", "b", "c"]) {
      for (const startedAt of [0, 123_456, 599_999]) {
        const clock = new ManualClock(Date.UTC(2026, 0, 1) + startedAt);
        const store = new ParameterStore(clock);
        store.aheadMs = -HOUR;
        store.put(`${FLEET}/bucket`, "data");
        store.aheadMs = 0;
        const at = begin({ clock, store, hostId });
        await clock.advance(MINUTE);
        store.calls.length = 0;
        await clock.advance(3 * T);
        const phases = store.calls.map((call) => call.at % T);
        const expected = stableFraction(hostId, "refresh") * T;
        for (const phase of phases) expect(phase).to.be.closeTo(expected, 1);
        await at.stop();
      }
    }
  });

  it("is moved by up to a tenth of the interval, each time anew", async () => {
    const randoms = [0.5, 0, 1, 0.25, 0.75];
    let calls = 0;
    const { clock, store } = settledFleet();
    const at = begin({ clock, store, random: () => randoms[calls++ % randoms.length] ?? 0 });
    await clock.advance(20 * T);
    const u = stableFraction("h1", "refresh") * T;
    const offsets = store.calls
      .filter((call) => "path" in call && call.path === FLEET)
      .slice(1)
      .map((call) => {
        const offset = (((call.at - u) % T) + T) % T;
        return offset > T / 2 ? offset - T : offset;
      });
    expect(offsets).to.have.length.above(15);
    expect(new Set(offsets).size).to.be.above(2);
    for (const offset of offsets) expect(Math.abs(offset)).to.be.at.most(T / 10 + 1);
    await at.stop();
  });

  it("with a revision is one request for the fleet's and the host's, and no more while nothing changes", async () => {
    const at = await steady({ revision: "1" });
    await at.clock.advance(20 * T);
    expect(at.store.count("page")).to.equal(0);
    expect(at.store.count("names")).to.equal(20);
    expect(at.store.calls[0]).to.deep.include({
      names: [`${FLEET}/revision`, "/root/hosts/h1/revision"],
    });
    await at.stop();
  });
});

describe("a new revision", () => {
  for (const [value, spreadMs] of [
    ["anything", T],
    ['{"spread":"2h"}', 2 * HOUR],
    ['{"spread":"400h"}', 6 * HOUR],
    ['{"spread":12}', T],
    ["{", T],
  ] as const) {
    it(`${value} is read after u('rev' + version) of its spread`, async () => {
      for (const hostId of ["h1", "h2", "h3"]) {
        const at = await steady({ revision: "1", hostId });
        at.store.put(`${FLEET}/prefix`, "new/");
        at.store.put(`${FLEET}/revision`, value);
        let polledAt = 0;
        at.store.onCall = (call) => {
          if (call.kind === "names" && polledAt === 0) polledAt = call.at;
        };
        await at.clock.advance(T + spreadMs);
        const read = at.store.calls.find((call) => call.kind === "page");
        const expected = stableFraction(hostId, "rev2") * spreadMs;
        expect((read?.at ?? 0) - polledAt).to.be.closeTo(expected, 2);
        await at.clock.advance(MINUTE);
        expect(at.applied.at(-1)?.routes[0]?.settings.prefix).to.equal("new/");
        await at.stop();
      }
    });
  }

  it("of the host itself is read at once, and that it is gone as well", async () => {
    const at = await steady({ revision: '{"spread":"6h"}' });
    at.store.put("/root/hosts/h1/prefix", "own/");
    at.store.put("/root/hosts/h1/revision", "1");
    await at.clock.advance(T + 31 * SECOND);
    expect(at.applied.at(-1)?.routes[0]?.settings.prefix).to.equal("own/");
    at.store.remove("/root/hosts/h1/prefix");
    at.store.remove("/root/hosts/h1/revision");
    await at.clock.advance(T);
    expect(at.applied.at(-1)?.routes[0]?.settings.prefix).to.equal("{host}/");
    await at.stop();
  });

  it("that came while everything was read is not missed: what counts is the version polled before", async () => {
    const at = await steady({ revision: "1" });
    // With these names the revision stands on a page behind the prefix.
    for (let index = 0; index < 9; index += 1) at.store.put(`${FLEET}/q-${index}`, "x");
    at.store.put(`${FLEET}/prefix`, "old/");
    at.store.put(`${FLEET}/revision`, "2");
    await at.clock.advance(3 * T);
    at.store.onCall = (call) => {
      if (call.kind !== "page" || call.token === undefined) return;
      at.store.onCall = () => {};
      at.store.put(`${FLEET}/prefix`, "late/");
      at.store.put(`${FLEET}/revision`, "3");
    };
    // A person's wish does not wait for anything to settle.
    at.refresher.refreshNow();
    await at.clock.advance(0);
    expect(at.applied.at(-1)?.routes[0]?.settings.prefix).to.equal("old/");
    await at.clock.advance(3 * T);
    expect(at.applied.at(-1)?.routes[0]?.settings.prefix).to.equal("late/");
    await at.stop();
  });

  it("is known over a restart: nothing is read that has not changed", async () => {
    const at = await steady({ revision: "1" });
    const again = await restart(at);
    await at.clock.advance(20 * T);
    expect(at.store.count("page")).to.equal(0);
    await again.stop();
  });

  it("that was refused is read and told again after a restart", async () => {
    const at = await steady({ revision: "1" });
    at.store.put(`${FLEET}/prefix`, "/bad");
    at.store.put(`${FLEET}/revision`, "2");
    await at.clock.advance(3 * T);
    expect(at.events("config.refused")).to.have.length(1);
    const again = await restart(at);
    await at.clock.advance(3 * T);
    expect(again.events("config.refused")).to.have.length(1);
    await again.stop();
  });
});

describe("edits by hand", () => {
  it("are caught by a full read every six hours, a tenth more or less, over restarts too", async () => {
    const at = await steady({ revision: "1" });
    at.store.put(`${FLEET}/prefix`, "by-hand/");
    await at.clock.advance(3 * HOUR);
    expect(at.store.count("page")).to.equal(0);
    const again = await restart(at);
    await at.clock.advance(3 * HOUR + T);
    expect(again.applied.at(-1)?.routes[0]?.settings.prefix).to.equal("by-hand/");
    await again.stop();
    const hours = [0, 0.5, 1].map((random) => Math.round(fullReadInMs(() => random) / MINUTE) / 60);
    expect(hours).to.deep.equal([5.4, 6, 6.6]);
  });
});

describe("a revision that was seen and is gone", () => {
  it("keeps the configuration, and after three absences every poll is a full read again", async () => {
    const at = await steady({ revision: "1" });
    at.store.remove(`${FLEET}/revision`);
    await at.clock.advance(2 * T);
    expect(at.store.count("page")).to.equal(0);
    await at.clock.advance(T);
    expect(at.store.count("page")).to.equal(2);
    at.store.calls.length = 0;
    await at.clock.advance(5 * T);
    expect(at.store.count("names")).to.equal(0);
    expect(at.store.count("page")).to.equal(10);
    expect(at.applied).to.have.length(1);
    await at.stop();
  });

  it("and comes back in time is polled as before", async () => {
    const at = await steady({ revision: "1" });
    at.store.remove(`${FLEET}/revision`);
    await at.clock.advance(2 * T);
    at.store.put(`${FLEET}/revision`, "1");
    await at.clock.advance(10 * T);
    expect(at.store.count("names")).to.equal(12);
    await at.stop();
  });
});
