import type { Clock } from "../lib/clock.ts";

/** How often the wall clock is looked at while waiting, so that a jump of it is noticed. */
const LOOK_MS = 60_000;
/** A wall clock that ran this much off the monotonic one was set, not slewed. */
const JUMP_MS = 5_000;

/**
 * Runs sweeps when they are due, one at a time. INVARIANTS:
 *
 * - Two sweeps never overlap; times that pass during a sweep are left out, not caught up.
 * - The next time is asked for after each sweep and each `wake`, never remembered beyond that, so
 *   a changed schedule takes effect between two sweeps.
 * - When the wall clock is set back, the next time is asked for again: a host does not stand still
 *   until the old time comes round.
 */
export class Scheduler {
  readonly #clock: Clock;
  #woken = Promise.withResolvers<void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Asks for the next time again, at once if no sweep is under way, else after it. */
  wake(): void {
    this.#woken.resolve();
  }

  /**
   * Runs until `stop` aborts; a sweep under way is waited for.
   * @param next called between two sweeps; answers when the next one is due, in wall-clock
   *   milliseconds
   * @param sweep does one sweep
   */
  async run(
    next: () => Promise<number>,
    sweep: (dueAt: number) => Promise<void>,
    stop: AbortSignal,
  ): Promise<void> {
    while (!stop.aborted) {
      this.#woken = Promise.withResolvers();
      const dueAt = await next();
      if (await this.#isDue(dueAt, stop)) await sweep(dueAt);
    }
  }

  /** Waits for the time. @returns false if it was woken, stopped, or the clock was set back */
  async #isDue(dueAt: number, stop: AbortSignal): Promise<boolean> {
    const interrupted = new AbortController();
    void this.#woken.promise.then(() => interrupted.abort());
    const signal = AbortSignal.any([stop, interrupted.signal]);
    while (!signal.aborted) {
      const now = this.#clock.now();
      if (now >= dueAt) return true;
      const before = this.#clock.monotonic();
      await this.#clock.sleep(Math.min(dueAt - now, LOOK_MS), signal).catch(() => undefined);
      const driftMs = this.#clock.now() - now - (this.#clock.monotonic() - before);
      if (driftMs < -JUMP_MS) return false;
    }
    return false;
  }
}
