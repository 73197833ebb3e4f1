import type { LogEvent } from "./batch.ts";

/** What became of a batch. */
export type BatchAnswer =
  /** Taken, but for `rejected` events that are too old or too new for the service. */
  | { readonly kind: "accepted"; readonly rejected: number }
  /** The group or the stream does not exist. */
  | { readonly kind: "missing" }
  /** The service will never take it: something in it is not as it should be. */
  | { readonly kind: "refused"; readonly code: string; readonly message: string }
  | {
      readonly kind: "failed";
      readonly code: string;
      readonly message: string;
      /** How long the service asks to be left alone, in milliseconds. */
      readonly retryAfterMs?: number | undefined;
      /** It took too long. A slow line may carry less in that time. */
      readonly isTimeout?: boolean;
    };

/** A log stream. Implemented in `aws/`. */
export interface LogDestination {
  /** For messages. */
  readonly name: string;
  /**
   * Sends one batch, in order and within the service's limits. It is sent once.
   * @throws the signal's reason; everything else is an answer
   */
  put(events: readonly LogEvent[], signal: AbortSignal): Promise<BatchAnswer>;
  /**
   * Makes the group and the stream unless they are there.
   * @returns undefined, or why not
   */
  create(
    signal: AbortSignal,
  ): Promise<{ readonly code: string; readonly message: string } | undefined>;
}
