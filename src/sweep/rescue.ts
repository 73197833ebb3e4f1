import { createHash } from "node:crypto";
import { type BigIntStats, constants, fstatSync, unlinkSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { Clock } from "../lib/clock.ts";
import { isErrno } from "../lib/errors.ts";
import { renameExclusive } from "../lib/kernel.ts";
import type { Lease, LeaseKeeper } from "../lib/leases.ts";
import type { Marks } from "../lib/progress.ts";
import { pathText } from "./entry.ts";
import { type Fingerprint, fingerprintOf } from "./fingerprint.ts";
import type { OpenFile } from "./open-file.ts";
import { activeKey, asideName } from "./own-names.ts";
import { join } from "./path-bytes.ts";
import type { Asides, Proof } from "./removal.ts";

/**
 * After the unlink the lease is held so much longer. Only who had found the file in that very
 * moment, by the aside's name or by a handle of his own, can still be on the way to it, and he is
 * past everything but a few instructions of the kernel. No writer is kept waiting for that long:
 * the lease is given up as soon as one comes.
 */
export const LINGER_MS = 25;

/** A producer writes for seconds at the most; one that keeps the file open is not waited for. */
const WRITER_MS_MAX = 60_000;
const WRITER_LOOK_MS = 100;
/** So often may another writer come to a file that has no name any more. */
const WRITERS_MAX = 10;

const CHUNK_BYTES = 2 ** 20;
const COPY_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;

/** What became of whoever opened the file for writing in the moment of its removal. */
export interface Aftermath {
  /** There was one, and not all that he wrote could be kept. */
  readonly wasOpenedLate: boolean;
  /** What he wrote is in this file, relative to the watched directory. */
  readonly rescuedAs?: string;
}

export interface RescueContext {
  /** Undefined: leases of this filesystem say nothing. */
  readonly leases: LeaseKeeper | undefined;
  readonly asides: Asides;
  readonly clock: Clock;
  readonly marks: Marks;
  readonly cancel: AbortSignal;
}

/**
 * Watches over a file that has just lost its name, and saves what is written to it yet:
 *
 * 1. Hold the lease for LINGER_MS. It was not broken: the file is gone, and nobody had it.
 * 2. Let the writer go on, and wait until the kernel grants the lease again: he has closed it.
 * 3. Copy the content to an aside, synced. It is what was uploaded: there is nothing to save.
 * 4. Nobody came meanwhile, for LINGER_MS again (else back to 2): give the copy the file's name, if
 *    that is free. Else it stays aside, and the next scan finds it there.
 *
 * A file that had other names too needs none of this: what is written is found there.
 *
 * Without leases it is the file's facts that tell of a writer, and that he is done when they stand
 * still: he may come later yet, so he is told of in any case. Never throws: the file is gone
 * whatever happens here.
 */
export async function watchRemoved(
  opened: OpenFile,
  proof: Pick<Proof, "sha256" | "fingerprint">,
  context: RescueContext,
): Promise<Aftermath> {
  try {
    const { lease } = opened;
    if (!(await isTouched(opened, proof.fingerprint, context))) return { wasOpenedLate: false };
    lease?.release();
    return await rescue(opened, proof, context);
  } catch {
    return { wasOpenedLate: true };
  }
}

/** Whether somebody has come to write to it, or where the lease is no proof has written. */
async function isTouched(
  { file, lease, weakness }: OpenFile,
  uploaded: Fingerprint,
  context: RescueContext,
): Promise<boolean> {
  if (uploaded.links > 1n) return false;
  const unlinked = weakness === undefined ? undefined : factsOf(file);
  if (lease?.isHeld() !== false) await linger(lease, context);
  if (lease?.isHeld() === false) return true;
  if (unlinked === undefined) return false;
  const now = factsOf(file);
  const isSame = now.bytes === uploaded.bytes && now.mtimeNs === uploaded.mtimeNs;
  // The unlink has changed the ctime already; whoever sets the time back changes it again.
  return !isSame || now.ctimeNs !== unlinked.ctimeNs;
}

function factsOf(file: FileHandle): Fingerprint {
  return fingerprintOf(fstatSync(file.fd, { bigint: true }));
}

/** @throws system errors; there is no copy then */
async function rescue(
  opened: OpenFile,
  { sha256 }: Pick<Proof, "sha256">,
  context: RescueContext,
): Promise<Aftermath> {
  for (let writers = 1; ; writers += 1) {
    const lease = await untilClosed(opened.file, context);
    try {
      const copy = await copyAside(opened, sha256, context);
      if (lease !== undefined) await linger(lease, context);
      const isWhole = lease?.isHeld() === true;
      const isLast = isWhole || writers === WRITERS_MAX || context.cancel.aborted;
      if (isLast || lease === undefined) {
        const rescued = copy === undefined ? {} : { rescuedAs: await publish(opened, copy) };
        return { wasOpenedLate: !isWhole, ...rescued };
      }
      if (copy !== undefined) unlinkSync(opened.directory.at(copy.name));
      copy?.[Symbol.dispose]();
    } finally {
      lease?.release();
    }
  }
}

/** Resolves when somebody opens the file, the time is over, or the agent stops. */
async function linger(lease: Lease | undefined, { clock, cancel }: RescueContext): Promise<void> {
  const signal = lease === undefined ? cancel : AbortSignal.any([cancel, lease.broken]);
  await clock.sleep(LINGER_MS, signal).catch(() => undefined);
}

/**
 * @returns undefined if it is still open for writing after WRITER_MS_MAX, if the agent stops, or if
 *   there is no lease to be had
 */
async function untilClosed(
  file: FileHandle,
  { leases, clock, cancel }: RescueContext,
): Promise<Lease | undefined> {
  for (let waitedMs = 0; waitedMs < WRITER_MS_MAX; waitedMs += WRITER_LOOK_MS) {
    // The kernel grants no read lease to anybody while a writer has the file open.
    const wish = leases?.take(file.fd);
    if (wish?.kind === "held") return wish.lease;
    if (cancel.aborted) return undefined;
    const before = factsOf(file);
    await clock.sleep(WRITER_LOOK_MS, cancel).catch(() => undefined);
    if (wish?.kind !== "busy" && factsOf(file).ctimeNs === before.ctimeNs) return undefined;
  }
  return undefined;
}

/** A copy that no scan takes for a leftover until it is disposed of. */
interface Copy extends Disposable {
  readonly name: Buffer;
}

/**
 * Copies what is in the file to a name like an aside's, so that a crash leaves it to be found.
 * @returns undefined: it is what was uploaded
 */
async function copyAside(
  { directory, name: home, file }: OpenFile,
  uploadedSha256: string,
  { asides: { active, randomName }, marks }: Pick<RescueContext, "asides" | "marks">,
): Promise<Copy | undefined> {
  const name = asideName(home, randomName());
  const at = directory.at(name);
  const release = () => {
    active.delete(activeKey(name));
  };
  active.add(activeKey(name));
  let isMade = false;
  try {
    const stats = await file.stat({ bigint: true });
    await using copy = await open(at, COPY_FLAGS, 0o600);
    isMade = true;
    if ((await copyContent(file, copy, marks)) === uploadedSha256) {
      unlinkSync(at);
      release();
      return undefined;
    }
    await likeTheFile(copy, stats);
    await copy.sync();
    return { name, [Symbol.dispose]: release };
  } catch (error) {
    if (isMade) unlinkSync(at);
    release();
    throw error;
  }
}

/** @returns the SHA-256 of what was copied, in hexadecimal */
async function copyContent(from: FileHandle, to: FileHandle, marks: Marks): Promise<string> {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let position = 0; ; ) {
    const { bytesRead } = await from.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return hash.digest("hex");
    const piece = buffer.subarray(0, bytesRead);
    hash.update(piece);
    await to.writeFile(piece);
    marks.mark("read");
    position += bytesRead;
  }
}

/** Owner, permissions and time, as far as they can be had: the content is what matters. */
async function likeTheFile(copy: FileHandle, stats: BigIntStats): Promise<void> {
  await copy.chown(Number(stats.uid), Number(stats.gid)).catch(() => undefined);
  await copy.chmod(Number(stats.mode) & 0o777).catch(() => undefined);
  await copy.utimes(Number(stats.atimeMs) / 1e3, Number(stats.mtimeMs) / 1e3);
}

/** @returns where the copy is found now, relative to the watched directory */
async function publish({ directory, name }: OpenFile, copy: Copy): Promise<string> {
  let found = name;
  try {
    const { fd } = directory;
    renameExclusive({ fd, name: copy.name }, { fd, name });
  } catch (error) {
    // Taken, or there is no such rename here: it is uploaded from where it is, under its own name.
    if (!isErrno(error, "EEXIST", "EINVAL", "ENOSYS")) throw error;
    found = copy.name;
  } finally {
    copy[Symbol.dispose]();
  }
  await using folder = await open(directory.at(Buffer.from(".")), constants.O_RDONLY);
  await folder.sync();
  return pathText(join(directory.path, found));
}
