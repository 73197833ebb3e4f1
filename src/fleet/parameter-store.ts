/** What is written into one parameter. */
export interface ParameterWrite {
  readonly name: string;
  /** `String` or `StringList`; SSM does not change the type of a parameter. */
  readonly type: string;
  readonly value: string;
  /** The parameter must not exist yet; SSM refuses to write over one. */
  readonly isNew: boolean;
}

/**
 * Changes parameters. Implemented in `aws/`; each call is one request, and is not tried again.
 * SSM knows no compare-and-set but for new parameters: a version that is not the next one tells,
 * afterwards, that somebody else wrote as well.
 */
export interface ParameterWriter {
  /**
   * @returns the version that this made; `exists`: the parameter was to be new, and is not
   * @throws ServiceError; the signal's reason
   */
  put(write: ParameterWrite, signal: AbortSignal): Promise<number | "exists">;
  /**
   * Removes parameters with their histories; those that do not exist are none to complain of.
   * @param names at most REMOVED_AT_ONCE_MAX
   * @throws ServiceError; the signal's reason
   */
  remove(names: readonly string[], signal: AbortSignal): Promise<void>;
}

/** DeleteParameters takes at most so many names (API reference, Names). */
export const REMOVED_AT_ONCE_MAX = 10;

/** One version of a parameter. SSM keeps the last 100. */
export interface ParameterVersion {
  readonly version: number;
  readonly value: string;
  /** Wall-clock milliseconds of the service. */
  readonly lastModifiedAt: number;
  /** The ARN of who wrote it. */
  readonly lastModifiedUser: string;
}

/** Reads what a parameter was before. Implemented in `aws/`. */
export interface ParameterHistory {
  /**
   * A page of a parameter's versions, the oldest first; nothing if it does not exist.
   * @throws ServiceError; the signal's reason
   */
  readVersions(
    name: string,
    token: string | undefined,
    signal: AbortSignal,
  ): Promise<{
    readonly versions: readonly ParameterVersion[];
    readonly nextToken: string | undefined;
  }>;
}
