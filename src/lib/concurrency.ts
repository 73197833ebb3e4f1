import { toError } from "./errors.ts";

/**
 * Runs `work` for every item, at most `limit` at once, and pulls the next item only when a place
 * is free: what waits is never held in memory, and one slow item does not hold up the others
 * (libraries that answer in the order of the input do).
 * @throws the first error of `items` or `work`, after the work already begun has ended.
 */
export async function forEachConcurrently<T>(
  items: AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  const errors: Error[] = [];
  try {
    for await (const item of items) {
      const task: Promise<void> = work(item)
        .catch((error: unknown) => {
          errors.push(toError(error));
        })
        .finally(() => running.delete(task));
      running.add(task);
      if (running.size >= limit) await Promise.race(running);
      if (errors.length > 0) break;
    }
  } finally {
    await Promise.all(running);
  }
  const [first] = errors;
  if (first !== undefined) throw first;
}

/** The places of one party among several. */
export interface Share extends Disposable {
  /** Resolves when a place is the caller's. */
  take(): Promise<void>;
  /** Gives a place back. */
  giveBack(): void;
  /** The party is gone. It holds no place then, and waits for none. */
  [Symbol.dispose](): void;
}

interface Party {
  held: number;
}

/**
 * A number of places that several parties share, such as the descriptors of a process. INVARIANTS:
 *
 * - Places are given in the order of asking, whoever asks.
 * - One place is left for each party that has none: however long another one keeps all of its
 *   places, nobody starves. Only parties beyond the number of places wait for others to give back.
 */
export class Places {
  #free: number;
  readonly #parties = new Set<Party>();
  #waiting: { readonly party: Party; readonly grant: () => void }[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** One party more. */
  share(): Share {
    const party: Party = { held: 0 };
    this.#parties.add(party);
    return {
      take: async () => {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#waiting.push({ party, grant: resolve });
        this.#grant();
        await promise;
      },
      giveBack: () => {
        party.held -= 1;
        this.#free += 1;
        this.#grant();
      },
      [Symbol.dispose]: () => {
        this.#parties.delete(party);
        this.#grant();
      },
    };
  }

  #grant(): void {
    if (this.#free === 0) return;
    this.#waiting = this.#waiting.filter(({ party, grant }) => {
      if (!this.#mayTake(party)) return true;
      this.#free -= 1;
      party.held += 1;
      grant();
      return false;
    });
  }

  #mayTake(party: Party): boolean {
    if (party.held === 0) return this.#free > 0;
    let reserved = 0;
    for (const { held } of this.#parties) if (held === 0) reserved += 1;
    return this.#free > reserved;
  }
}
