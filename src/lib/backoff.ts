/** A source of numbers in [0, 1), such as Math.random. */
export type Random = () => number;

/**
 * How long to wait before a try that somebody waits for, such as one file's upload: full jitter
 * over a doubling range, after
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
 * @param failures how many tries failed so far, from 1
 * @param limits the first range and the longest one, in milliseconds
 * @returns milliseconds in [0, min(capMs, baseMs * 2^(failures-1)))
 */
export function retryDelayMs(
  failures: number,
  limits: { readonly baseMs: number; readonly capMs: number },
  random: Random,
): number {
  return random() * Math.min(limits.capMs, limits.baseMs * 2 ** (failures - 1));
}

/**
 * How long a loop in the background waits after its `failures`-th failure in a row, so that a
 * fleet of a hundred thousand hosts comes back spread out: one second plus a random part of a
 * range that starts at `baseMs` (default: 15 seconds) and doubles.
 * @param limits the first and the longest random part, in milliseconds
 */
export function fleetBackoffMs(
  failures: number,
  { baseMs = 15_000, capMs }: { readonly baseMs?: number; readonly capMs: number },
  random: Random,
): number {
  return 1_000 + retryDelayMs(failures, { baseMs, capMs }, random);
}
