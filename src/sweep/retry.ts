import { constants } from "node:fs";
import { chmod, lstat, open } from "node:fs/promises";
import { errnoOf, isErrno, messageOf } from "../lib/errors.ts";
import type { Directories, Directory } from "./directory.ts";
import { type Entry, entryOf } from "./entry.ts";
import { QUARANTINE } from "./own-names.ts";
import { join, split } from "./path-bytes.ts";
import { releaseFromQuarantine } from "./quarantine.ts";
import { scan } from "./scan.ts";

/** What became of a file that is to be tried again. */
export type Retried =
  /** It was in quarantine and is back in its place. */
  | { readonly kind: "released"; readonly path: Buffer }
  /** It is in its place, and its failures are forgotten. */
  | { readonly kind: "due"; readonly path: Buffer }
  | {
      readonly kind: "failed";
      readonly path: Buffer;
      /** `taken`, `absent`, `not-regular`, or the system's code. */
      readonly reason: string;
      readonly message: string;
    };

/**
 * open(2), from <asm-generic/fcntl.h>, which x86-64 and arm64 share for this one: a descriptor that
 * names a file and can neither read nor write it, so that nobody's leave to read it is needed.
 */
const O_PATH = 0o10000000;

/**
 * Makes files worth another try for an agent that may be at work in the same directory and knows
 * them. It takes a file that has changed in any way, ctime included, for a new one: a rename back
 * to its place does that, and for a file that is there a chmod to the mode that it has. So it
 * settles once more first. Nothing is removed, replaced or written to.
 * @param options.paths the files; undefined: everything in quarantine and all of `deferred`
 * @param options.deferred files in their places that are known to wait for their next try
 */
export async function* retryFiles(options: {
  readonly directories: Directories;
  readonly paths: readonly Buffer[] | undefined;
  readonly deferred: readonly Buffer[];
  readonly stop: AbortSignal;
}): AsyncGenerator<Retried> {
  const { directories, paths, deferred, stop } = options;
  if (paths !== undefined) {
    for (const path of paths) {
      if (stop.aborted) return;
      const quarantined = await quarantinedAt(path, directories);
      yield quarantined === undefined
        ? await makeDue(path, directories)
        : await release(quarantined, directories);
    }
    return;
  }
  yield* releaseAll(directories, stop);
  for (const path of deferred) {
    if (stop.aborted) return;
    const retried = await makeDue(path, directories);
    // What was known is a sweep old: a file that is gone since is no failure.
    if (retried.kind !== "failed" || retried.reason !== "absent") yield retried;
  }
}

async function* releaseAll(directories: Directories, stop: AbortSignal): AsyncGenerator<Retried> {
  let quarantine: Directory;
  try {
    quarantine = await directories.open(QUARANTINE);
  } catch (error) {
    // None was made yet; what is no directory is none of ours.
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return;
    yield failed(QUARANTINE, error);
    return;
  }
  try {
    for await (const found of scan(quarantine, stop)) {
      if (found.kind === "unreadable") yield failed(found.path, found.error);
      else yield await release(pathOf(found.entry), directories);
    }
  } finally {
    await quarantine.release();
  }
}

/** A quarantined entry under the name that it had. */
function pathOf(entry: Entry): Entry {
  return { ...entry, path: entry.at.subarray(QUARANTINE.length + 1) };
}

async function quarantinedAt(path: Buffer, directories: Directories): Promise<Entry | undefined> {
  const at = join(QUARANTINE, path);
  const { directory, name } = split(at);
  try {
    const home = await directories.open(directory);
    try {
      return entryOf(path, await lstat(home.at(name), { bigint: true }), at);
    } finally {
      await home.release();
    }
  } catch {
    // Whatever is wrong with that place, the file's own place tells.
    return undefined;
  }
}

async function release(entry: Entry, directories: Directories): Promise<Retried> {
  const { path } = entry;
  if (entry.type !== "file") return notRegular(path);
  try {
    if (await releaseFromQuarantine(entry, directories)) return { kind: "released", path };
  } catch (error) {
    return failed(path, error);
  }
  if ((await quarantinedAt(path, directories)) === undefined) {
    return { kind: "failed", path, reason: "absent", message: "somebody else has moved it" };
  }
  const message = "another file has its place; it stays in quarantine";
  return { kind: "failed", path, reason: "taken", message };
}

/** Changes the ctime of a file, and nothing else. */
async function makeDue(path: Buffer, directories: Directories): Promise<Retried> {
  const { directory, name } = split(path);
  try {
    const home = await directories.open(directory);
    try {
      await using file = await open(home.at(name), O_PATH | constants.O_NOFOLLOW);
      const stats = await file.stat();
      if (!stats.isFile()) return notRegular(path);
      // Through the descriptor: it is this very file, whatever its name leads to by now.
      await chmod(`/proc/self/fd/${file.fd}`, stats.mode & 0o7777);
      return { kind: "due", path };
    } finally {
      await home.release();
    }
  } catch (error) {
    if (!isErrno(error, "ENOENT")) return failed(path, error);
    const message = "it is neither in the watched directory nor in quarantine";
    return { kind: "failed", path, reason: "absent", message };
  }
}

function notRegular(path: Buffer): Retried {
  return { kind: "failed", path, reason: "not-regular", message: "it is no regular file" };
}

function failed(path: Buffer, error: unknown): Retried {
  const reason = errnoOf(error) ?? "unexpected";
  return { kind: "failed", path, reason, message: messageOf(error) };
}
