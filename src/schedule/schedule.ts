import { Cron } from "croner";
import { messageOf } from "../lib/errors.ts";

/** When a host sweeps, as parsed from the settings `schedule`, `timezone` and `splay`. */
export type Schedule = RateSchedule | CronSchedule;

interface RateSchedule {
  readonly kind: "rate";
  readonly intervalMs: number;
  /** Hosts spread their sweeps over this many milliseconds. */
  readonly splayMs: number;
}

interface CronSchedule {
  readonly kind: "cron";
  /** Five fields: minute, hour, day of month, month, day of week. */
  readonly pattern: string;
  readonly timezone: string;
  readonly splayMs: number;
}

const RATE_UNITS_MS = {
  second: 1_000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
} as const;

/** A cron time is usually a full minute; a fleet must not start in the same second of it. */
const CRON_SPLAY_DEFAULT_MS = 60_000;

/** A year without a sweep is surely a mistake, such as `cron(0 0 31 2 *)`. */
const NEXT_RUN_MS_MAX = 366 * RATE_UNITS_MS.day;

/** What `parseSchedule` takes, for messages and documents. */
export const SCHEDULE_SYNTAX =
  "rate(N seconds|minutes|hours|days), five cron fields such as `*/10 * * * *`, or cron(...)";

/**
 * Reads a schedule.
 * @param text see SCHEDULE_SYNTAX. `cron(...)` takes five fields, or the six of AWS
 *   (https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based),
 *   where days of the week count from 1 = Sunday and the year must be `*`.
 * @param options.timezone IANA name in which cron fields are read; a rate ignores it
 * @param options.splayMs over how long hosts spread; undefined: the whole interval of a rate,
 *   one minute for cron
 * @throws Error whose message says what is wrong with the text
 */
export function parseSchedule(
  text: string,
  options: { readonly timezone: string; readonly splayMs: number | undefined },
): Schedule {
  const rate = /^rate\(\s*(\d+)\s+(second|minute|hour|day)s?\s*\)$/.exec(text.trim());
  if (rate !== null) {
    const intervalMs = Number(rate[1]) * RATE_UNITS_MS[rate[2] as keyof typeof RATE_UNITS_MS];
    if (intervalMs < 1_000 || intervalMs > NEXT_RUN_MS_MAX) {
      throw new Error("a rate must be between 1 second and 366 days");
    }
    const splayMs = options.splayMs ?? intervalMs;
    if (splayMs > intervalMs) throw new Error("the splay must not be longer than the interval");
    return { kind: "rate", intervalMs, splayMs };
  }
  const pattern = cronPattern(text.trim());
  const schedule: CronSchedule = {
    kind: "cron",
    pattern,
    timezone: options.timezone,
    splayMs: options.splayMs ?? CRON_SPLAY_DEFAULT_MS,
  };
  assertCron(schedule);
  return schedule;
}

/**
 * The next sweep of this host.
 * @param now wall-clock milliseconds; the answer is later than this
 * @param fraction the host's place within the splay, in [0, 1)
 * @returns wall-clock milliseconds
 */
export function nextRun(schedule: Schedule, now: number, fraction: number): number {
  const offsetMs = Math.floor(fraction * schedule.splayMs);
  if (schedule.kind === "rate") {
    const { intervalMs } = schedule;
    return (Math.floor((now - offsetMs) / intervalMs) + 1) * intervalMs + offsetMs;
  }
  const next = cronOf(schedule).nextRun(new Date(now - offsetMs));
  // assertCron saw a next run when the schedule was read; only the end of time has none.
  return (next?.getTime() ?? Number.MAX_SAFE_INTEGER) + offsetMs;
}

function cronPattern(text: string): string {
  const wrapped = /^cron\((.*)\)$/.exec(text);
  const fields = (wrapped?.[1] ?? text).trim().split(/\s+/);
  if (wrapped !== null && fields.length === 6) return patternOfAws(fields);
  if (fields.length !== 5) throw new Error(`must be ${SCHEDULE_SYNTAX}`);
  return fields.map(withSteps).join(" ");
}

/** AWS counts days of the week from 1 = Sunday, the field's cron from 0, and adds a year. */
function patternOfAws(fields: readonly string[]): string {
  const [minute = "", hour = "", day = "", month = "", weekday = "", year = ""] = fields;
  if (year !== "*") throw new Error("the sixth field of cron(...), the year, must be `*`");
  // In `1-5`, `2#1` or `6L` the number before `#` and `L` is a day; the one after `#` or `/` is not.
  const shifted = weekday.replace(/(?<![#/\d])\d+/g, (number) => {
    const value = Number(number);
    if (value < 1 || value > 7)
      throw new Error("days of the week in cron(...) are 1 to 7 or SUN to SAT");
    return String(value - 1);
  });
  return [minute, hour, day, month, shifted].map(withSteps).join(" ");
}

/** Both `0/15` and `5/15` are common ways to write `0-59/15`: from there on, in steps. */
function withSteps(field: string, index: number): string {
  const last = [59, 23, 31, 12, 6][index] ?? 0;
  return field.replace(/(^|,)(\d+)\/(\d+)/g, `$1$2-${last}/$3`);
}

function assertCron(schedule: CronSchedule): void {
  let next: Date | null;
  try {
    next = cronOf(schedule).nextRun(new Date(0));
  } catch (error) {
    throw new Error(`${messageOf(error).replace(/^\w+: /, "")} (must be ${SCHEDULE_SYNTAX})`);
  }
  if (next === null) throw new Error("this cron never comes due");
}

function cronOf(schedule: CronSchedule): Cron {
  return new Cron(schedule.pattern, { paused: true, mode: "5-part", timezone: schedule.timezone });
}
