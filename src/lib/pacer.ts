import type { Clock } from "./clock.ts";

/**
 * Makes a function that returns when the next call of something may begin, so that calls are never
 * closer together than their rate allows.
 * @param perSecond how many calls a second
 */
export function makePacer(clock: Clock, perSecond: number): (signal: AbortSignal) => Promise<void> {
  // Rounded up: a thousandth less, and one call more fits into a second.
  const gapMs = Math.ceil(1_000 / perSecond);
  let nextAt = Number.NEGATIVE_INFINITY;
  return async (signal) => {
    signal.throwIfAborted();
    const now = clock.monotonic();
    const at = Math.max(now, nextAt);
    nextAt = at + gapMs;
    if (at > now) await clock.sleep(at - now, signal);
  };
}
