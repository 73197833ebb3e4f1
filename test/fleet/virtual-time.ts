/** How many moments one turn of Node's event loop works off; beyond some tens it gains nothing. */
const MOMENTS_PER_TURN = 64;

/** A loop that goes on so often without letting time pass is a mistake, and would go on for ever. */
const STANDSTILL_MAX = 100_000;

/** Something that happens at a moment. */
export interface Alarm {
  /** Whole wall-clock milliseconds. */
  readonly at: number;
  ring(): void;
}

/**
 * A time of which nothing is real: it stands still while code runs, and then jumps to the next
 * moment for which there is an alarm. Hours of a whole fleet pass in seconds. INVARIANTS:
 *
 * - Moments are whole milliseconds, as with Node's timers, and never earlier than asked for.
 * - Alarms of one moment ring in the order in which they were set. With seeded random numbers, two
 *   runs are therefore equal to the last event.
 * - Time moves only when nothing is left to do: each moment is an immediate of Node's, and Node
 *   runs every promise reaction and `nextTick` before the next immediate. Code that lives in this
 *   time must not wait for anything else, such as a file or a real timer.
 */
export class VirtualTime {
  /** Wall-clock milliseconds at the start. */
  readonly startedAt: number;
  readonly #heap: Entry[] = [];
  #now: number;
  #order = 0;
  #moments = 0;
  /** How often this very millisecond was worked on. */
  #standstill = 0;
  #rung = 0;

  /** @param startAt wall-clock milliseconds */
  constructor(startAt: number) {
    this.startedAt = startAt;
    this.#now = Math.ceil(startAt);
  }

  /** Wall-clock milliseconds, the same for all hosts. */
  now(): number {
    return this.#now;
  }

  /** What happened so far, for the report on the simulation itself. */
  get work(): { readonly moments: number; readonly alarms: number } {
    return { moments: this.#moments, alarms: this.#rung };
  }

  /** @param moment wall-clock milliseconds; what is past rings as soon as time runs */
  ringAt(moment: number, ring: () => void): void {
    this.set({ at: this.momentOf(moment), ring });
  }

  /** @param alarm must be due at a `momentOf` */
  set(alarm: Alarm): void {
    this.#order += 1;
    push(this.#heap, { alarm, at: alarm.at, order: this.#order });
  }

  /** The first moment that is not earlier than this and not over. */
  momentOf(ms: number): number {
    return Math.ceil(Math.max(ms, this.#now));
  }

  /**
   * Lets time pass until a moment, which is included.
   * @throws what an alarm threw; Error if time stands still
   */
  runUntil(end: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let isOver = false;
      const pass = () => {
        if (isOver) return;
        try {
          isOver = !this.#passMoment(end);
          if (isOver) resolve();
        } catch (error) {
          isOver = true;
          reject(error);
        }
      };
      const turn = () => {
        if (isOver) return;
        for (let count = 0; count < MOMENTS_PER_TURN; count += 1) setImmediate(pass);
        setImmediate(turn);
      };
      setImmediate(turn);
    });
  }

  /** @returns false if there is no alarm until then */
  #passMoment(end: number): boolean {
    const next = this.#heap[0];
    if (next === undefined || next.at > end) {
      this.#now = Math.max(this.#now, Math.ceil(end));
      return false;
    }
    this.#standstill = next.at === this.#now ? this.#standstill + 1 : 0;
    if (this.#standstill > STANDSTILL_MAX) throw new Error("time stands still");
    this.#now = next.at;
    this.#moments += 1;
    while (this.#heap[0] !== undefined && this.#heap[0].at === this.#now) {
      this.#rung += 1;
      pop(this.#heap).alarm.ring();
    }
    return true;
  }
}

interface Entry {
  readonly alarm: Alarm;
  readonly at: number;
  readonly order: number;
}

function isBefore(one: Entry, other: Entry): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

function push(heap: Entry[], entry: Entry): void {
  let index = heap.length;
  while (index > 0) {
    const parentIndex = (index - 1) >> 1;
    const parent = heap[parentIndex] as Entry;
    if (isBefore(parent, entry)) break;
    heap[index] = parent;
    index = parentIndex;
  }
  heap[index] = entry;
}

/** @param heap must not be empty */
function pop(heap: Entry[]): Entry {
  const first = heap[0] as Entry;
  const last = heap.pop() as Entry;
  if (heap.length === 0) return first;
  let index = 0;
  for (;;) {
    let childIndex = 2 * index + 1;
    const left = heap[childIndex];
    if (left === undefined) break;
    const right = heap[childIndex + 1];
    const isRight = right !== undefined && isBefore(right, left);
    if (isRight) childIndex += 1;
    const child = isRight ? right : left;
    if (isBefore(last, child)) break;
    heap[index] = child;
    index = childIndex;
  }
  heap[index] = last;
  return first;
}
