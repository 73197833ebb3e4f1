import type { Clock } from "./clock.ts";

/** What is known of the wall clock, to be kept over a restart of the agent. */
export interface ClockAnchor {
  /** Of the boot in which it was taken; another boot's says nothing. */
  readonly bootId: string;
  /** Wall-clock time minus time since boot, in milliseconds. */
  readonly offsetMs: number;
  /** Time since boot from which on the wall clock has run steadily, in milliseconds. */
  readonly steadySinceBootMs: number;
}

/**
 * Both clocks run at one rate (NTP slews them together), so their difference changes only when
 * somebody sets the wall clock. Reading them takes time; no setting of a clock is as small.
 */
const OFFSET_TOLERANCE_MS = 100;

/** Reading both takes microseconds, unless the process is put aside between the two. */
const READING_MS_MAX = 10;
const READINGS_MAX = 5;

/**
 * Watches the wall clock for having been set. Ages of files are computed from it, so a clock that
 * jumps ahead would make a file old that was written a second ago. Nothing is therefore older than
 * the time for which the clock is known to have run steadily: since the agent began to watch it, or
 * since a moment that an earlier run of the agent in the same boot has written down.
 */
export class SteadyClock {
  readonly #clock: Clock;
  readonly #bootId: string;
  #offsetMs: number;
  #steadySinceBootMs: number;

  /** @param anchor what an earlier run knew; undefined: nothing */
  constructor(clock: Clock, bootId: string, anchor: ClockAnchor | undefined) {
    this.#clock = clock;
    this.#bootId = bootId;
    const { now, bootMs } = readClocks(clock);
    this.#offsetMs = now - bootMs;
    this.#steadySinceBootMs = bootMs;
    // If the clock was set in between, the first look finds it so.
    if (anchor?.bootId === bootId && anchor.steadySinceBootMs <= bootMs) {
      this.#offsetMs = anchor.offsetMs;
      this.#steadySinceBootMs = anchor.steadySinceBootMs;
    }
  }

  /**
   * Looks at the clocks.
   * @returns since when the wall clock has run steadily, in wall-clock milliseconds
   */
  steadySince(): number {
    const { now, bootMs } = readClocks(this.#clock);
    const offsetMs = now - bootMs;
    if (Math.abs(offsetMs - this.#offsetMs) > OFFSET_TOLERANCE_MS) {
      this.#offsetMs = offsetMs;
      this.#steadySinceBootMs = bootMs;
    }
    return now - (bootMs - this.#steadySinceBootMs);
  }

  /** What a later run in the same boot should know. */
  anchor(): ClockAnchor {
    this.steadySince();
    return {
      bootId: this.#bootId,
      offsetMs: this.#offsetMs,
      steadySinceBootMs: this.#steadySinceBootMs,
    };
  }
}

/** Reads both clocks at one moment, as near as the machine lets. */
function readClocks(clock: Clock): { readonly now: number; readonly bootMs: number } {
  let best = { now: 0, bootMs: 0, tookMs: Number.POSITIVE_INFINITY };
  for (let i = 0; i < READINGS_MAX && best.tookMs > READING_MS_MAX; i += 1) {
    const before = clock.boottime();
    const now = clock.now();
    const tookMs = clock.boottime() - before;
    if (tookMs < best.tookMs) best = { now, bootMs: before + tookMs / 2, tookMs };
  }
  return best;
}
