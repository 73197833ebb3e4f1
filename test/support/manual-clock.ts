import type { Clock } from "../../src/lib/clock.ts";

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/** How often promises are let settle between two moments; more than any chain in the code is long. */
const SETTLE_TURNS = 50;

/** A clock that stands still until a test moves it. */
export class ManualClock implements Clock {
  #wall: number;
  #monotonic = 0;
  #sleepers: Sleeper[] = [];

  /** @param now wall-clock milliseconds at the start */
  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#wall = now;
  }

  now(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  /** A machine that never sleeps, booted an hour before the test. */
  boottime(): number {
    return this.#monotonic + 3_600_000;
  }

  /** How many sleep at the moment. */
  get sleepers(): number {
    return this.#sleepers.length;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      const sleeper = { at: this.#monotonic + Math.max(0, ms), wake: resolve };
      this.#sleepers.push(sleeper);
      signal?.addEventListener("abort", () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        reject(signal.reason);
      });
    });
  }

  /** Lets so much time pass, waking every sleeper at its own moment and in order. */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonic + ms;
    await settle();
    for (;;) {
      const due = this.#sleepers.filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at)[0];
      this.#moveTo(due === undefined ? end : Math.max(due.at, this.#monotonic));
      if (due === undefined) break;
      this.#sleepers = this.#sleepers.filter((sleeper) => sleeper !== due);
      due.wake();
      await settle();
    }
    await settle();
  }

  /** Sets the wall clock, as an administrator or NTP does; the monotonic one does not notice. */
  setWallClock(now: number): void {
    this.#wall = now;
  }

  #moveTo(monotonic: number): void {
    this.#wall += monotonic - this.#monotonic;
    this.#monotonic = monotonic;
  }
}

/** Lets everything that waits for a promise only go on. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < SETTLE_TURNS; turn += 1) await Promise.resolve();
}
