import { expect } from "chai";
import fc from "fast-check";
import { decidePoll, NOTHING_REMEMBERED, nextPollAt } from "../../../src/refresh/poll-plan.ts";

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
});
