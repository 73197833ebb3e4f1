import { type Random, retryDelayMs } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import { contentKey, looksLikeContentKey } from "./object-key.ts";
import type { Destination, ObjectStore, StoreFailure } from "./object-store.ts";
import type { Overwrites } from "./overwrites.ts";
import type { Content } from "./read-file.ts";
import { ATTEMPTS_MAX, RETRY_DELAY } from "./request-retries.ts";

/** What an upload ended with. */
export type Upload =
  | {
      readonly kind: "proved";
      readonly key: string;
      readonly attempts: number;
      readonly wasStored: boolean;
    }
  | {
      readonly kind: "failed";
      readonly key: string;
      readonly attempts: number;
      readonly failure: StoreFailure;
    };

/** The store has acknowledged something, but not these bytes: no reason to remove anything. */
export const NOT_PROVED = {
  kind: "proof",
  code: "proof-failed",
  message:
    "the answer does not carry the checksum of the file's bytes; a proxy or portal may have given it",
  isRetryable: false,
  scope: "service",
} as const satisfies StoreFailure;

/**
 * Uploads the content so that nothing is overwritten and the answer is a proof:
 *
 * 1. Put under the file's own key, unless it is taken.
 * 2. Taken, by another file or by an earlier attempt of ours whose answer was lost: put under the
 *    key that names the content. Taken as well: this very content is there. Where overwriting is
 *    wished for and harmless, put under the file's own key after all.
 * 3. A failure that may pass is tried again after a pause, as often as ATTEMPTS_MAX says.
 *
 * @throws the signal's reason; what reading the content throws
 */
export async function upload(options: {
  readonly store: ObjectStore;
  readonly destination: Destination;
  readonly key: string;
  readonly content: Content;
  readonly bytes: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly overwrites: Overwrites;
  readonly signal: AbortSignal;
}): Promise<Upload> {
  const { store, destination, content, bytes, overwrites, signal } = options;
  const keyOfContent = contentKey(options.key, content.sha256);
  let key = looksLikeContentKey(options.key) ? keyOfContent : options.key;
  let mayOverwrite = false;
  for (let attempts = 1; ; attempts += 1) {
    const answer = await store.put({
      destination,
      key,
      bytes,
      sha256: content.sha256,
      body: content.body(),
      mayOverwrite,
      signal,
    });
    if (answer.kind === "stored") {
      overwrites.learn(answer.versionId);
      const isProved = answer.sha256 === content.sha256;
      return isProved
        ? { kind: "proved", key, attempts, wasStored: false }
        : failed(key, attempts, NOT_PROVED);
    }
    if (answer.kind === "taken") {
      if (key === keyOfContent) return { kind: "proved", key, attempts, wasStored: true };
      mayOverwrite = overwrites.isAllowedNow && !mayOverwrite;
      if (!mayOverwrite) key = keyOfContent;
      attempts -= 1; // Another question, not another try of the same one.
      continue;
    }
    if (!answer.failure.isRetryable || attempts >= ATTEMPTS_MAX) {
      return failed(key, attempts, answer.failure);
    }
    await options.clock.sleep(retryDelayMs(attempts, RETRY_DELAY, options.random), signal);
  }
}

function failed(key: string, attempts: number, failure: StoreFailure): Upload {
  return { kind: "failed", key, attempts, failure };
}
