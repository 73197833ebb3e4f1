import { type Random, retryDelayMs } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import type { Failed } from "./object-store.ts";

/** Three quick tries of a request; what still fails is tried again in the next sweep. */
export const ATTEMPTS_MAX = 3;
export const RETRY_DELAY = { baseMs: 500, capMs: 5_000 } as const;

/** Sends the requests of one file again if they fail in a way that may pass. */
export class Retries {
  readonly #clock: Clock;
  readonly #random: Random;
  #count = 0;

  constructor(options: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = options.clock;
    this.#random = options.random;
  }

  /** How many requests were sent again so far. */
  get count(): number {
    return this.#count;
  }

  /**
   * Sends a request until it does not fail, cannot succeed, or has had its tries.
   * @throws what `send` throws; the signal's reason while it pauses
   */
  async send<Answer extends { readonly kind: string }>(
    send: () => Promise<Answer | Failed>,
    signal: AbortSignal,
  ): Promise<Answer | Failed> {
    for (let attempts = 1; ; attempts += 1) {
      const answer = await send();
      if (!isFailed(answer) || !answer.failure.isRetryable || attempts >= ATTEMPTS_MAX) {
        return answer;
      }
      this.#count += 1;
      await this.#clock.sleep(retryDelayMs(attempts, RETRY_DELAY, this.#random), signal);
    }
  }
}

function isFailed(answer: { readonly kind: string }): answer is Failed {
  return answer.kind === "failed";
}
