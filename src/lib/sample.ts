import type { Random } from "./backoff.ts";

/**
 * A fair sample of a stream of any length: each value has the same chance to be in it, and so
 * percentiles of the sample are those of the stream, about (Vitter's algorithm R).
 */
export class Sample {
  readonly #sizeMax: number;
  readonly #random: Random;
  readonly #values: number[] = [];
  #seen = 0;

  /** @param sizeMax how many values it keeps */
  constructor(sizeMax: number, random: Random) {
    this.#sizeMax = sizeMax;
    this.#random = random;
  }

  add(value: number): void {
    this.#seen += 1;
    if (this.#values.length < this.#sizeMax) {
      this.#values.push(value);
      return;
    }
    const place = Math.floor(this.#random() * this.#seen);
    if (place < this.#sizeMax) this.#values[place] = value;
  }

  /** In no order that means anything. */
  get values(): readonly number[] {
    return [...this.#values];
  }
}

/**
 * The least value that so many percent of all are not above (nearest rank).
 * @param ascending the values, the least first
 * @returns undefined if there are none
 */
export function percentile(ascending: readonly number[], percent: number): number | undefined {
  const rank = Math.ceil((percent / 100) * ascending.length);
  return ascending[Math.max(0, rank - 1)];
}
