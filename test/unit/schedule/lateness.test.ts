import { expect } from "chai";
import fc from "fast-check";
import { dueTimesWithin, isLate } from "../../../src/schedule/lateness.ts";
import { nextRun, parseSchedule } from "../../../src/schedule/schedule.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const at = (text: string) => Date.parse(`2026-11-24T${text}Z`);

describe("sweeps are late", () => {
  /** The schedule, the host's place in its splay, when the last sweep ended, the first late moment. */
  const table: readonly (readonly [string, string, number, string, string])[] = [
    ["a rate", "rate(10 minutes)", 0, "10:00:05", "10:20:00"],
    ["ended just before a due time", "rate(10 minutes)", 0, "10:09:59.999", "10:20:00"],
    ["ended at a due time", "rate(10 minutes)", 0, "10:10:00", "10:30:00"],
    ["with the host's own phase", "rate(10 minutes)", 0.5, "10:05:07", "10:25:00"],
    ["more often than each half minute: after one", "rate(1 second)", 0, "10:00:05", "10:01:05"],
    ["once an hour", "rate(1 hour)", 0.25, "10:20:00", "12:15:00"],
    ["cron", "0 * * * *", 0, "10:00:30", "12:00:00"],
    ["cron that pauses at night", "0 8-18 * * *", 0, "18:00:30", "33:00:00"],
    ["once a day", "30 2 * * *", 0, "02:31:00", "50:30:00"],
  ];
  for (const [name, text, fraction, since, late] of table) {
    it(`${name}: from the last but one due time on`, () => {
      const schedule = parseSchedule(text, { timezone: "UTC", splayMs: undefined });
      const [hours, rest] = [Number(late.slice(0, 2)), late.slice(2)];
      const lateAt = at(`00${rest}`) + hours * HOUR;
      const about = (now: number) => ({ since: at(since), awakeMs: now - at(since) });
      expect(isLate(schedule, fraction, about(lateAt - 1))).to.equal(false);
      expect(isLate(schedule, fraction, about(lateAt))).to.equal(true);
    });
  }

  it("never within one interval of a rate, always after two", () => {
    const intervals = fc.integer({ min: 1, max: 600 });
    fc.assert(
      fc.property(
        intervals,
        fc.float({ min: 0, max: Math.fround(0.99), noNaN: true }),
        fc.nat(),
        (n, place, passed) => {
          const schedule = parseSchedule(`rate(${n} minutes)`, {
            timezone: "UTC",
            splayMs: undefined,
          });
          const since = at("00:00:00") + passed;
          expect(isLate(schedule, place, { since, awakeMs: n * MINUTE })).to.equal(false);
          expect(isLate(schedule, place, { since, awakeMs: 2 * n * MINUTE })).to.equal(true);
        },
      ),
    );
  });
});

describe("due times within a time", () => {
  const anySchedule = fc.constantFrom(
    "rate(1 second)",
    "rate(7 minutes)",
    "rate(1 hour)",
    "*/5 * * * *",
    "0 9 * * 1-5",
  );

  it("are as many as one counts one by one", () => {
    const any = [anySchedule, fc.integer({ min: 0, max: 5 * HOUR }), fc.nat(HOUR)] as const;
    fc.assert(
      fc.property(...any, (text, ms, passed) => {
        const schedule = parseSchedule(text, { timezone: "UTC", splayMs: undefined });
        const after = at("08:00:00") + passed;
        let count = 0;
        let due = nextRun(schedule, after, 0.3);
        for (; due <= after + ms; due = nextRun(schedule, due, 0.3)) count += 1;
        expect(dueTimesWithin(schedule, 0.3, { after, ms })).to.equal(count);
      }),
      { numRuns: 50 },
    );
  });

  it("of a cron are counted no further than a day of minutes, of a rate without an end", () => {
    const ms = 100 * 24 * HOUR;
    const count = (text: string) => {
      const schedule = parseSchedule(text, { timezone: "UTC", splayMs: undefined });
      return dueTimesWithin(schedule, 0, { after: at("00:00:00"), ms });
    };
    expect(count("* * * * *")).to.equal(1_440);
    expect(count("rate(1 second)")).to.equal(ms / 1_000);
  });
});
