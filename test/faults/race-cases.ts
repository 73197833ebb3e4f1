/**
 * What the producer does when it comes back to a file; see STRIKES in race-writer.py. Each opens,
 * changes, closes, once a race.
 */
export const CASES = {
  append: "open for appending, write",
  overwrite: "write over the beginning, set the time back",
  nonblock: "open with O_NONBLOCK, again and again",
  "truncate-open": "open with O_TRUNC, write",
  "truncate-path": "truncate by path",
  log: "open with O_CREAT for appending, as loggers do",
  mapping: "write through a shared mapping",
  "rename-over": "rename another file over it",
  link: "make a link, write through that",
  handle: "write through a handle (O_PATH) from before",
  "rename-away": "rename away, write there",
  recreate: "unlink, make anew",
  aside: "find the aside, write to that",
  "aside-away": "rename the aside away, write there",
  slow: "open for appending, write much later",
} as const;

export type CaseName = keyof typeof CASES;

export const CASE_NAMES = Object.keys(CASES) as readonly CaseName[];

/** When a producer strikes. */
export interface Timing {
  readonly trigger: "start" | "open" | "aside" | "gone";
  /** The name of the file whose event it is. */
  readonly of: string;
  readonly delayNs: number;
}

const MS = 1e6;
/** What the agent waits while the file is aside. */
const ASIDE_NS = 250 * MS;
/** A round of transfers takes about so long; a strike that comes too late is not counted. */
const ROUND_NS = 600 * MS;

/**
 * Some strike uniformly over the whole of a round; the others close to what matters: the reading,
 * the rename aside, the unlink. That one is hard to foresee, so it is taken from the file before:
 * the agent removes them one right after the other.
 * @param nth of the round's files; `before` is the one that comes before it
 */
export function timingOf(name: string, before: string, random: () => number): Timing {
  const kind = Math.floor(random() * 8);
  if (kind === 0) return { trigger: "start", of: "", delayNs: random() * ROUND_NS };
  if (kind === 1) return { trigger: "open", of: name, delayNs: random() * 5 * MS };
  if (kind === 2) return { trigger: "open", of: before, delayNs: random() * 2 * MS };
  if (kind === 3) return { trigger: "aside", of: before, delayNs: random() * 0.5 * MS };
  if (kind === 4) return { trigger: "aside", of: name, delayNs: random() * ASIDE_NS };
  if (kind === 5)
    return { trigger: "aside", of: name, delayNs: ASIDE_NS + (random() - 0.2) * 5 * MS };
  return { trigger: "gone", of: before, delayNs: random() ** 2 * 0.5 * MS };
}
