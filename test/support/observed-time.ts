import { createHook } from "node:async_hooks";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../../src/lib/clock.ts";

/** What Node lists among its active resources while a file is being worked on. */
const FILE_WORK = /^(FSReq|CloseReq)/;

/**
 * What it does not list: `readFile` and `writeFile` by a path, which Node does in one piece.
 * Promises would be many, and are not asked about.
 */
const UNLISTED = "FSREQCALLBACK";
const unlisted = new Set<number>();
const watch = createHook({
  init: (id, type) => {
    if (type === UNLISTED) unlisted.add(id);
  },
  destroy: (id) => unlisted.delete(id),
  trackPromises: false,
});

/** So many turns of the event loop without any work: nobody goes on but by the clock. */
const CALM_TURNS = 3;

interface Sleeper {
  readonly at: number;
  readonly order: number;
  readonly wake: () => void;
}

/**
 * Time of which nothing is real, for code whose files are real: it stands still while any promise
 * or any work on a file is under way, and then jumps to the next moment for which somebody sleeps.
 * A day of an agent passes in seconds. What it does not know of, such as sockets and children, must
 * not be waited for in it. One at a time.
 */
export class ObservedTime implements Clock, Disposable {
  #now: number;
  readonly #startedAt: number;
  #sleepers: Sleeper[] = [];
  #order = 0;

  /**
   * @param startAt wall-clock milliseconds. Files have the real time: one that is made later is as
   *   much too old as the clock is ahead by then. A clock behind the real one would make them wait.
   */
  constructor(startAt: number) {
    this.#startedAt = startAt;
    this.#now = startAt;
    watch.enable();
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now - this.#startedAt;
  }

  /** A machine that never sleeps, booted an hour before. */
  boottime(): number {
    return this.monotonic() + 3_600_000;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      const disturb = () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        reject(signal?.reason);
      };
      const wake = () => {
        signal?.removeEventListener("abort", disturb);
        resolve();
      };
      // Whole milliseconds and never too early, as with Node's timers.
      const at = this.#now + Math.ceil(Math.max(0, ms));
      this.#order += 1;
      const sleeper = { at, order: this.#order, wake };
      this.#sleepers.push(sleeper);
      signal?.addEventListener("abort", disturb, { once: true });
    });
  }

  /** Lets time pass until a moment, which is included. @param end wall-clock milliseconds */
  async runUntil(end: number): Promise<void> {
    for (;;) {
      await calm();
      const next = this.#sleepers.reduce<Sleeper | undefined>(
        (one, other) => (one !== undefined && isBefore(one, other) ? one : other),
        undefined,
      );
      if (next === undefined || next.at > end) break;
      this.#now = next.at;
      this.#sleepers = this.#sleepers.filter((other) => other !== next);
      next.wake();
    }
    this.#now = Math.max(this.#now, end);
  }

  /** Lets time pass until something that goes by this clock has come to its end. */
  async until<T>(work: Promise<T>): Promise<T> {
    let isOver = false;
    const end = () => {
      isOver = true;
    };
    void work.then(end, end);
    for (await calm(); !isOver; await calm()) {
      const at = Math.min(...this.#sleepers.map((sleeper) => sleeper.at));
      // Nobody sleeps: what is left to do is real.
      if (Number.isFinite(at)) await this.runUntil(at);
    }
    return await work;
  }

  [Symbol.dispose](): void {
    watch.disable();
    unlisted.clear();
  }
}

function isBefore(one: Sleeper, other: Sleeper): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

async function calm(): Promise<void> {
  for (let turns = 0; turns < CALM_TURNS; turns += 1) {
    await nextTurn();
    const isBusy =
      unlisted.size > 0 || process.getActiveResourcesInfo().some((name) => FILE_WORK.test(name));
    if (isBusy) turns = -1;
  }
}
