import type { Random } from "../lib/backoff.ts";
import type { ByteBudget } from "../lib/byte-budget.ts";
import { errnoOf, toError } from "../lib/errors.ts";
import type { Marks } from "../lib/progress.ts";
import { decide, type Moment, type Policy } from "./decide.ts";
import { type Entry, entryOf } from "./entry.ts";
import { type Fingerprint, fingerprintOf } from "./fingerprint.ts";
import { type LargeUpload, uploadLarge } from "./large-upload.ts";
import type { Ledger, Uploaded } from "./ledger.ts";
import type { Destination, ObjectStore } from "./object-store.ts";
import { type OpenContext, type OpenFile, openFile } from "./open-file.ts";
import { failedHere, kept, type Outcome } from "./outcome.ts";
import type { Overwrites } from "./overwrites.ts";
import { MULTIPART_BYTES_MIN } from "./part-plan.ts";
import { FileChangedError, hashContent, readContent } from "./read-file.ts";
import { type RemovalContext, removeFile } from "./removal.ts";
import { upload } from "./upload.ts";
import type { UploadStates } from "./upload-states.ts";

/** What a transfer works with. */
export interface TransferContext extends OpenContext, RemovalContext {
  /** Real path of the watched directory, by which the ledger knows it. */
  readonly root: string;
  readonly policy: Policy;
  readonly destination: Destination;
  readonly store: ObjectStore;
  readonly ledger: Ledger;
  /** How far the uploads of large files have got. */
  readonly states: UploadStates;
  /** Memory for parts of large files. */
  readonly budget: ByteBudget;
  readonly overwrites: Overwrites;
  readonly random: Random;
  moment(): Moment;
  /** Hears of each file for which no lease was to be had, and why. */
  onWeak(weakness: string): void;
  /** Hears of each file that was uploaded, and how many milliseconds that took until the proof. */
  onUploaded(ms: number): void;
}

/** A file that is in the bucket and still there, with what its removal needs. */
export interface Uploading {
  readonly kind: "uploaded";
  /** Removes the file, if it is unchanged. To be called once, even if it is to stay. */
  remove(): Promise<Outcome>;
}

/** How the content came to be in the bucket. */
interface Proved {
  readonly sha256: string;
  readonly key: string;
  readonly attempts: number;
  readonly wasStored: boolean;
}

/**
 * Moves one file into the bucket, in two parts, since the second one mostly waits:
 *
 * 1. Open it, take the read lease, look at its facts, decide again, read and hash, upload, prove,
 *    write into the ledger that it is uploaded.
 * 2. `remove`: rename aside, wait, look again, unlink. See `removeFile`.
 *
 * The removal comes last, and only if the store acknowledged the digest of the bytes that are in
 * the file now; any doubt means keep.
 */
export async function transfer(
  entry: Entry,
  context: TransferContext,
): Promise<Uploading | Outcome> {
  const key = context.policy.keyOf(entry);
  const opened = await openFile(entry, context, key);
  if ("kind" in opened) return opened.kind === "kept" ? kept(opened.reason, key) : opened;
  let isHandedOver = false;
  try {
    const result = await uploadOpen(opened, entry, context);
    isHandedOver = result.kind === "uploaded";
    return result;
  } catch (error) {
    return outcomeOf(error, opened, key, context);
  } finally {
    if (!isHandedOver) await opened[Symbol.asyncDispose]();
  }
}

async function uploadOpen(
  opened: OpenFile,
  scanned: Entry,
  context: TransferContext,
): Promise<Uploading | Outcome> {
  const entry = entryOf(scanned.path, opened.stats, scanned.at);
  const key = context.policy.keyOf(entry);
  const decision = decide(entry, context.policy, context.moment());
  if (decision.action !== "transfer") return kept("changed", key);
  if (opened.weakness !== undefined) context.onWeak(opened.weakness);

  const fingerprint = fingerprintOf(opened.stats);
  const startedAt = context.clock.monotonic();
  const proved = await prove(opened, entry, key, context);
  if ("kind" in proved) return proved;
  const uploadMs = Math.round(context.clock.monotonic() - startedAt);
  if (proved.attempts > 0) context.onUploaded(uploadMs);
  const { uploaded, isOnLedger } = await writeDown(entry, proved, context);

  return {
    kind: "uploaded",
    async remove() {
      await using _ = opened;
      const proof = { fingerprint, sha256: proved.sha256, key: proved.key, isOnLedger };
      const removal = await removeFile(opened, proof, context);
      if (removal.kind !== "gone") return removal;
      context.ledger.drop(uploaded);
      if (fingerprint.bytes > MULTIPART_BYTES_MIN) {
        await context.states.forget(Buffer.from(context.root), entry.path);
      }
      const { kind: _gone, ...aftermath } = removal;
      const bytes = Number(fingerprint.bytes);
      return { kind: "removed", ...proved, bytes, uploadMs, ...aftermath };
    },
  };
}

/** Has the content in the bucket: from an earlier sweep, if it is the same still, or by an upload. */
async function prove(
  opened: OpenFile,
  entry: Entry,
  key: string,
  context: TransferContext,
): Promise<Proved | Outcome> {
  const { fingerprint } = entry;
  const bytes = Number(fingerprint.bytes);
  // Whoever opens the file for writing waits for us; what is read from now on is of no use.
  const { lease } = opened;
  const signal =
    lease === undefined ? context.cancel : AbortSignal.any([context.cancel, lease.broken]);

  const known = knownUpload(entry, fingerprint, context);
  if (known !== undefined) {
    const onPiece = readMark(context.marks);
    if ((await hashContent(opened.file, bytes, signal, onPiece)) === known.sha256) {
      return { sha256: known.sha256, key: known.key, attempts: 0, wasStored: true };
    }
    context.ledger.drop(known);
  }
  const answer =
    bytes > MULTIPART_BYTES_MIN
      ? await uploadInParts(opened, entry, key, signal, context)
      : await uploadAtOnce(opened, bytes, key, signal, context);
  if (answer.kind === "failed") {
    const { code, message, scope } = answer.failure;
    const { attempts } = answer;
    return { kind: "failed", reason: code, scope, message, key: answer.key, attempts };
  }
  const { sha256, attempts, wasStored } = answer;
  return { sha256, key: answer.key, attempts, wasStored };
}

async function uploadAtOnce(
  { file }: OpenFile,
  bytes: number,
  key: string,
  signal: AbortSignal,
  context: TransferContext,
): Promise<LargeUpload> {
  const content = await readContent(file, bytes, signal, readMark(context.marks));
  const { store, destination, clock, random, overwrites } = context;
  const options = { store, destination, key, content, bytes, clock, random, overwrites, signal };
  const answer = await upload(options);
  return answer.kind === "failed" ? answer : { ...answer, sha256: content.sha256 };
}

async function uploadInParts(
  { file }: OpenFile,
  { path, fingerprint }: Entry,
  key: string,
  signal: AbortSignal,
  context: TransferContext,
): Promise<LargeUpload> {
  const { store, destination, states, budget, clock, random, overwrites, marks } = context;
  const root = Buffer.from(context.root);
  const mayOverwrite = overwrites.isAllowedNow;
  const about = { store, destination, key, file, fingerprint, root, path, mayOverwrite };
  return await uploadLarge({ ...about, states, budget, clock, random, marks, signal });
}

function readMark(marks: Marks): () => void {
  return () => marks.mark("read");
}

/** What the ledger says of this file, under this name and for this bucket. */
function knownUpload(
  entry: Entry,
  fingerprint: Fingerprint,
  { ledger, root, destination }: TransferContext,
): Uploaded | undefined {
  const known = ledger.find(root, fingerprint);
  const isSame = known?.bucket === destination.bucket && known.path.equals(entry.path);
  return isSame ? known : undefined;
}

async function writeDown(
  entry: Entry,
  { sha256, key }: Proved,
  { ledger, root, destination }: TransferContext,
): Promise<{ readonly uploaded: Uploaded; readonly isOnLedger: boolean }> {
  const { inode, bytes, mtimeNs } = entry.fingerprint;
  const { bucket } = destination;
  const uploaded: Uploaded = { root, path: entry.path, inode, bytes, mtimeNs, sha256, bucket, key };
  try {
    await ledger.add(uploaded);
    return { uploaded, isOnLedger: true };
  } catch {
    // The state directory says what is wrong. A full disk must not keep the agent from making room.
    return { uploaded, isOnLedger: false };
  }
}

function outcomeOf(
  thrown: unknown,
  { lease }: OpenFile,
  key: string,
  { cancel }: TransferContext,
): Outcome {
  if (cancel.aborted) return kept("interrupted", key);
  if (lease?.broken.aborted === true) return kept("busy", key);
  const error = toError(thrown);
  if (error instanceof FileChangedError) return kept("changed", key);
  return failedHere(errnoOf(error) === undefined ? "unexpected" : "unreadable", error, key);
}
