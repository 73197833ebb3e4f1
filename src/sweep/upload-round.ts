import type { FileHandle } from "node:fs/promises";
import type { Random } from "../lib/backoff.ts";
import type { ByteBudget } from "../lib/byte-budget.ts";
import type { Clock } from "../lib/clock.ts";
import type { Marks } from "../lib/progress.ts";
import type { Fingerprint } from "./fingerprint.ts";
import type { Destination, Failed, ObjectStore, StoreFailure } from "./object-store.ts";
import { FileChangedError } from "./read-file.ts";
import type { Retries } from "./request-retries.ts";
import { type SentParts, sendParts } from "./send-parts.ts";
import type { BegunUpload, RecordedPart } from "./upload-records.ts";
import type { UploadState, UploadStates } from "./upload-states.ts";

export interface LargeUploadOptions {
  readonly store: ObjectStore;
  readonly destination: Destination;
  /** The file's own key. */
  readonly key: string;
  readonly file: FileHandle;
  /** Of the open file, before anything was read. */
  readonly fingerprint: Fingerprint;
  /** Real path of the watched directory, and the file's path in it: they name the state. */
  readonly root: Buffer;
  readonly path: Buffer;
  readonly states: UploadStates;
  readonly budget: ByteBudget;
  readonly clock: Clock;
  readonly random: Random;
  /** Whether an object that is there under the file's own key may be overwritten. */
  readonly mayOverwrite: boolean;
  readonly marks: Marks;
  readonly signal: AbortSignal;
  /** How large the parts of a file are, in bytes; for tests, which have no large files. */
  readonly partBytesOf?: (bytes: number) => number;
  /** Parts of more bytes are not held in memory; for tests as well. */
  readonly heldBytesMax?: number;
}

/** A key to upload under. */
export interface Target {
  readonly key: string;
  /** If it is the content key: of which content. */
  readonly sha256: string | undefined;
}

/** What one upload, under one key, came to. */
export type Round =
  | { readonly kind: "proved"; readonly sha256: string }
  /** Something stands under the key; the upload is still open. */
  | { readonly kind: "taken"; readonly sha256: string }
  /** Nobody can tell whether these bytes stand under the key. */
  | { readonly kind: "unknown"; readonly sha256: string }
  /** The upload is no use any more: every part must be sent again. */
  | { readonly kind: "lost"; readonly failure: StoreFailure }
  /** It would be refused again with the parts that are there. */
  | { readonly kind: "refused"; readonly failure: StoreFailure }
  | Failed;

/** What a round works with, beside the options. */
export interface Context extends LargeUploadOptions {
  readonly bytes: number;
  readonly partBytes: number;
  readonly state: UploadState;
  readonly retries: Retries;
}

const GONE = {
  kind: "transient",
  code: "NoSuchUpload",
  message: "the upload was aborted by somebody else while it was under way",
  isRetryable: true,
  scope: "file",
} as const satisfies StoreFailure;

const CONFLICT = {
  kind: "transient",
  code: "ConditionalRequestConflict",
  message: "something else happened to the key while the upload was completed",
  isRetryable: true,
  scope: "file",
} as const satisfies StoreFailure;

/** One upload under one key, from the first part that is missing to the completion. */
export async function runRound(
  begun: BegunUpload,
  recorded: ReadonlyMap<number, RecordedPart>,
  context: Context,
): Promise<Round> {
  try {
    const sent = await sendParts({ ...context, ...begun, recorded });
    if (sent.kind === "gone") return { kind: "lost", failure: GONE };
    if (sent.kind === "failed") {
      const { isRetryable, scope } = sent.failure;
      return isRetryable || scope === "service" ? sent : { ...sent, kind: "refused" };
    }
    if (begun.sha256 !== undefined && begun.sha256 !== sent.sha256) {
      throw new FileChangedError("its content is another than before");
    }
    await assertUnchanged(context);
    await context.state.completing();
    return await complete(begun, sent, context);
  } catch (error) {
    const isEnded = error instanceof FileChangedError && !(error instanceof FileTouchedError);
    if (isEnded) await abortAndForget(begun, context);
    throw error;
  }
}

async function complete(begun: BegunUpload, sent: SentParts, context: Context): Promise<Round> {
  const { store, destination, bytes, retries, signal } = context;
  const { key, uploadId } = begun;
  const { parts, crc32, sha256 } = sent;
  // The content key is this content's alone: nothing there is ever overwritten.
  const mayOverwrite = context.mayOverwrite && begun.sha256 === undefined;
  const send = () =>
    retries.send(
      () =>
        store.completeUpload({
          destination,
          key,
          uploadId,
          parts,
          bytes,
          crc32,
          mayOverwrite,
          signal,
        }),
      signal,
    );
  let answer = await send();
  // S3 gives the answer to a completion again for a while; a proxy may have spoilt the first one.
  if (answer.kind === "stored" && answer.crc32 !== crc32) answer = await send();
  switch (answer.kind) {
    case "stored":
      return { kind: answer.crc32 === crc32 ? "proved" : "unknown", sha256 };
    case "taken":
      return { kind: "taken", sha256 };
    case "gone":
      return { kind: "unknown", sha256 };
    case "conflict":
      return { kind: "lost", failure: CONFLICT };
    case "failed":
      return answer.failure.scope === "service" ? answer : { ...answer, kind: "refused" };
  }
}

export async function createUpload(
  target: Target,
  context: Context,
): Promise<{ readonly kind: "created"; readonly begun: BegunUpload } | Failed> {
  const { store, destination, state, retries, signal } = context;
  const { key, sha256 } = target;
  const answer = await retries.send(() => store.createUpload({ destination, key, signal }), signal);
  if (answer.kind === "failed") return answer;
  const begun = { uploadId: answer.uploadId, key, sha256 };
  await state.begin(begun);
  return { kind: "created", begun };
}

/**
 * Ends an upload. Should that fail for good, the bucket's own rule for unfinished uploads does it.
 * @returns whether it is ended, or it is no use to try again
 */
export async function abortUpload(begun: BegunUpload, context: Context): Promise<boolean> {
  const { states, store, signal, state } = context;
  const progress = { ...state.progress, begun };
  return await states.abort({ store, subject: state.subject, progress, signal });
}

export async function abortAndForget(begun: BegunUpload, context: Context): Promise<void> {
  if (await abortUpload(begun, context)) await context.state.delete();
}

/** Only the file's ctime is another: its content may be the same, so what was sent may be too. */
class FileTouchedError extends FileChangedError {}

/**
 * A file that was written to while it was read has no content that could be uploaded.
 * @throws FileChangedError
 */
export async function assertUnchanged({ file, fingerprint }: Context): Promise<void> {
  const now = await file.stat({ bigint: true });
  if (now.size !== fingerprint.bytes || now.mtimeNs !== fingerprint.mtimeNs) {
    throw new FileChangedError("its size or time is another");
  }
  // A new link or mode, or a write whose time was set back: the next reading will tell.
  if (now.ctimeNs !== fingerprint.ctimeNs) throw new FileTouchedError("something touched it");
}
