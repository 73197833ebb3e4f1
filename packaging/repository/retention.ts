/** An index file of an earlier state, which no present index names. */
export interface OldFile {
  readonly path: string;
  /** Since when no index names it, in milliseconds since 1970. */
  readonly supersededAtMs: number;
}

/**
 * So long an old index file stays: longer than any client takes from its first look to its last
 * file, than a cache in between keeps an index (a minute), and than a mirror takes for a round.
 */
export const OLD_FILES_KEPT_MS = 86_400_000;

/** And no more than so many, however often somebody publishes: 500 is 80 states of apt's six. */
export const OLD_FILES_MAX = 500;

/**
 * Decides which old index files stay. Pure. What the last state names stays always, and is not asked
 * for here.
 */
export function keptOldFiles(files: readonly OldFile[], nowMs: number): OldFile[] {
  return files
    .filter(({ supersededAtMs }) => nowMs - supersededAtMs < OLD_FILES_KEPT_MS)
    .sort((a, b) => b.supersededAtMs - a.supersededAtMs || (a.path < b.path ? -1 : 1))
    .slice(0, OLD_FILES_MAX);
}
