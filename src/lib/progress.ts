import type { Clock } from "./clock.ts";

/** How work that is watched shows that it gets on. */
export interface Marks {
  /** Something has got on. @param step what it was, in a word */
  mark(step: string): void;
  /**
   * Waits for what others hold or use up first, such as memory, descriptors or bandwidth: until
   * then this work is as much alive as the others are.
   */
  waitFor<T>(what: Promise<T>): Promise<T>;
  /** Waits for something that is known to stay quiet for longer than QUIET_MS_MAX. */
  allow<T>(quietMs: number, what: Promise<T>): Promise<T>;
}

/** For work that nobody watches. */
export const UNWATCHED: Marks = {
  mark() {},
  waitFor: (what) => what,
  allow: (_quietMs, what) => what,
};

/**
 * Work that has not got on for so long hangs. The longest that anything is quiet and will go on by
 * itself is a request to S3 that is never answered: 5 s for the connection, 60 s until an idle
 * connection is given up, and about two minutes for credentials that come by way of a profile, a
 * process and a role, none of which answers. All of these have limits of their own.
 */
export const QUIET_MS_MAX = 300_000;

/** Work that hangs. */
export interface Quiet {
  readonly name: string;
  /** What it did last. */
  readonly step: string;
  readonly quietMs: number;
}

/** Work under way. */
export interface Task extends Marks, Disposable {}

interface State {
  readonly name: string;
  step: string;
  markedAt: number;
  waits: number;
  readonly allowed: number[];
}

/**
 * What is under way in this process, and when each of it got on last. Idle is nothing under way.
 * INVARIANTS:
 *
 * - Each task is judged by its own marks: one that hangs is not hidden by others that go on.
 * - A task that waits for others hangs when none of all has got on.
 * - Time in which nobody could have got on (`forgive`) counts for nothing.
 */
export class Progress {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #states = new Set<State>();

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
  }

  /** Work begins. @param name what it is; several may have the same one */
  begin(name: string): Task {
    const clock = this.#clock;
    const state: State = {
      name,
      step: "begin",
      markedAt: clock.monotonic(),
      waits: 0,
      allowed: [],
    };
    this.#states.add(state);
    const mark = (step: string) => {
      state.step = step;
      state.markedAt = clock.monotonic();
    };
    return {
      mark,
      async waitFor(what) {
        state.waits += 1;
        try {
          return await what;
        } finally {
          state.waits -= 1;
          mark("wait");
        }
      },
      async allow(quietMs, what) {
        state.allowed.push(quietMs);
        try {
          return await what;
        } finally {
          state.allowed.splice(state.allowed.indexOf(quietMs), 1);
          mark("answer");
        }
      },
      [Symbol.dispose]: () => void this.#states.delete(state),
    };
  }

  /** Watches work from its beginning to its end. */
  async watch<T>(name: string, work: (marks: Marks) => Promise<T>): Promise<T> {
    using task = this.begin(name);
    return await work(task);
  }

  /** Everything that hangs now, the longest first. */
  quiet(): readonly Quiet[] {
    const now = this.#clock.monotonic();
    const lastOfAll = Math.max(...[...this.#states].map(({ markedAt }) => markedAt));
    return [...this.#states]
      .map(({ name, step, markedAt, waits, allowed }) => {
        const quietMs = now - (waits > 0 ? lastOfAll : markedAt);
        return { name, step, quietMs, quietMsMax: Math.max(QUIET_MS_MAX, ...allowed) };
      })
      .filter(({ quietMs, quietMsMax }) => quietMs >= quietMsMax)
      .map(({ name, step, quietMs }) => ({ name, step, quietMs }))
      .toSorted((one, other) => other.quietMs - one.quietMs);
  }

  /** The whole process stood still for so long, as one that is stopped or frozen does. */
  forgive(ms: number): void {
    for (const state of this.#states) state.markedAt += ms;
  }
}

/** The same clock, whose sleeps are marks: whoever sleeps knows when he goes on. */
export function markedClock(clock: Clock, marks: Marks): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    boottime: () => clock.boottime(),
    async sleep(ms, signal) {
      marks.mark("sleep");
      await clock.sleep(ms, signal);
      marks.mark("sleep");
    },
  };
}
