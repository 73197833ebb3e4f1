import { expect } from "chai";
import fc from "fast-check";
import { fleetBackoffMs } from "../../../src/lib/backoff.ts";
import {
  backoffOf,
  decidePoll,
  NOTHING_REMEMBERED,
  nextPollAt,
} from "../../../src/refresh/poll-plan.ts";

const HOUR_MS = 3_600_000;

describe("the plan of polls", () => {
  it("spreads a revision over at most six hours, whatever it or the interval says", () => {
    for (const [spreadMs, intervalMs] of [
      [1_000 * HOUR_MS, HOUR_MS],
      [undefined, 24 * HOUR_MS],
    ] as const) {
      const waits = Array.from({ length: 300 }, (_, index) => {
        const polled = { fleetVersion: 2, spreadMs, hostVersion: undefined };
        const memory = { ...NOTHING_REMEMBERED, isSeen: true, fleetVersion: 1 };
        return decidePoll(memory, polled, { hostId: `h${index}`, intervalMs }).readInMs ?? 0;
      });
      expect(Math.max(...waits)).to.be.within(5.8 * HOUR_MS, 6 * HOUR_MS);
    }
  });

  it("gives each place one poll, a tenth early or late, and none twice", () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.integer({ min: 1_000, max: 24 * HOUR_MS }),
        fc.integer({ min: 0, max: 2_000_000_000_000 }),
        fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 5, maxLength: 5 }),
        (hostId, intervalMs, start, randoms) => {
          let now = start;
          let last = nextPollAt(hostId, { now, intervalMs, isFirst: true }, () => randoms[0] ?? 0);
          expect(last - now).to.be.within(0, 1.1 * intervalMs + 1);
          for (const random of randoms.slice(1)) {
            now = last;
            last = nextPollAt(hostId, { now, intervalMs, isFirst: false }, () => random);
            expect(last - now).to.be.within(0.8 * intervalMs - 2, 1.2 * intervalMs + 2);
          }
        },
      ),
    );
  });

  it("waits 1 s + U(0, min(600, 15 * 2^(k-1)) s) after failure k, up to an interval of ten minutes", () => {
    for (const intervalMs of [undefined, 1_000, 600_000]) {
      for (let k = 1; k <= 20; k += 1) {
        const most = Math.min(600_000, 15_000 * 2 ** (k - 1));
        for (const random of [0, 0.25, 0.999]) {
          const pause = fleetBackoffMs(k, backoffOf(intervalMs), () => random);
          expect(pause).to.equal(1_000 + random * most);
        }
      }
    }
  });

  it("waits longer where polls are rarer, up to the interval, so that a large fleet asks no more often", () => {
    const most = (k: number) => fleetBackoffMs(k, backoffOf(10_000_000), () => 1) - 1_000;
    expect(most(1)).to.equal(2_350_000);
    expect(most(20)).to.equal(10_000_000);
  });
});
