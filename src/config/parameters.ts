/** One parameter as the Parameter Store holds it. */
export interface Parameter {
  /** The whole path, such as `/s3-offload-agent/fleets/web/bucket`. */
  readonly name: string;
  /** `String`, `StringList` or `SecureString`. */
  readonly type: string;
  readonly value: string;
  /** Counts the changes of this parameter, from 1. */
  readonly version: number;
  /** When it was written last, in wall-clock milliseconds of the service. */
  readonly lastModifiedAt: number;
}

/** A part of what lies below a path. */
export interface ParameterPage {
  readonly parameters: readonly Parameter[];
  /** Where the next page begins; undefined: this was the last one. A page may be empty. */
  readonly nextToken: string | undefined;
  /** The answer's own time (its `Date`), in wall-clock milliseconds of the service. */
  readonly answeredAt: number;
}

/** Reads parameters. Implemented in `aws/`; each call is one request, and is not tried again. */
export interface ParameterSource {
  /**
   * A page of the parameters below a path, at any depth.
   * @param path without a slash at the end
   * @param token of the page before; undefined: the first page
   * @throws ServiceError if the service is out of reach or refuses; the signal's reason
   */
  readPage(path: string, token: string | undefined, signal: AbortSignal): Promise<ParameterPage>;
  /**
   * Single parameters; what does not exist is left out.
   * @param names at most 10
   * @throws ServiceError; the signal's reason
   */
  readNames(
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<Omit<ParameterPage, "nextToken">>;
}

/** Where a fleet's and a host's parameters are; without a slash at the end. */
export interface ParameterPaths {
  readonly fleet: string;
  readonly host: string;
}

/** The paths of a host. */
export function parameterPaths(about: {
  readonly parameterRoot: string;
  readonly fleet: string;
  readonly hostId: string;
}): ParameterPaths {
  return {
    fleet: `${about.parameterRoot}/fleets/${about.fleet}`,
    host: `${about.parameterRoot}/hosts/${about.hostId}`,
  };
}

/** What was read of both paths, in the order of the service. */
export interface ParameterSet {
  readonly fleet: readonly Parameter[];
  readonly host: readonly Parameter[];
}
