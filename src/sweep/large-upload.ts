import type { Fingerprint } from "./fingerprint.ts";
import { contentKey, looksLikeContentKey } from "./object-key.ts";
import type { StoreFailure } from "./object-store.ts";
import { partBytesOf } from "./part-plan.ts";
import { FileChangedError, hashContent } from "./read-file.ts";
import { Retries } from "./request-retries.ts";
import { NOT_PROVED } from "./upload.ts";
import type { BegunUpload, RecordedPart } from "./upload-records.ts";
import {
  abortAndForget,
  abortUpload,
  assertUnchanged,
  type Context,
  createUpload,
  type LargeUploadOptions,
  runRound,
  type Target,
} from "./upload-round.ts";

/** What the upload of a large file ended with: as `Upload`, and the digest that was computed. */
export type LargeUpload =
  | {
      readonly kind: "proved";
      readonly key: string;
      /** One, and each request that was sent again; 0 if none was needed. */
      readonly attempts: number;
      readonly wasStored: boolean;
      /** Of the whole content, in hexadecimal. */
      readonly sha256: string;
    }
  | {
      readonly kind: "failed";
      readonly key: string;
      readonly attempts: number;
      readonly failure: StoreFailure;
    };

/**
 * Uploads a large file in parts, so that nothing is overwritten, the answer is a proof, and what
 * was sent before a kill, a reboot or an outage is not sent again:
 *
 * 1. Go on with the upload that the state on disk tells of, or begin one under the file's own key.
 * 2. Read the whole file; send the parts that the store does not have.
 * 3. Write down that a completion comes, then send it. The store's CRC-32 of the whole is the
 *    proof: every part was signed with its SHA-256.
 * 4. The key is taken, or nobody can tell whether the completion was done (its answer carries no
 *    checksum, or the upload is gone): once more under the key that names the content. Taken as
 *    well: this very content is there. So there are two objects at the most, whatever happens.
 * 5. The upload was lost half-way, or the key was fought for: start over, once.
 *
 * After a failure that may pass, or an abort, the state stays and the next sweep goes on. After a
 * success it stays too, and saves the upload if the file is not removed in time: call
 * `states.forget` when that is done.
 *
 * @throws FileChangedError if the file is not, or not any longer, what its fingerprint and the
 *   recorded parts say: the upload is then ended; the signal's reason; system errors of the reading
 */
export async function uploadLarge(options: LargeUploadOptions): Promise<LargeUpload> {
  const { fingerprint, signal, states, store } = options;
  const bytes = Number(fingerprint.bytes);
  const partBytes = (options.partBytesOf ?? partBytesOf)(bytes);
  const { state, stale } = await states.open({ ...options, ...factsOf(fingerprint), partBytes });
  try {
    // Should this fail, the bucket's own rule ends that upload some day.
    if (stale !== undefined) await states.abort({ ...stale, store, signal });
    const context = { ...options, bytes, partBytes, state, retries: new Retries(options) };
    const { proved } = state.progress;
    return proved === undefined
      ? await uploadRounds(context)
      : await provedBefore(proved.key, proved.sha256, context);
  } finally {
    await state.close();
  }
}

/** The object was acknowledged before, but the file was not removed: is it still this content? */
async function provedBefore(key: string, sha256: string, context: Context): Promise<LargeUpload> {
  if ((await hashWhole(context)) !== sha256) {
    await context.state.delete();
    throw new FileChangedError("what was uploaded before is another content");
  }
  await assertUnchanged(context);
  return { kind: "proved", key, sha256, attempts: 0, wasStored: true };
}

async function uploadRounds(context: Context): Promise<LargeUpload> {
  const { progress } = context.state;
  let recorded: RecordedUpload | undefined = usableUpload(context);
  let target: Target = recorded?.target ?? (await firstTarget(context));
  let hasStartedOver = false;
  for (;;) {
    let begun = recorded?.begun;
    const parts: ReadonlyMap<number, RecordedPart> = begun ? progress.parts : new Map();
    recorded = undefined;
    if (begun === undefined) {
      const created = await createUpload(target, context);
      if (created.kind === "failed") return failed(target.key, context, created.failure);
      begun = created.begun;
    }
    const round = await runRound(begun, parts, context);
    switch (round.kind) {
      case "proved":
        return await proved(target.key, round.sha256, false, context);
      case "taken":
        await abortUpload(begun, context);
        if (target.sha256 !== undefined) {
          return await proved(target.key, round.sha256, true, context);
        }
        target = contentTarget(context.key, round.sha256);
        break;
      case "unknown": {
        await abortUpload(begun, context);
        // Under the content key, once more will tell: it is stored, or it is taken.
        if (target.sha256 !== undefined && hasStartedOver) {
          return failed(target.key, context, NOT_PROVED);
        }
        hasStartedOver ||= target.sha256 !== undefined;
        target = contentTarget(context.key, round.sha256);
        break;
      }
      case "lost":
        await abortUpload(begun, context);
        if (hasStartedOver) {
          await context.state.delete();
          return failed(target.key, context, round.failure);
        }
        hasStartedOver = true;
        break;
      case "refused":
        await abortAndForget(begun, context);
        return failed(target.key, context, round.failure);
      case "failed":
        return failed(target.key, context, round.failure);
    }
  }
}

async function proved(
  key: string,
  sha256: string,
  wasStored: boolean,
  context: Context,
): Promise<LargeUpload> {
  await context.state.proved({ key, sha256 });
  return { kind: "proved", key, sha256, attempts: 1 + context.retries.count, wasStored };
}

interface RecordedUpload {
  readonly begun: BegunUpload;
  readonly target: Target;
}

/** The upload that the state tells of, if it is one that could be begun for this file. */
function usableUpload(context: Context): RecordedUpload | undefined {
  const { key, state } = context;
  const { begun } = state.progress;
  if (begun === undefined) return undefined;
  const target: Target =
    begun.sha256 === undefined ? { key, sha256: undefined } : contentTarget(key, begun.sha256);
  if (target.key !== begun.key) return undefined;
  if (target.sha256 === undefined && looksLikeContentKey(key)) return undefined;
  return { begun, target };
}

/** The file's own key, unless that looks like the key of some content. */
async function firstTarget(context: Context): Promise<Target> {
  if (!looksLikeContentKey(context.key)) return { key: context.key, sha256: undefined };
  return contentTarget(context.key, await hashWhole(context));
}

function contentTarget(key: string, sha256: string): Target {
  return { key: contentKey(key, sha256), sha256 };
}

async function hashWhole({ file, bytes, signal, marks }: Context): Promise<string> {
  return await hashContent(file, bytes, signal, () => marks.mark("read"));
}

function factsOf({ inode, bytes, mtimeNs }: Fingerprint) {
  return { inode, bytes, mtimeNs };
}

function failed(key: string, context: Context, failure: StoreFailure): LargeUpload {
  return { kind: "failed", key, attempts: 1 + context.retries.count, failure };
}
