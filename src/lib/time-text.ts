/**
 * A wall-clock time as records and JSON have it: ISO 8601 in UTC.
 * @param ms since 1970; undefined: not known
 * @throws RangeError if it is no time that `Date` can hold
 */
export function timeText(ms: number): string;
export function timeText(ms: number | undefined): string | undefined;
export function timeText(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}

/** Whole seconds from one wall-clock moment to another, in milliseconds both; a clock that was set back in between makes it 0. */
export function secondsSince(since: number, now: number): number {
  return Math.max(0, Math.round((now - since) / 1_000));
}
