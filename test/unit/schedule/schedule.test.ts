import { expect } from "chai";
import fc from "fast-check";
import { nextRun, parseSchedule } from "../../../src/schedule/schedule.ts";

const UTC = { timezone: "UTC", splayMs: 0 };
const HOUR_MS = 3_600_000;

const RATES: readonly (readonly [text: string, intervalMs: number])[] = [
  ["rate(1 second)", 1_000],
  ["rate(30 seconds)", 30_000],
  ["rate(1 minute)", 60_000],
  ["rate(10 minutes)", 600_000],
  ["rate(2 hours)", 7_200_000],
  ["rate(1 day)", 86_400_000],
  ["rate(366 days)", 31_622_400_000],
  ["  rate( 5   minutes )  ", 300_000],
];

/** What comes after midnight of 2026-11-01, a Sunday, in UTC. */
const CRONS: readonly (readonly [text: string, times: readonly string[]])[] = [
  ["*/10 * * * *", ["2026-11-01T00:10", "2026-11-01T00:20", "2026-11-01T00:30"]],
  ["0/15 * * * *", ["2026-11-01T00:15", "2026-11-01T00:30", "2026-11-01T00:45"]],
  ["5/15 * * * *", ["2026-11-01T00:05", "2026-11-01T00:20", "2026-11-01T00:35"]],
  ["0 12 * * 1-5", ["2026-11-02T12:00", "2026-11-03T12:00", "2026-11-04T12:00"]],
  ["cron(0 12 * * 1-5)", ["2026-11-02T12:00", "2026-11-03T12:00", "2026-11-04T12:00"]],
  ["cron(0 9 ? * 1,7 *)", ["2026-11-01T09:00", "2026-11-07T09:00", "2026-11-08T09:00"]],
  ["cron(0 9 ? * 2#1 *)", ["2026-11-02T09:00", "2026-12-07T09:00", "2027-01-04T09:00"]],
  ["cron(0 9 ? * 6L *)", ["2026-11-27T09:00", "2026-12-25T09:00", "2027-01-29T09:00"]],
  ["cron(0 12 ? * MON-FRI *)", ["2026-11-02T12:00", "2026-11-03T12:00", "2026-11-04T12:00"]],
  ["cron(0 12 ? * 2/2 *)", ["2026-11-02T12:00", "2026-11-04T12:00", "2026-11-06T12:00"]],
  ["cron(0 12 L * ? *)", ["2026-11-30T12:00", "2026-12-31T12:00", "2027-01-31T12:00"]],
  ["cron(0/15 8-17 ? * 2-6 *)", ["2026-11-02T08:00", "2026-11-02T08:15", "2026-11-02T08:30"]],
  ["0 0 29 2 *", ["2028-02-29T00:00", "2032-02-29T00:00", "2036-02-29T00:00"]],
];

const SYNTAX = "rate(N seconds|minutes|hours|days)";

/** Texts that are wrong, with what their message must say for a person to know what is right. */
const WRONG: readonly (readonly [text: string, says: string])[] = [
  ["", SYNTAX],
  ["soon", SYNTAX],
  ["rate(10 fortnights)", SYNTAX],
  ["rate(-1 minutes)", SYNTAX],
  ["rate(1.5 hours)", SYNTAX],
  ["rate(1 minute", SYNTAX],
  ["* * * *", SYNTAX],
  ["* * * * * *", SYNTAX],
  ["a b c d e", SYNTAX],
  ["61 * * * *", SYNTAX],
  ["0 25 * * *", SYNTAX],
  ["rate(0 seconds)", "between 1 second and 366 days"],
  ["rate(367 days)", "between 1 second and 366 days"],
  ["cron(0 12 ? * 2-6 2027)", "the year, must be `*`"],
  ["cron(0 12 ? * 8 *)", "1 to 7 or SUN to SAT"],
  ["cron(0 12 ? * 0 *)", "1 to 7 or SUN to SAT"],
  ["0 0 31 2 *", "never comes due"],
];

/** The next `count` runs, written as `2026-11-01T00:10`. */
function runsOf(text: string, from: string, count: number, timezone = "UTC"): string[] {
  const schedule = parseSchedule(text, { timezone, splayMs: 0 });
  const runs: string[] = [];
  for (let at = Date.parse(from); runs.length < count; ) {
    at = nextRun(schedule, at, 0);
    runs.push(new Date(at).toISOString().slice(0, 16));
  }
  return runs;
}

describe("parseSchedule", () => {
  for (const [text, intervalMs] of RATES) {
    it(`reads ${text} as ${intervalMs} ms, spread over all of it`, () => {
      expect(parseSchedule(text, { timezone: "UTC", splayMs: undefined })).to.deep.equal({
        kind: "rate",
        intervalMs,
        splayMs: intervalMs,
      });
    });
  }

  for (const [text, times] of CRONS) {
    it(`runs ${text} at ${times.join(", ")}`, () => {
      expect(runsOf(text, "2026-11-01T00:00Z", times.length)).to.deep.equal(times);
    });
  }

  for (const [text, says] of WRONG) {
    it(`refuses ${JSON.stringify(text)} and names what is right`, () => {
      expect(() => parseSchedule(text, UTC)).to.throw(Error, says);
    });
  }

  it("refuses a splay longer than the interval, which would leave sweeps out", () => {
    const options = { timezone: "UTC", splayMs: 60_001 };
    expect(() => parseSchedule("rate(1 minute)", options)).to.throw("splay must not be longer");
    expect(parseSchedule("rate(1 minute)", { ...options, splayMs: 60_000 }).splayMs).to.equal(
      60_000,
    );
  });

  it("spreads a cron over one minute unless told otherwise", () => {
    const options = { timezone: "UTC", splayMs: undefined };
    expect(parseSchedule("0 * * * *", options).splayMs).to.equal(60_000);
    expect(parseSchedule("0 * * * *", { ...options, splayMs: 5 }).splayMs).to.equal(5);
  });

  it("reads AWS's 2-6 as Monday to Friday at noon, for a year", () => {
    for (const run of runsOf("cron(0 12 ? * 2-6 *)", "2026-01-01T00:00Z", 261)) {
      const at = new Date(`${run}Z`);
      expect(at.getUTCDay(), run).to.be.within(1, 5);
      expect(run).to.match(/T12:00$/);
    }
    expect(runsOf("cron(0 12 ? * 2-6 *)", "2026-01-01T00:00Z", 261).at(-1)).to.equal(
      "2026-12-31T12:00",
    );
  });
});

describe("nextRun in Europe/Berlin", () => {
  it("keeps noon at noon of the local clock over the start of summer time", () => {
    expect(runsOf("0 12 * * *", "2027-03-27T05:00Z", 3, "Europe/Berlin")).to.deep.equal([
      "2027-03-27T11:00",
      "2027-03-28T10:00",
      "2027-03-29T10:00",
    ]);
  });

  it("runs once on the day whose 02:30 does not exist", () => {
    const runs = runsOf("30 2 * * *", "2027-03-27T12:00Z", 2, "Europe/Berlin");
    expect(runs.map((run) => run.slice(0, 10))).to.deep.equal(["2027-03-28", "2027-03-29"]);
  });

  it("runs once on the day that has 02:30 twice", () => {
    const runs = runsOf("30 2 * * *", "2027-10-30T12:00Z", 2, "Europe/Berlin");
    expect(runs).to.deep.equal(["2027-10-31T00:30", "2027-11-01T01:30"]);
  });

  it("runs an hourly cron every hour of the day with 25 hours", () => {
    const runs = runsOf("0 * * * *", "2027-10-30T21:30Z", 26, "Europe/Berlin");
    const gaps = runs
      .slice(1)
      .map((run, index) => Date.parse(`${run}Z`) - Date.parse(`${runs[index]}Z`));
    expect(new Set(gaps)).to.deep.equal(new Set([HOUR_MS]));
  });
});

describe("nextRun", () => {
  const anyTime = fc.integer({ min: 0, max: Date.UTC(2100, 0, 1) });
  const anyFraction = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  const anyRate = fc.constantFrom(...RATES);

  it("of a rate lies one interval after the other, all on the host's phase", () => {
    fc.assert(
      fc.property(anyRate, anyTime, anyFraction, ([text, intervalMs], now, fraction) => {
        const schedule = parseSchedule(text, { timezone: "UTC", splayMs: undefined });
        const first = nextRun(schedule, now, fraction);
        expect(first).to.be.within(now + 1, now + intervalMs);
        expect(nextRun(schedule, first, fraction) - first).to.equal(intervalMs);
        expect(nextRun(schedule, first - 1, fraction)).to.equal(first);
        expect(first % intervalMs).to.equal(Math.floor(fraction * intervalMs));
      }),
    );
  });

  it("puts every fraction within the splay, and none before the undelayed time", () => {
    fc.assert(
      fc.property(
        anyFraction,
        fc.integer({ min: 0, max: 60_000 }),
        fc.constantFrom("rate(1 minute)", "* * * * *"),
        (fraction, splayMs, text) => {
          const schedule = parseSchedule(text, { timezone: "UTC", splayMs });
          // One millisecond before the minute nobody of the last minute is left to come.
          const offset = nextRun(
            schedule,
            60_000 * 10 - 1 + Math.floor(fraction * splayMs),
            fraction,
          );
          expect(offset - 600_000).to.be.within(0, Math.max(0, splayMs - 1));
        },
      ),
    );
  });

  it("of a cron is later than now, and the same until it has come", () => {
    const anyCron = fc.constantFrom(...CRONS.map(([text]) => text));
    fc.assert(
      fc.property(anyCron, anyTime, anyFraction, (text, now, fraction) => {
        const schedule = parseSchedule(text, { timezone: "Europe/Berlin", splayMs: 45_000 });
        const first = nextRun(schedule, now, fraction);
        expect(first).to.be.greaterThan(now);
        expect(nextRun(schedule, first - 1, fraction)).to.equal(first);
        expect(nextRun(schedule, first, fraction)).to.be.greaterThan(first);
      }),
      { numRuns: 60 },
    );
  });
});
