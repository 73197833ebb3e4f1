import { type BigIntStats, constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { isErrno } from "../lib/errors.ts";
import type { Lease, LeaseKeeper } from "../lib/leases.ts";
import { type Directories, type Directory, OtherMountError } from "./directory.ts";
import type { Entry } from "./entry.ts";
import { type Failed, failedHere, type KeptReason } from "./outcome.ts";
import { split } from "./path-bytes.ts";

/** A candidate, open for reading, with what keeps writers away from it or tells of them. */
export interface OpenFile extends AsyncDisposable {
  readonly directory: Directory;
  /** Its name in that directory. */
  readonly name: Buffer;
  readonly file: FileHandle;
  /** Undefined: there is none to be had here, see `weakness`. */
  readonly lease: Lease | undefined;
  /** Why no lease is held, or why it is no proof: the filesystem's name, or the kernel's answer. */
  readonly weakness: string | undefined;
  readonly stats: BigIntStats;
}

export interface OpenContext {
  readonly directories: Directories;
  /** Undefined: leases of this filesystem say nothing. */
  readonly leases: LeaseKeeper | undefined;
  /** False: a writer may come another way, so that more must be looked at than the lease. */
  readonly isLeaseProof: boolean;
  /** Name of the filesystem, for `weakness`. */
  readonly filesystem: string;
}

/**
 * Without O_NONBLOCK the opening of a FIFO waits for its writer, and holds one of Node's threads.
 * Descriptors of Node are closed on exec.
 */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Opens a file through the descriptors of its directories, and takes the read lease first and its
 * facts then: from here on nobody can change it without our hearing of it before.
 */
export async function openFile(
  entry: Entry,
  context: OpenContext,
  key: string,
): Promise<OpenFile | { readonly kind: "kept"; readonly reason: KeptReason } | Failed> {
  const { directory: path, name } = split(entry.at);
  let directory: Directory | undefined;
  let file: FileHandle | undefined;
  let lease: Lease | undefined;
  try {
    directory = await context.directories.open(path);
    file = await open(directory.at(name), OPEN_FLAGS);
    const wish = context.leases?.take(file.fd);
    if (wish?.kind === "busy") {
      await close(directory, file, undefined);
      return { kind: "kept", reason: "busy" };
    }
    if (wish?.kind === "held") lease = wish.lease;
    const isProved = lease !== undefined && context.isLeaseProof;
    const weakness = wish?.kind === "refused" ? wish.code : context.filesystem;
    const stats = await file.stat({ bigint: true });
    const opened = { directory, file, lease };
    return {
      ...opened,
      name,
      stats,
      weakness: isProved ? undefined : weakness,
      [Symbol.asyncDispose]: () => close(opened.directory, opened.file, opened.lease),
    };
  } catch (error) {
    await close(directory, file, lease);
    if (isErrno(error, "ENOENT")) return { kind: "kept", reason: "vanished" };
    // A link, a socket or a directory has taken the place of the file, or of a folder above it.
    const isOther = isErrno(error, "ELOOP", "ENOTDIR", "ENXIO") || error instanceof OtherMountError;
    return isOther ? { kind: "kept", reason: "changed" } : failedHere("unreadable", error, key);
  }
}

/**
 * The lease goes before the descriptor does: its number is used again at once. That a file which was
 * only read cannot be closed well (a disk in trouble) is no reason for anything.
 */
async function close(
  directory: Directory | undefined,
  file: FileHandle | undefined,
  lease: Lease | undefined,
): Promise<void> {
  lease?.release();
  await file?.close().catch(() => undefined);
  await directory?.release();
}
