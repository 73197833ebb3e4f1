import { setTimeout as delay } from "node:timers/promises";
import { bootTimeMs } from "./kernel.ts";

/**
 * Where time comes from. Everything that waits or measures takes a Clock, so that tests can run a
 * day in a millisecond and a jump of the wall clock is an ordinary case.
 */
export interface Clock {
  /** Wall-clock time in milliseconds since 1970. It can jump either way. */
  now(): number;
  /** Milliseconds since an arbitrary start. It never goes back and ignores changes of the wall clock. */
  monotonic(): number;
  /** Milliseconds since boot, sleep of the machine included. Nobody can set it. */
  boottime(): number;
  /**
   * Resolves after `ms` milliseconds.
   * @throws the signal's reason, as soon as `signal` aborts.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Node's timers hold a signed 32-bit number of milliseconds; a longer wait would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** The real clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  boottime: bootTimeMs,
  async sleep(ms, signal) {
    signal?.throwIfAborted();
    try {
      await delay(Math.min(Math.max(ms, 0), TIMER_MS_MAX), undefined, signal ? { signal } : {});
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  },
};
