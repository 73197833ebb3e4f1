interface Waiting {
  readonly bytes: number;
  readonly grant: () => void;
}

/**
 * Memory that everybody shares who holds large pieces of it: who wants some waits until it is
 * free, in the order of asking. Nobody may wait for more while holding some, or all could wait for
 * ever.
 */
export class ByteBudget {
  readonly #bytesMax: number;
  #held = 0;
  #mostHeld = 0;
  #waiting: Waiting[] = [];
  /** Buffers that were used and can be used again, the one given back last at the end. */
  #spare: Buffer[] = [];

  /** @param bytesMax how much may be held at once */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** How many bytes are held now. */
  get held(): number {
    return this.#held;
  }

  /** The most bytes that were ever held at once. */
  get mostHeld(): number {
    return this.#mostHeld;
  }

  /**
   * A buffer for bytes that were acquired: a used one if there is one of the size. New ones for
   * every part would be garbage faster than it is collected.
   */
  takeBuffer(bytes: number): Buffer {
    const at = this.#spare.findLastIndex((spare) => spare.length === bytes);
    const [spare] = at < 0 ? [] : this.#spare.splice(at, 1);
    return spare ?? Buffer.allocUnsafeSlow(bytes);
  }

  /** Gives a buffer back that nobody uses any longer, before its bytes are given back. */
  giveBackBuffer(buffer: Buffer): void {
    this.#spare.push(buffer);
    const spareBytes = () => this.#spare.reduce((sum, { length }) => sum + length, 0);
    while (spareBytes() > this.#bytesMax / 2) this.#spare.shift();
  }

  /**
   * Resolves when so many bytes may be held; more than the whole budget counts as all of it.
   * @returns what gives them back; calling it again does nothing
   * @throws the signal's reason if it aborts before
   */
  async acquire(bytes: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    const wanted = Math.min(bytes, this.#bytesMax);
    if (this.#waiting.length > 0 || !this.#fits(wanted)) await this.#wait(wanted, signal);
    else this.#take(wanted);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#held -= wanted;
      this.#grantNext();
    };
  }

  #wait(bytes: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = {
      bytes,
      grant: () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      },
    };
    const onAbort = () => {
      this.#waiting = this.#waiting.filter((other) => other !== waiting);
      reject(signal.reason);
      // It may have been in the way of a smaller one.
      this.#grantNext();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#waiting.push(waiting);
    return promise;
  }

  #grantNext(): void {
    for (;;) {
      const [next] = this.#waiting;
      if (next === undefined || !this.#fits(next.bytes)) return;
      this.#waiting.shift();
      this.#take(next.bytes);
      next.grant();
    }
  }

  #fits(bytes: number): boolean {
    return this.#held + bytes <= this.#bytesMax;
  }

  #take(bytes: number): void {
    this.#held += bytes;
    this.#mostHeld = Math.max(this.#mostHeld, this.#held);
  }
}
