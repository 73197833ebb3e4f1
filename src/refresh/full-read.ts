import { CHANGE_SETTLE_MS } from "../config/fleet-facts.ts";
import { PARAMETERS_MAX } from "../config/merge.ts";
import type {
  Parameter,
  ParameterPaths,
  ParameterSet,
  ParameterSource,
} from "../config/parameters.ts";
import { ServiceError } from "../lib/errors.ts";

/** Everything that the Parameter Store holds for a host. */
export interface FullRead {
  readonly set: ParameterSet;
  /** No parameter was written in the last 30 seconds before the reading began. */
  readonly isSettled: boolean;
}

/**
 * Reads all parameters of a host, page by page. A failure loses nothing: `read` goes on at the page
 * that failed, however much later.
 */
export class FullReading {
  readonly #source: ParameterSource;
  readonly #paths: readonly [fleet: string, host: string];
  readonly #found: [fleet: Parameter[], host: Parameter[]] = [[], []];
  #at: 0 | 1 = 0;
  #token: string | undefined;
  #beganAt: number | undefined;

  constructor(source: ParameterSource, { fleet, host }: ParameterPaths) {
    this.#source = source;
    this.#paths = [fleet, host];
  }

  /** @throws ServiceError; the signal's reason */
  async read(signal: AbortSignal): Promise<FullRead> {
    for (;;) {
      const page = await this.#readPage(signal);
      // What is written after this moment may lie in a page that was read before: the first
      // answer's time is what everything has to have settled by.
      this.#beganAt ??= page.answeredAt;
      const found = this.#found[this.#at];
      found.push(...page.parameters);
      this.#token = page.nextToken;
      // No more is kept than shows that there are too many.
      if (found.length > PARAMETERS_MAX) this.#token = undefined;
      if (this.#token !== undefined) continue;
      if (this.#at === 1) break;
      this.#at = 1;
    }
    const [fleet, host] = this.#found;
    const newestAt = Math.max(
      Number.NEGATIVE_INFINITY,
      ...[...fleet, ...host].map(({ lastModifiedAt }) => lastModifiedAt),
    );
    return { set: { fleet, host }, isSettled: newestAt <= this.#beganAt - CHANGE_SETTLE_MS };
  }

  async #readPage(signal: AbortSignal) {
    try {
      return await this.#source.readPage(this.#paths[this.#at], this.#token, signal);
    } catch (error) {
      // A token may have grown too old: then there is nothing to go on from.
      if (error instanceof ServiceError && !error.isPassing && this.#token !== undefined) {
        this.#at = 0;
        this.#token = undefined;
        this.#beganAt = undefined;
        for (const found of this.#found) found.length = 0;
      }
      throw error;
    }
  }
}

/** Whether the fleet has a revision to poll. */
export function hasRevision({ set }: FullRead, { fleet }: ParameterPaths): boolean {
  return set.fleet.some(({ name }) => name === `${fleet}/revision`);
}
