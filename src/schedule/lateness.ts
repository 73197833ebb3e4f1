import { nextRun, type Schedule } from "./schedule.ts";

/** A host that is busy for some seconds is not late, however often it is to sweep. */
const LATE_MS_MIN = 60_000;

/**
 * Whether sweeps of a host are late: none has completed since the last but one due time. One that
 * is due may last until the next is; then something holds it up, or there is more to do than it can.
 *
 * Only time in which the host was awake counts, so neither a suspend nor a clock that was set makes
 * a host late that had no time to work.
 * @param since when the last sweep completed, or the first one began to be waited for: wall clock
 * @param awakeMs how long ago that was, by the monotonic clock
 */
export function isLate(
  schedule: Schedule,
  fraction: number,
  { since, awakeMs }: { readonly since: number; readonly awakeMs: number },
): boolean {
  const dueAt = nextRun(schedule, since, fraction);
  return awakeMs >= Math.max(LATE_MS_MIN, nextRun(schedule, dueAt, fraction) - since);
}

/** A day of a cron that is due each minute; nobody counts further. */
const CRON_TIMES_MAX = 1_440;

/**
 * How many due times there are after a moment, and at most so long after it.
 * @param after wall-clock milliseconds
 * @returns at most CRON_TIMES_MAX for a cron
 */
export function dueTimesWithin(
  schedule: Schedule,
  fraction: number,
  { after, ms }: { readonly after: number; readonly ms: number },
): number {
  const first = nextRun(schedule, after, fraction);
  const end = after + ms;
  if (first > end) return 0;
  if (schedule.kind === "rate") return 1 + Math.floor((end - first) / schedule.intervalMs);
  let count = 0;
  for (let at = first; at <= end && count < CRON_TIMES_MAX; at = nextRun(schedule, at, fraction)) {
    count += 1;
  }
  return count;
}
