import type { Config } from "../config/load.ts";
import { fleetBackoffMs, type Random } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import { AgentError, ExitCode, messageOf } from "../lib/errors.ts";
import type { Logger } from "../logs/logger.ts";

/** Refreshes are spread by this share of their interval. */
const REFRESH_JITTER = 0.1;
/** The longest random part of a pause after a refresh failed. */
const REFRESH_BACKOFF_CAP_MS = 600_000;

export interface RefresherOptions {
  /** Reads and validates the parameters. @throws AgentError with exit code 2 or 3 */
  readonly readConfig: (signal: AbortSignal) => Promise<Config>;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  /** The configuration in effect at the start. */
  readonly effective: Config;
  /** Hears that another configuration waits to be taken. */
  readonly onDesired: () => void;
  readonly stop: AbortSignal;
}

/** Reads the parameters again and again, and holds what is new until it is taken. */
export class Refresher {
  readonly #options: RefresherOptions;
  #effective: Config;
  #desired: Config | undefined;
  #lastRefusal: string | undefined;
  #hurry = new AbortController();

  constructor(options: RefresherOptions) {
    this.#options = options;
    this.#effective = options.effective;
  }

  /** The configuration in effect, as it was read last. */
  get effective(): Config {
    return this.#effective;
  }

  /** Until `stop` aborts. Never throws. */
  async run(): Promise<void> {
    const { clock, random, stop } = this.#options;
    let failures = 0;
    while (!stop.aborted) {
      const intervalMs = this.#effective.settings["refresh-interval"];
      const pause =
        failures > 0
          ? fleetBackoffMs(failures, REFRESH_BACKOFF_CAP_MS, random)
          : intervalMs * (1 + REFRESH_JITTER * (2 * random() - 1));
      await clock.sleep(pause, AbortSignal.any([stop, this.#hurry.signal])).catch(() => undefined);
      // Before the reading: who hurries during it may have changed what was read already.
      this.#hurry = new AbortController();
      if (stop.aborted) return;
      failures = (await this.#refresh(failures === 0)) ? 0 : failures + 1;
    }
  }

  /** Does not wait for the interval to end. */
  refreshNow(): void {
    this.#hurry.abort();
  }

  /** The configuration that waits to be put into effect, if there is one; it waits no longer. */
  takeDesired(): Config | undefined {
    const desired = this.#desired;
    this.#desired = undefined;
    return desired;
  }

  setEffective(config: Config): void {
    this.#effective = config;
    this.#lastRefusal = undefined;
  }

  /** Says why a configuration is not put into effect, once for each reason. */
  tellRefused(error: unknown): void {
    const message = messageOf(error);
    if (message === this.#lastRefusal) return;
    this.#lastRefusal = message;
    const hint = error instanceof AgentError ? error.hint : undefined;
    this.#options.logger.log("config.refused", { message, hint, configHash: this.#effective.hash });
  }

  /** @returns false if the parameters could not be read */
  async #refresh(isFirstFailure: boolean): Promise<boolean> {
    const { readConfig, logger, onDesired, stop } = this.#options;
    try {
      const config = await readConfig(stop);
      if (saysTheSame(config, this.#effective)) {
        // A change that was taken back before it took effect is none.
        this.#desired = undefined;
        this.#effective = config;
        this.#lastRefusal = undefined;
        return true;
      }
      this.#desired = config;
      onDesired();
      return true;
    } catch (error) {
      if (stop.aborted) return true;
      const isRefused = error instanceof AgentError && error.exitCode === ExitCode.configuration;
      if (isRefused) {
        // What was read before is not what is wished for any longer, either.
        this.#desired = undefined;
        this.tellRefused(error);
        return true;
      }
      if (isFirstFailure) {
        logger.log("config.unreachable", {
          message: messageOf(error),
          configHash: this.#effective.hash,
        });
      }
      return false;
    }
  }
}

/** A parameter with an unknown name changes no setting, but is to be reported when it appears. */
function saysTheSame(one: Config, other: Config): boolean {
  const unknown = (config: Config) => config.unknownParameters.join("\n");
  return one.hash === other.hash && unknown(one) === unknown(other);
}
