import type { LogLine, LogReader } from "../log-queries.ts";
import { type Patience, patiently } from "../read-fleet.ts";

/**
 * GetLogEvents serves an account 10 requests a second (quotas of CloudWatch Logs), and other
 * people's tools have their part of these.
 */
export const READS_PER_SECOND = 4;

/** A place in a log stream, which moves on with what is read. */
export class LogCursor {
  readonly #reader: LogReader;
  readonly #from: { readonly group: string; readonly stream: string; readonly startAt: number };
  readonly #pace: (signal: AbortSignal) => Promise<void>;
  #token: string | undefined;
  #isThere = false;

  /** @param pace waits until the next request may be made; shared by all cursors */
  constructor(
    reader: LogReader,
    from: { readonly group: string; readonly stream: string; readonly startAt: number },
    pace: (signal: AbortSignal) => Promise<void>,
  ) {
    this.#reader = reader;
    this.#from = from;
    this.#pace = pace;
  }

  get group(): string {
    return this.#from.group;
  }

  /** Whether the stream has been seen. */
  get isThere(): boolean {
    return this.#isThere;
  }

  /**
   * The next page; it may be empty before the end.
   * @returns undefined if there is no such stream
   * @throws ServiceError; the signal's reason
   */
  async next(
    patience: Patience,
  ): Promise<{ readonly lines: readonly LogLine[]; readonly isEnd: boolean } | undefined> {
    const { signal } = patience;
    const page = await patiently(patience, async () => {
      await this.#pace(signal);
      return await this.#reader.readPage(this.#from, this.#token, signal);
    });
    if (page === undefined) return undefined;
    this.#isThere = true;
    // The end is where the same token comes back; an empty page by itself is none.
    const isEnd = page.token === undefined || page.token === this.#token;
    this.#token = page.token ?? this.#token;
    return { lines: page.lines, isEnd };
  }

  /** Everything up to the end as it is now. */
  async *lines(patience: Patience): AsyncGenerator<LogLine> {
    for (;;) {
      const page = await this.next(patience);
      if (page === undefined) return;
      yield* page.lines;
      if (page.isEnd) return;
    }
  }
}

/** Several sources, each in the order of time, as one. */
export async function* mergeByTime(
  sources: readonly AsyncIterator<LogLine>[],
): AsyncGenerator<LogLine> {
  const heads: { readonly source: AsyncIterator<LogLine>; line: LogLine }[] = [];
  for (const source of sources) {
    const { value, done } = await source.next();
    if (done !== true) heads.push({ source, line: value });
  }
  while (heads.length > 0) {
    const first = heads.reduce((one, other) =>
      other.line.timestamp < one.line.timestamp ? other : one,
    );
    yield first.line;
    const { value, done } = await first.source.next();
    if (done === true) heads.splice(heads.indexOf(first), 1);
    else first.line = value;
  }
}
