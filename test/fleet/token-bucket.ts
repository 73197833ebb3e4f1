/**
 * How AWS limits requests: a bucket that fills by so many tokens a second and never holds more than
 * one second's worth. A refused request takes none. AWS documents the rate only; a bucket that holds
 * no more than this is the strictest reading of it.
 */
export class TokenBucket {
  readonly #perSecond: number;
  #tokens: number;
  #filledAt: number;

  /** @param now milliseconds of the clock that `take` will be given */
  constructor(perSecond: number, now: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
    this.#filledAt = now;
  }

  /** @returns whether there were that many tokens, which are taken then */
  take(now: number, tokens = 1): boolean {
    const filled = this.#tokens + ((now - this.#filledAt) / 1_000) * this.#perSecond;
    this.#tokens = Math.min(this.#perSecond, filled);
    this.#filledAt = now;
    if (this.#tokens < tokens) return false;
    this.#tokens -= tokens;
    return true;
  }
}
