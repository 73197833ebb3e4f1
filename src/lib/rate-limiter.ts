import type { Clock } from "./clock.ts";

interface Waiting {
  readonly bytes: number;
  readonly grant: () => void;
}

/**
 * How much may be saved up while nobody takes anything, in seconds of the rate. A timer that comes
 * this late costs no throughput, and within five seconds it is a twentieth above the rate at most.
 */
const SAVED_SECONDS = 0.25;

/**
 * A rate in bytes a second that everybody shares who takes from it: a token bucket. INVARIANTS:
 *
 * - In any span of time no more is granted than the rate gives in it, and once the bucket or the
 *   largest take, whichever is more.
 * - Takes are granted in the order of asking. Nobody overtakes, so nobody waits for ever.
 * - A take of more than the bucket is granted when the bucket is full, and leaves a debt that the
 *   next one waits for.
 */
export class RateLimiter {
  readonly #clock: Clock;
  #bytesPerSecond = 0;
  /** What is in the bucket, in bytes; below 0: a debt. */
  #saved = 0;
  /** When that was so, on the monotonic clock. */
  #savedAt = 0;
  #waiting: Waiting[] = [];
  /** Ends the sleep in which the first one waits. */
  #wake: AbortController | undefined;

  /** @param bytesPerSecond 0: no limit */
  constructor({ clock }: { readonly clock: Clock }, bytesPerSecond: number) {
    this.#clock = clock;
    this.setRate(bytesPerSecond);
  }

  /** 0: no limit. */
  get bytesPerSecond(): number {
    return this.#bytesPerSecond;
  }

  /**
   * Sets another rate, which holds at once, for those that wait too.
   * @param bytesPerSecond 0: no limit
   */
  setRate(bytesPerSecond: number): void {
    const before = this.#bytesPerSecond;
    if (bytesPerSecond === before) return;
    this.#refill();
    this.#bytesPerSecond = bytesPerSecond;
    if (before === 0) this.#saved = this.#capacity;
    // A debt was made at the rate of its time. It is not to last longer because of a lower one.
    else if (this.#saved < 0) this.#saved *= Math.min(1, bytesPerSecond / before);
    this.#wake?.abort();
  }

  /**
   * Resolves when so many bytes may be sent.
   * @throws the signal's reason if it aborts before; nothing is taken then
   */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#refill();
    if (this.#waiting.length > 0 || !this.#fits(bytes)) await this.#wait(bytes, signal);
    else this.#saved -= bytes;
  }

  get #capacity(): number {
    return this.#bytesPerSecond * SAVED_SECONDS;
  }

  /** What must be in the bucket for a take. */
  #wanted(bytes: number): number {
    return Math.min(bytes, this.#capacity);
  }

  #fits(bytes: number): boolean {
    return this.#bytesPerSecond === 0 || this.#saved >= this.#wanted(bytes);
  }

  #refill(): void {
    const now = this.#clock.monotonic();
    const gained = ((now - this.#savedAt) / 1_000) * this.#bytesPerSecond;
    this.#saved = Math.min(this.#capacity, this.#saved + gained);
    this.#savedAt = now;
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
      // The next one may want less; and if there is none, no timer is to be left.
      this.#wake?.abort();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#waiting.push(waiting);
    if (this.#wake === undefined) void this.#serve();
    return promise;
  }

  /** Sleeps for the first one that waits, until nobody does. */
  async #serve(): Promise<void> {
    for (let [first] = this.#waiting; first !== undefined; [first] = this.#waiting) {
      this.#wake = new AbortController();
      const missing = this.#wanted(first.bytes) - this.#saved;
      const ms = Math.ceil((missing / this.#bytesPerSecond) * 1_000);
      // It throws nothing but what wakes it.
      await this.#clock.sleep(ms, this.#wake.signal).catch(() => undefined);
      this.#refill();
      this.#grantWaiting();
    }
    this.#wake = undefined;
  }

  #grantWaiting(): void {
    for (let [first] = this.#waiting; first !== undefined; [first] = this.#waiting) {
      if (!this.#fits(first.bytes)) return;
      this.#waiting.shift();
      this.#saved -= first.bytes;
      first.grant();
    }
  }
}
