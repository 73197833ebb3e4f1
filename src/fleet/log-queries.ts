/** A row of a query's answer: field or alias to value; a field that is missing has no member. */
export type QueryRow = Readonly<Record<string, string>>;

/** A query over one log group. Times are wall-clock milliseconds, both included. */
export interface LogQuery {
  readonly group: string;
  /** In the query language of CloudWatch Logs Insights. */
  readonly text: string;
  readonly startAt: number;
  readonly endAt: number;
}

/** Runs queries over logs. Implemented in `aws/`. */
export interface LogQueries {
  /**
   * @param onProgress how many records the service has looked at so far
   * @returns all rows, in the order of the service
   * @throws ServiceError if the service is out of reach, refuses, or does not come to an end; the
   *   signal's reason
   */
  run(
    query: LogQuery,
    signal: AbortSignal,
    onProgress?: (recordsScanned: number) => void,
  ): Promise<readonly QueryRow[]>;
}

/** One record as the log holds it. */
export interface LogLine {
  /** Wall-clock milliseconds. */
  readonly timestamp: number;
  readonly message: string;
}

/** A part of a log stream. */
export interface LogPage {
  readonly lines: readonly LogLine[];
  /** Where to go on; the same one as before: this is the end of the stream for now. */
  readonly token: string | undefined;
}

/** Reads log streams from a time on, oldest first. Implemented in `aws/`. */
export interface LogReader {
  /**
   * One page. It is asked for once; the retries are of whoever asks.
   * @param from.startAt wall-clock milliseconds; the same for all pages
   * @returns undefined if there is no such stream
   * @throws ServiceError; the signal's reason
   */
  readPage(
    from: { readonly group: string; readonly stream: string; readonly startAt: number },
    token: string | undefined,
    signal: AbortSignal,
  ): Promise<LogPage | undefined>;
}
