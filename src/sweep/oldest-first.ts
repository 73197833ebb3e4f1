/** Something to be transferred, and when it was changed last, in wall-clock milliseconds. */
export interface Dated {
  readonly changedAt: number;
}

/** Every so many, the newest comes first for once: a backlog must not starve new files for ever. */
const NEWEST_EVERY = 8;

/**
 * Puts what comes into the order of age, as far as `windowMax` items at a time allow: whenever one
 * is taken out, as many as fit are taken in before. So memory is bounded whatever comes, the oldest
 * of those known goes first, and each eighth is the newest of them.
 */
export async function* oldestFirst<T extends Dated>(
  items: AsyncIterable<T>,
  windowMax: number,
): AsyncGenerator<T> {
  const source = items[Symbol.asyncIterator]();
  const window: T[] = [];
  let isEnded = false;
  let taken = 0;
  try {
    for (;;) {
      while (!isEnded && window.length < windowMax) {
        const next = await source.next();
        if (next.done === true) isEnded = true;
        else insert(window, next.value);
      }
      taken += 1;
      // The oldest stands last: taking it away moves nothing.
      const item = taken % NEWEST_EVERY === 0 ? window.shift() : window.pop();
      if (item === undefined) return;
      yield item;
    }
  } finally {
    await source.return?.();
  }
}

/** Keeps the newest first. */
function insert<T extends Dated>(window: T[], item: T): void {
  let low = 0;
  let high = window.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((window[middle]?.changedAt ?? 0) > item.changedAt) low = middle + 1;
    else high = middle;
  }
  window.splice(low, 0, item);
}
