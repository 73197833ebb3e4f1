import { expect } from "chai";
import { stableFraction } from "../../../src/lib/stable-fraction.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { ParameterStore, refusal } from "../../support/parameter-store.ts";
import { begin, FLEET, type RefresherOptions, restart } from "../../support/refresher-at-work.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const T = 10 * MINUTE;

/** A host of a fleet without a revision, its first configuration in effect. */
async function following(
  values: Readonly<Record<string, string>> = {},
  options: RefresherOptions = {},
) {
  const clock = new ManualClock(Date.UTC(2026, 0, 1));
  const store = new ParameterStore(clock);
  store.aheadMs = -HOUR;
  for (const [leaf, value] of Object.entries({ bucket: "data", ...values })) {
    store.put(`${FLEET}/${leaf}`, value);
  }
  store.aheadMs = 0;
  const at = begin({ clock, store, ...options });
  await clock.advance(30 * SECOND);
  store.calls.length = 0;
  return at;
}

/** Lets the time pass until the next call is due, and that call be answered. */
async function untilCall(at: Awaited<ReturnType<typeof following>>): Promise<void> {
  await at.clock.advance((at.refresher.report.nextPollAt ?? 0) - at.clock.now());
}

const prefixOf = (at: Awaited<ReturnType<typeof following>>) =>
  at.applied.at(-1)?.routes[0]?.settings.prefix;

describe("a change", () => {
  it("is taken when it has been left alone for 30 seconds, so that several writes land as one", async () => {
    const at = await following();
    const pollIn = (at.refresher.report.nextPollAt ?? 0) - at.clock.now();
    await at.clock.advance(pollIn - 5 * SECOND);
    at.store.put(`${FLEET}/prefix`, "new/");
    await at.clock.advance(10 * SECOND);
    // The host has looked between the two writes.
    expect(at.store.calls).to.have.length(2);
    at.store.put(`${FLEET}/concurrency`, "3");
    await at.clock.advance(2 * MINUTE);
    expect(at.applied).to.have.length(2);
    expect(at.applied[1]?.routes[0]?.settings).to.include({ prefix: "new/", concurrency: 3 });
    await at.stop();
  });

  it("that goes on is read again every 30 seconds until it has settled, and never half", async () => {
    const at = await following();
    let writes = 0;
    at.store.onCall = (call) => {
      if (call.kind !== "page" || call.path !== FLEET || writes >= 5) return;
      writes += 1;
      at.store.put(`${FLEET}/prefix`, `${writes}/`);
      at.store.put(`${FLEET}/concurrency`, `${writes}`);
    };
    await untilCall(at);
    await at.clock.advance(4 * 30 * SECOND);
    expect(writes).to.equal(5);
    expect(at.applied).to.have.length(1);
    const times = at.store.calls.filter((call) => "path" in call && call.path === FLEET);
    expect(
      times.slice(1).map(({ at: time }, index) => time - (times[index]?.at ?? 0)),
    ).to.include.members([30 * SECOND]);
    await at.clock.advance(61 * SECOND);
    expect(at.applied).to.have.length(2);
    expect(at.applied[1]?.routes[0]?.settings).to.include({ prefix: "5/", concurrency: 5 });
    await at.stop();
  });

  for (const aheadMs of [-20 * MINUTE, 20 * MINUTE]) {
    it(`is judged by the service's own clock, which is ${aheadMs / MINUTE} minutes off`, async () => {
      const at = await following();
      at.store.aheadMs = aheadMs;
      at.store.onCall = () => {
        at.store.onCall = () => {};
        at.store.put(`${FLEET}/prefix`, "new/");
      };
      await untilCall(at);
      await at.clock.advance(30 * SECOND);
      // Written at the moment of the reading: the next reading is 30 s later, no more and no less.
      const [first, , second] = at.store.calls;
      expect((second?.at ?? 0) - (first?.at ?? 0)).to.equal(30 * SECOND);
      expect(prefixOf(at)).to.equal("{host}/");
      await at.clock.advance(MINUTE);
      expect(prefixOf(at)).to.equal("new/");
      await at.stop();
    });
  }

  it("that a person asks for by a reload is taken at once, as it is", async () => {
    const at = await following();
    at.store.put(`${FLEET}/prefix`, "now/");
    at.refresher.refreshNow();
    await at.clock.advance(0);
    expect(prefixOf(at)).to.equal("now/");
    await at.stop();
  });

  it("that a person makes while the parameters are read is read as well, when he asks again", async () => {
    const at = await following();
    at.store.onCall = (call) => {
      if (call.kind !== "page" || call.path === FLEET) return;
      at.store.onCall = () => {};
      // The fleet's parameters have been read for the first reload already.
      at.store.put(`${FLEET}/prefix`, "second/");
      at.refresher.refreshNow();
    };
    at.refresher.refreshNow();
    await at.clock.advance(0);
    expect(prefixOf(at)).to.equal("second/");
    await at.stop();
  });

  it("that is asked for while the service is away is taken when it answers", async () => {
    const at = await following();
    at.store.put(`${FLEET}/prefix`, "now/");
    at.store.onCall = () => {
      throw refusal("ServiceUnavailable");
    };
    at.refresher.refreshNow();
    await at.clock.advance(0);
    at.store.onCall = () => {};
    await at.clock.advance(9 * SECOND);
    expect(prefixOf(at)).to.equal("now/");
    await at.stop();
  });

  it("that is taken back before it took effect is none", async () => {
    const at = await following({}, { apply: failing("its directory is not there") });
    at.store.put(`${FLEET}/prefix`, "new/");
    at.refresher.refreshNow();
    await at.clock.advance(0);
    expect(at.refresher.desired).not.to.equal(undefined);
    at.store.remove(`${FLEET}/prefix`);
    at.refresher.refreshNow();
    await at.clock.advance(0);
    expect(at.refresher.desired).to.equal(undefined);
    expect(at.refresher.report.refusal).to.equal(undefined);
    await at.stop();
  });
});

/** Puts the first configuration into effect and no other. */
function failing(message: string): (config: unknown) => void {
  let configs = 0;
  return () => {
    configs += 1;
    if (configs > 1) throw new Error(message);
  };
}

describe("a bad change", () => {
  it("changes nothing, is told once, and both hashes and the reason are reported", async () => {
    const at = await following({ prefix: "good/" });
    const good = at.refresher.report.effectiveHash;
    at.store.put(`${FLEET}/prefix`, "/bad");
    await at.clock.advance(5 * T);
    expect(at.applied).to.have.length(1);
    const [refused, ...more] = at.events("config.refused");
    expect(more).to.deep.equal([]);
    expect(refused?.["message"]).to.include(`${FLEET}/prefix must not start with a slash`);
    const { effectiveHash, desiredHash, refusal: reason } = at.refresher.report;
    expect(effectiveHash).to.equal(good);
    expect(desiredHash)
      .to.match(/^[0-9a-f]{12}$/)
      .and.not.equal(good);
    expect(reason).to.equal(refused?.["message"]);
    expect(refused).to.include({ configHash: good, desiredHash });
    at.store.put(`${FLEET}/prefix`, "better/");
    await at.clock.advance(2 * T);
    expect(prefixOf(at)).to.equal("better/");
    expect(at.refresher.report.refusal).to.equal(undefined);
    await at.stop();
  });

  it("takes a good one that waits with it: what is wished for is the newer one", async () => {
    const at = await following({}, { apply: failing("not now") });
    at.store.put(`${FLEET}/prefix`, "waits/");
    at.refresher.refreshNow();
    await at.clock.advance(0);
    expect(at.refresher.desired?.config.routes[0]?.settings.prefix).to.equal("waits/");
    at.store.put(`${FLEET}/prefix`, "/bad");
    at.refresher.refreshNow();
    await at.clock.advance(0);
    expect(at.refresher.desired).to.equal(undefined);
    await at.stop();
  });

  it("is kept out of what the next run begins with", async () => {
    const at = await following({ prefix: "good/" });
    at.store.put(`${FLEET}/prefix`, "/bad");
    await at.clock.advance(2 * T);
    const values = at.kept.at(-1)?.set.fleet.map(({ value }) => value);
    expect(values).to.deep.equal(["data", "good/"]);
    await at.stop();
  });

  it("that takes all parameters away changes nothing either", async () => {
    const at = await following();
    at.store.remove(`${FLEET}/bucket`);
    await at.clock.advance(2 * T);
    expect(at.applied).to.have.length(1);
    expect(at.events("config.refused")[0]?.["message"]).to.include("no parameters below");
    await at.stop();
  });
});

describe("a service that fails", () => {
  it("leaves everything as it is, is told once, and is gone on with at the page that failed", async () => {
    const many = Object.fromEntries(
      Array.from({ length: 35 }, (_, index) => [`routes/r${String(index % 5)}/tags-${index}`, "x"]),
    );
    const at = await following(many);
    at.store.aheadMs = -HOUR;
    at.store.put(`${FLEET}/prefix`, "new/");
    at.store.aheadMs = 0;
    let calls = 0;
    at.store.onCall = () => {
      calls += 1;
      if (calls === 3 || calls === 4) throw refusal("ThrottlingException");
    };
    await at.clock.advance(T + MINUTE);
    const tokens = at.store.calls
      .filter((call) => call.kind === "page" && call.path === FLEET)
      .map((call) => "token" in call && call.token);
    expect(tokens.slice(0, 6)).to.deep.equal([undefined, "10", "20", "20", "20", "30"]);
    expect(prefixOf(at)).to.equal("new/");
    expect(at.events("config.unreachable")).to.have.length(1);
    await at.stop();
  });

  it("begins anew where the page's token is refused", async () => {
    const many = Object.fromEntries(
      Array.from({ length: 15 }, (_, index) => [`unknown-${index}`, "x"]),
    );
    const at = await following(many);
    let calls = 0;
    at.store.onCall = () => {
      calls += 1;
      if (calls === 2) throw refusal("InvalidNextToken", { isPassing: false });
    };
    await at.clock.advance(T + MINUTE);
    const tokens = at.store.calls.map((call) => "token" in call && call.token);
    expect(tokens.slice(0, 4)).to.deep.equal([undefined, "10", undefined, "10"]);
    await at.stop();
  });

  it("and pages that are far apart are one reading: what was written between them waits for the next", async () => {
    const many = Object.fromEntries(Array.from({ length: 15 }, (_, index) => [`a-${index}`, "x"]));
    const at = await following({ ...many, "log-level": "info" });
    let calls = 0;
    at.store.onCall = () => {
      calls += 1;
      if (calls !== 2) return;
      // `bucket` has been read, `log-level` has not; both are written, and the service goes away.
      at.store.put(`${FLEET}/a-0`, "y");
      at.store.put(`${FLEET}/log-level`, "debug");
      throw refusal("ServiceUnavailable", { retryAfterMs: 5 * MINUTE });
    };
    await untilCall(at);
    await at.clock.advance(5 * MINUTE);
    expect(at.store.calls.length).to.be.above(2);
    expect(at.applied).to.have.length(1);
    await at.clock.advance(MINUTE);
    expect(at.applied).to.have.length(2);
    expect(at.applied[1]?.settings["log-level"]).to.equal("debug");
    await at.stop();
  });
});

describe("a clock that is set", () => {
  for (const jump of [-24 * HOUR, 24 * HOUR]) {
    it(`by ${jump / HOUR} hours neither stops the polls nor lets them run wild`, async () => {
      const at = await following();
      at.clock.setWallClock(at.clock.now() + jump);
      at.store.aheadMs = -jump;
      at.store.calls.length = 0;
      await at.clock.advance(10 * T);
      expect(at.store.count("page")).to.be.within(2 * 9, 2 * 12);
      await at.stop();
    });
  }
});

describe("the refresh interval", () => {
  it("takes effect with the configuration that sets it", async () => {
    const at = await following({ "refresh-interval": "6h" });
    at.store.put(`${FLEET}/refresh-interval`, "1m");
    at.refresher.refreshNow();
    await at.clock.advance(0);
    at.store.calls.length = 0;
    await at.clock.advance(10 * MINUTE);
    expect(at.store.count("page")).to.be.within(2 * 9, 2 * 11);
    await at.stop();
  });
});

describe("a mass reboot", () => {
  it("is no event: with its saved configuration a host's first poll is at its own place", async () => {
    const at = await following();
    at.store.calls.length = 0;
    const again = await restart(at);
    const phase = stableFraction("h1", "refresh") * T;
    const due = Math.ceil((at.clock.now() - phase) / T) * T + phase - at.clock.now();
    expect(due).to.be.above(30 * SECOND);
    await at.clock.advance(due - SECOND);
    expect(at.store.calls).to.have.length(0);
    await at.clock.advance(2 * SECOND);
    expect(at.store.calls.length).to.be.above(0);
    await again.stop();
  });
});
