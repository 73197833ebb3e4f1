import { holdsReadLease, type LeaseAnswer, releaseLease, takeReadLease } from "./kernel.ts";

/** A read lease on an open file. */
export interface Lease {
  /** Asks the kernel: nobody can have written to the file since the lease was taken. */
  isHeld(): boolean;
  /** Aborts when somebody opens the file for writing. The reason's cause is what the action threw. */
  readonly broken: AbortSignal;
  /**
   * What must be done before the writer may go on, such as giving the file its name back. It runs
   * at once while the writer waits in open(2), so it must be synchronous and short.
   */
  setBeforeWriter(action: (() => void) | undefined): void;
  /** Gives the lease up. Must come before the descriptor is closed: its number is used again. */
  release(): void;
}

export type LeaseWish =
  | { readonly kind: "held"; readonly lease: Lease }
  | Exclude<LeaseAnswer, { readonly kind: "held" }>;

interface Held {
  readonly fd: number;
  readonly breaking: AbortController;
  beforeWriter: (() => void) | undefined;
}

/**
 * Keeps read leases. INVARIANTS:
 *
 * - The SIGIO handler is there before the first lease is taken and until the last one is gone:
 *   a lease break would otherwise end the process.
 * - A SIGIO does not say which lease it is about and several become one, so each time all leases
 *   are asked for.
 * - When a lease breaks, its action is done first and the lease is given up then, whatever the
 *   action does: no writer, of this file or another, is left waiting for the kernel's 45 seconds.
 */
export class LeaseKeeper implements Disposable {
  readonly #held = new Map<number, Held>();
  readonly #onSignal = () => this.#look();

  constructor() {
    process.on("SIGIO", this.#onSignal);
  }

  /** How many leases are held. */
  get size(): number {
    return this.#held.size;
  }

  /** Asks for a lease on an open file. */
  take(fd: number): LeaseWish {
    const answer = takeReadLease(fd);
    if (answer.kind !== "held") return answer;
    const held: Held = { fd, breaking: new AbortController(), beforeWriter: undefined };
    this.#held.set(fd, held);
    const isMine = () => this.#held.get(fd) === held;
    const lease: Lease = {
      isHeld: () => isMine() && holdsReadLease(fd),
      broken: held.breaking.signal,
      setBeforeWriter: (action) => {
        held.beforeWriter = action;
      },
      release: () => {
        if (!isMine()) return;
        this.#held.delete(fd);
        releaseLease(fd);
      },
    };
    return { kind: "held", lease };
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#held.values()) releaseLease(fd);
    this.#held.clear();
    process.off("SIGIO", this.#onSignal);
  }

  #look(): void {
    for (const held of [...this.#held.values()]) {
      if (holdsReadLease(held.fd)) continue;
      this.#held.delete(held.fd);
      let cause: unknown;
      try {
        held.beforeWriter?.();
      } catch (error) {
        cause = error;
      }
      releaseLease(held.fd);
      held.breaking.abort(new Error("somebody opened the file for writing", { cause }));
    }
  }
}
