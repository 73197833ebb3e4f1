/** Counts what happens in each second. Its memory grows with the time that it measures only. */
export class RateMeter {
  readonly #startAt: number;
  #seconds = new Uint32Array(4_096);

  /** @param startAt wall-clock milliseconds of the first second */
  constructor(startAt: number) {
    this.#startAt = startAt;
  }

  count(now: number, events = 1): void {
    const second = this.#secondOf(now);
    if (second >= this.#seconds.length) {
      const longer = new Uint32Array(Math.max(second + 1, 2 * this.#seconds.length));
      longer.set(this.#seconds);
      this.#seconds = longer;
    }
    this.#seconds[second] = (this.#seconds[second] ?? 0) + events;
  }

  /**
   * What happened within a span.
   * @param from, until wall-clock milliseconds; whole seconds are meant, the last one left out
   */
  between(from: number, until: number): Rate {
    const length = Math.max(1, this.#secondOf(until) - this.#secondOf(from));
    const span = new Uint32Array(length);
    span.set(this.#seconds.subarray(this.#secondOf(from), this.#secondOf(until)));
    const ordered = span.toSorted();
    const total = ordered.reduce((sum, count) => sum + count, 0);
    return {
      total,
      mean: total / length,
      p99: quantile(ordered, 0.99),
      peak: quantile(ordered, 1),
    };
  }

  #secondOf(now: number): number {
    return Math.floor((now - this.#startAt) / 1_000);
  }
}

/** Events a second, but for the total. */
export interface Rate {
  readonly total: number;
  readonly mean: number;
  readonly p99: number;
  readonly peak: number;
}

/**
 * The smallest value that is not exceeded by so large a share of them.
 * @param ordered ascending
 * @param share in (0, 1]
 * @returns NaN if there are none
 */
export function quantile(ordered: ArrayLike<number>, share: number): number {
  return ordered[Math.max(0, Math.ceil(share * ordered.length) - 1)] ?? Number.NaN;
}
