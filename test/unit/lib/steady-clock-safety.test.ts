import { expect } from "chai";
import type { Clock } from "../../../src/lib/clock.ts";
import { type ClockAnchor, SteadyClock } from "../../../src/lib/steady-clock.ts";

const HOUR = 3_600_000;
const NOON = Date.UTC(2026, 0, 1, 12);

/** A wall clock that can be set, beside one that cannot. */
class SetClock implements Clock {
  wall = NOON;
  boot = HOUR;
  pass(ms: number): void {
    this.wall += ms;
    this.boot += ms;
  }
  now(): number {
    return this.wall;
  }
  monotonic(): number {
    return this.boot;
  }
  boottime(): number {
    return this.boot;
  }
  async sleep(): Promise<void> {}
}

describe("the steady clock", () => {
  it("knows of no time before it began, and of all since", () => {
    const clock = new SetClock();
    const steady = new SteadyClock(clock, "boot", undefined);
    expect(steady.steadySince()).to.equal(NOON);
    clock.pass(HOUR);
    expect(steady.steadySince()).to.equal(NOON);
  });

  for (const jump of [HOUR, -HOUR, 1_000, -1_000]) {
    it(`begins anew when the wall clock jumps by ${jump} ms`, () => {
      const clock = new SetClock();
      const steady = new SteadyClock(clock, "boot", undefined);
      clock.pass(HOUR);
      clock.wall += jump;
      expect(steady.steadySince()).to.equal(clock.wall);
      clock.pass(5);
      expect(steady.steadySince()).to.equal(clock.wall - 5);
    });
  }

  it("the time that it takes to read two clocks is no jump", () => {
    const clock = new SetClock();
    const steady = new SteadyClock(clock, "boot", undefined);
    clock.pass(HOUR);
    clock.wall += 3;
    expect(steady.steadySince()).to.equal(NOON + 3);
  });

  describe("of a second run", () => {
    /** Since when the second run, `laterMs` after the first, knows the clock to be steady. */
    const known = (
      laterMs: number,
      changes: {
        readonly boot?: string;
        readonly set?: number;
        readonly anchor?: Partial<ClockAnchor>;
      },
    ) => {
      const clock = new SetClock();
      const anchor = new SteadyClock(clock, "boot", undefined).anchor();
      clock.pass(laterMs);
      clock.wall += changes.set ?? 0;
      const second = new SteadyClock(clock, changes.boot ?? "boot", {
        ...anchor,
        ...changes.anchor,
      });
      return clock.wall - second.steadySince();
    };

    it("goes on with what the first one knew", () => {
      expect(known(HOUR, {})).to.equal(HOUR);
    });

    it("knows nothing of what was in another boot", () => {
      expect(known(HOUR, { boot: "other" })).to.equal(0);
    });

    it("notices that the clock was set between two runs", () => {
      expect(known(HOUR, { set: 1_000 })).to.equal(0);
      expect(known(HOUR, { set: -HOUR })).to.equal(0);
    });

    it("does not believe in a time that is yet to come", () => {
      expect(known(HOUR, { anchor: { steadySinceBootMs: 5 * HOUR } })).to.equal(0);
    });
  });
});
