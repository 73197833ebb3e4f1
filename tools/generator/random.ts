/** A source of numbers in [0, 1) that gives the same numbers for the same seed. */
export type SeededRandom = () => number;

/**
 * Mulberry32 by Tommy Ettinger (public domain): 32 bits of state are plenty for shaping files, and
 * unlike Math.random it can be started from a seed.
 */
export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
