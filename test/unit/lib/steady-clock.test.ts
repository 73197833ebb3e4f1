import { expect } from "chai";
import type { Clock } from "../../../src/lib/clock.ts";
import { type ClockAnchor, SteadyClock } from "../../../src/lib/steady-clock.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const BOOT = "boot 1";
const SECOND = 1_000;
const HOUR = 3_600_000;

/** A clock that was watched for a minute, with the age that it vouches for, in milliseconds. */
async function watched(anchor?: ClockAnchor) {
  const clock = new ManualClock();
  const steady = new SteadyClock(clock, BOOT, anchor);
  await clock.advance(60 * SECOND);
  return { clock, steady, vouchesFor: () => clock.now() - steady.steadySince() };
}

/** The anchor of an agent that has run for a minute and ends now. */
async function anchorOfEarlier() {
  const { clock, steady } = await watched();
  return { clock, anchor: steady.anchor() };
}

const restart = (clock: ManualClock, anchor: ClockAnchor | undefined, boot = BOOT) => {
  const steady = new SteadyClock(clock, boot, anchor);
  return clock.now() - steady.steadySince();
};

describe("SteadyClock", () => {
  it("vouches for the time since it began to look, and for no more", async () => {
    const { clock, vouchesFor } = await watched();
    expect(vouchesFor()).to.equal(60 * SECOND);
    await clock.advance(5 * SECOND);
    expect(vouchesFor()).to.equal(65 * SECOND);
    expect(restart(new ManualClock(), undefined)).to.equal(0);
  });

  it("does not take a pause between its two readings for a clock that was set", () => {
    const still = new ManualClock();
    let passedMs = 0;
    let pauseMs = 0;
    const clock: Clock = {
      now: () => still.now() + passedMs,
      boottime() {
        const at = still.boottime() + passedMs;
        passedMs += pauseMs;
        pauseMs = 0;
        return at;
      },
      monotonic: () => still.monotonic() + passedMs,
      sleep: (ms, signal) => still.sleep(ms, signal),
    };
    const steady = new SteadyClock(clock, BOOT, undefined);
    passedMs = 60 * SECOND;
    pauseMs = 150;
    expect(steady.steadySince()).to.equal(still.now());
  });

  for (const [way, ms] of [
    ["ahead", HOUR],
    ["back", -HOUR],
    ["ahead by little more than reading takes", 101],
    ["back by little more than reading takes", -101],
  ] as const) {
    it(`set ${way}: everything counts from then on`, async () => {
      const { clock, vouchesFor } = await watched();
      clock.setWallClock(clock.now() + ms);
      expect(vouchesFor()).to.equal(0);
      await clock.advance(29 * SECOND);
      expect(vouchesFor()).to.equal(29 * SECOND);
      expect(vouchesFor()).to.equal(29 * SECOND);
    });
  }

  for (const ms of [100, -100]) {
    it(`${ms} ms are no setting of a clock`, async () => {
      const { clock, vouchesFor } = await watched();
      clock.setWallClock(clock.now() + ms);
      // The time since boot is what counts.
      expect(vouchesFor()).to.equal(60 * SECOND);
    });
  }

  it("many small steps are one large one", async () => {
    const { clock, vouchesFor } = await watched();
    for (let step = 0; step < 10; step += 1) {
      expect(vouchesFor()).to.equal(60 * SECOND);
      clock.setWallClock(clock.now() + 10);
    }
    clock.setWallClock(clock.now() + 10);
    expect(vouchesFor()).to.equal(0);
  });

  it("set and set back between two looks is not noticed, and does no harm", async () => {
    const { clock, vouchesFor } = await watched();
    clock.setWallClock(clock.now() + HOUR);
    clock.setWallClock(clock.now() - HOUR);
    expect(vouchesFor()).to.equal(60 * SECOND);
  });

  it("after a restart in the same boot the earlier agent's word still counts", async () => {
    const { clock, anchor } = await anchorOfEarlier();
    await clock.advance(10 * SECOND);
    expect(restart(clock, anchor)).to.equal(70 * SECOND);
    await clock.advance(10 * SECOND);
    // And over two restarts.
    const again = new SteadyClock(clock, BOOT, anchor).anchor();
    expect(again).to.deep.equal(anchor);
  });

  it("set within the tolerance again and again, each time after a restart: noticed", async () => {
    const { clock, anchor } = await anchorOfEarlier();
    let known = anchor;
    for (let restarts = 0; restarts < 2; restarts += 1) {
      clock.setWallClock(clock.now() + 60);
      known = new SteadyClock(clock, BOOT, known).anchor();
    }
    expect(restart(clock, known)).to.equal(0);
  });

  it("set while the agent was down: the earlier agent's word is worth nothing", async () => {
    for (const ms of [HOUR, -HOUR, 101, -101]) {
      const { clock, anchor } = await anchorOfEarlier();
      await clock.advance(10 * SECOND);
      clock.setWallClock(clock.now() + ms);
      expect(restart(clock, anchor), `${ms} ms`).to.equal(0);
    }
  });

  it("the anchor of another boot says nothing, though the clocks would agree", async () => {
    const { clock, anchor } = await anchorOfEarlier();
    expect(restart(clock, anchor, "boot 2")).to.equal(0);
  });

  it("an anchor of the future says nothing", async () => {
    const { clock, anchor } = await anchorOfEarlier();
    const steadySinceBootMs = clock.boottime() + 1;
    expect(restart(clock, { ...anchor, steadySinceBootMs })).to.equal(0);
    expect(restart(clock, { ...anchor, steadySinceBootMs: clock.boottime() })).to.equal(0);
  });

  it("an anchor is taken with a look at the clocks: what was set just before is in it", async () => {
    const { clock, steady } = await watched();
    clock.setWallClock(clock.now() + HOUR);
    const anchor = steady.anchor();
    expect(anchor.steadySinceBootMs).to.equal(clock.boottime());
    expect(restart(clock, anchor)).to.equal(0);
  });

  it("time in which the machine sleeps counts, since files age in it too", () => {
    let asleepMs = 0;
    const clock = {
      ...new ManualClock(),
      now: () => 1_000_000 + asleepMs,
      monotonic: () => 0,
      boottime: () => 5_000 + asleepMs,
      sleep: async () => undefined,
    };
    const steady = new SteadyClock(clock, BOOT, undefined);
    asleepMs = HOUR;
    expect(clock.now() - steady.steadySince()).to.equal(HOUR);
  });
});
