import type { ParameterPaths, ParameterSet, ParameterSource } from "../config/parameters.ts";
import { type Random, retryDelayMs } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import { ServiceError } from "../lib/errors.ts";
import { FullReading } from "./full-read.ts";

const ATTEMPTS_MAX = 3;
const RETRY_DELAY = { baseMs: 500, capMs: 5_000 } as const;

/**
 * Reads all parameters of a host for a person who waits: at once, settled or not, with a few tries.
 * @throws ServiceError; the signal's reason
 */
export async function readParametersNow(
  source: ParameterSource,
  paths: ParameterPaths,
  options: { readonly clock: Clock; readonly random: Random; readonly signal: AbortSignal },
): Promise<ParameterSet> {
  const { clock, random, signal } = options;
  const reading = new FullReading(source, paths);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return (await reading.read(signal)).set;
    } catch (error) {
      const isPassing = error instanceof ServiceError && error.isPassing;
      if (!isPassing || attempt >= ATTEMPTS_MAX) throw error;
      await clock.sleep(retryDelayMs(attempt, RETRY_DELAY, random), signal);
    }
  }
}
