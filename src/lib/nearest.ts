/**
 * The candidate that a mistyped name most likely meant, by the number of letters that were left
 * out, added, replaced or swapped with their neighbour (optimal string alignment). Upper and lower
 * case, `-` and `_` count as the same.
 * @returns undefined if none is near: more than a third of the name would have to change
 */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = comparable(name);
  // A name longer than any candidate can be is no slip of the finger, and not worth the work.
  if (wanted.length > NAME_LENGTH_MAX) return undefined;
  let best: string | undefined;
  let bestDistance = Math.floor(Math.max(wanted.length, 3) / 3) + 1;
  for (const candidate of candidates) {
    const distance = distanceOf(wanted, comparable(candidate), bestDistance);
    if (distance >= bestDistance) continue;
    best = candidate;
    bestDistance = distance;
  }
  return best;
}

/** Twice the longest name that a setting, key or command has, and more. */
const NAME_LENGTH_MAX = 64;

function comparable(name: string): string {
  return name.toLowerCase().replaceAll("_", "-");
}

/** The distance of two texts, or `limit` if it is no less than that. */
function distanceOf(one: string, other: string, limit: number): number {
  if (Math.abs(one.length - other.length) >= limit) return limit;
  let beforeLast: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const isSame = one[i - 1] === other[j - 1];
      const options = [at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + (isSame ? 0 : 1)];
      const isSwapped = one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      if (i > 1 && j > 1 && isSwapped) options.push(at(beforeLast, j - 2) + 1);
      row.push(Math.min(...options));
    }
    if (Math.min(...row) >= limit) return limit;
    beforeLast = last;
    last = row;
  }
  return at(last, other.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
