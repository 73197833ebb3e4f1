import { constants } from "node:fs";
import { type FileHandle, lstat, open, readlink, unlink } from "node:fs/promises";
import type { Random } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import { errnoOf, isErrno, messageOf } from "../lib/errors.ts";
import { decide, type Policy } from "./decide.ts";
import { type Entry, entryOf } from "./entry.ts";
import { type Fingerprint, fingerprintOf, isSameFingerprint } from "./fingerprint.ts";
import type { Destination, ObjectStore } from "./object-store.ts";
import type { KeptReason, Outcome } from "./outcome.ts";
import { type Content, FileChangedError, readContent } from "./read-file.ts";
import { join } from "./scan.ts";
import { type Upload, upload } from "./upload.ts";

/** What a transfer works with. */
export interface TransferContext {
  /** Real path of the watched directory. */
  readonly root: Buffer;
  readonly policy: Policy;
  readonly destination: Destination;
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  /** Gives up what is under way; the file stays. */
  readonly cancel: AbortSignal;
}

/** Without O_NONBLOCK the opening of a FIFO waits for its writer and holds one of Node's threads. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Moves one file into the bucket: open, look again, read and hash, upload, prove, look again,
 * remove. The removal comes last and only if the store acknowledged the digest of the bytes that
 * are in the file now; any doubt means keep.
 */
export async function transfer(entry: Entry, context: TransferContext): Promise<Outcome> {
  const path = join(context.root, entry.path);
  const key = context.policy.keyOf(entry);
  let file: FileHandle;
  try {
    file = await open(path, OPEN_FLAGS);
  } catch (error) {
    // ELOOP: a symbolic link has taken the place of the file since the scan.
    if (isErrno(error, "ENOENT", "ENOTDIR")) return kept("vanished", key);
    if (isErrno(error, "ELOOP")) return kept("changed", key);
    return failedHere("unreadable", error, key);
  }
  try {
    return await transferOpen(file, path, entry, key, context);
  } catch (error) {
    if (context.cancel.aborted) return kept("interrupted", key);
    if (error instanceof FileChangedError) return kept("changed", key);
    return failedHere(errnoOf(error) === undefined ? "unexpected" : "unreadable", error, key);
  } finally {
    await file.close();
  }
}

async function transferOpen(
  file: FileHandle,
  path: Buffer,
  entry: Entry,
  key: string,
  context: TransferContext,
): Promise<Outcome> {
  const before = await fingerprint(file, entry, context);
  if (before === undefined || !(await isAt(file, path))) return kept("changed", key);

  const startedAt = context.clock.monotonic();
  const bytes = Number(before.bytes);
  const content: Content = await readContent(file, bytes, context.cancel);
  const uploaded: Upload = await upload({
    store: context.store,
    destination: context.destination,
    key,
    content,
    bytes,
    clock: context.clock,
    random: context.random,
    signal: context.cancel,
  });
  if (uploaded.kind === "failed") {
    const { code, message, scope } = uploaded.failure;
    return {
      kind: "failed",
      reason: code,
      scope,
      message,
      key: uploaded.key,
      attempts: uploaded.attempts,
    };
  }
  const uploadMs = Math.round(context.clock.monotonic() - startedAt);

  const refusal = await remove(file, path, before, uploaded.key);
  if (refusal !== undefined) return refusal;
  return {
    kind: "removed",
    key: uploaded.key,
    bytes,
    sha256: content.sha256,
    attempts: uploaded.attempts,
    uploadMs,
    wasStored: uploaded.wasStored,
  };
}

/** The facts of the file that is open now, if it is the scanned one and still to be transferred. */
async function fingerprint(
  file: FileHandle,
  entry: Entry,
  context: TransferContext,
): Promise<Fingerprint | undefined> {
  const opened = entryOf(entry.path, await file.stat({ bigint: true }));
  const isUnchanged = isSameFingerprint(opened.fingerprint, entry.fingerprint);
  const decision = decide(opened, context.policy, context.clock.now());
  return isUnchanged && decision.action === "transfer" ? opened.fingerprint : undefined;
}

/**
 * Whether the kernel knows the open file by this very path. O_NOFOLLOW looks at the last name only:
 * a folder above it that was swapped for a link would lead somewhere else.
 */
async function isAt(file: FileHandle, path: Buffer): Promise<boolean> {
  return path.equals(await readlink(`/proc/self/fd/${file.fd}`, { encoding: "buffer" }));
}

/**
 * Removes the file if what was read is what stands there now: the path leads to the file that is
 * open, without a link on the way, and nothing about it has changed.
 * @returns why it was not removed, or undefined when it is gone
 */
async function remove(
  file: FileHandle,
  path: Buffer,
  before: Fingerprint,
  key: string,
): Promise<Outcome | undefined> {
  try {
    const now = fingerprintOf(await lstat(path, { bigint: true }));
    if (!isSameFingerprint(now, before) || !(await isAt(file, path))) return kept("changed", key);
    await unlink(path);
    return undefined;
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return kept("vanished", key);
    return failedHere("not-removable", error, key);
  }
}

function kept(reason: KeptReason, key: string): Outcome {
  return { kind: "kept", reason, key };
}

function failedHere(reason: string, error: unknown, key: string): Outcome {
  const code = errnoOf(error);
  const detail = code === undefined ? messageOf(error) : `${code}: ${messageOf(error)}`;
  return { kind: "failed", reason, scope: "file", message: detail, key, attempts: 0 };
}
