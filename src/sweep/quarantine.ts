import { chmod, chown, lstat, mkdir, rmdir, stat } from "node:fs/promises";
import { isErrno } from "../lib/errors.ts";
import { renameExclusive } from "../lib/kernel.ts";
import type { Directories, Directory } from "./directory.ts";
import { type Entry, entryOf } from "./entry.ts";
import { fingerprintOf, isSameContent, isSameFile } from "./fingerprint.ts";
import { QUARANTINE } from "./own-names.ts";
import { join, leadsDown, namesOf, split } from "./path-bytes.ts";

/**
 * Sets a file aside that fails again and again: a rename to the same path below the quarantine of
 * its own watched directory, never a copy, never replacing anything.
 * @returns the entry in quarantine; undefined if it stays, since it changed or its place is taken
 * @throws system errors; the file is then where it was
 */
export async function quarantine(
  entry: Entry,
  directories: Directories,
): Promise<Entry | undefined> {
  const from = split(entry.at);
  const to = split(join(QUARANTINE, entry.path));
  const home = await directories.open(from.directory);
  try {
    const now = fingerprintOf(await lstat(home.at(from.name), { bigint: true }));
    if (!isSameContent(now, entry.fingerprint)) return undefined;
    await using target = await makeDirectories(to.directory, directories);
    renameExclusive({ fd: home.fd, name: from.name }, { fd: target.fd, name: to.name });
    const stats = await lstat(target.at(to.name), { bigint: true });
    // Another file had just taken the name: nobody knows it here, so the next sweep gives it back.
    if (!isSameFile(fingerprintOf(stats), entry.fingerprint)) return undefined;
    return entryOf(entry.path, stats, join(QUARANTINE, entry.path));
  } catch (error) {
    if (isErrno(error, "EEXIST", "ENOENT")) return undefined;
    throw error;
  } finally {
    await home.release();
  }
}

/**
 * Gives a quarantined file its old place back.
 * @param entry `at` in quarantine, `path` what it was called
 * @returns whether it is there; false if the place is taken
 * @throws system errors; the file is then still in quarantine
 */
export async function releaseFromQuarantine(
  entry: Entry,
  directories: Directories,
): Promise<boolean> {
  const from = split(entry.at);
  const to = split(entry.path);
  const home = await directories.open(from.directory);
  try {
    await using target = await makeDirectories(to.directory, directories, inherit);
    renameExclusive({ fd: home.fd, name: from.name }, { fd: target.fd, name: to.name });
  } catch (error) {
    if (isErrno(error, "EEXIST", "ENOENT")) return false;
    throw error;
  } finally {
    await home.release();
  }
  await removeEmpty(from.directory, directories);
  return true;
}

/**
 * Whether a file is in the quarantine of a directory that nobody has open. One that cannot be looked
 * at is taken to be there.
 * @param root real path of the directory
 * @param path what the file was called
 */
export async function isInQuarantine(root: string, path: Buffer): Promise<boolean> {
  if (!leadsDown(path)) return false;
  try {
    await lstat(join(Buffer.from(root), join(QUARANTINE, path)));
    return true;
  } catch (error) {
    return !isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG");
  }
}

/** Opens a directory and makes what is missing of it. @param onMade hears of each one made */
async function makeDirectories(
  path: Buffer,
  directories: Directories,
  onMade: (made: Directory, parent: Directory) => Promise<void> = async () => undefined,
): Promise<{ readonly fd: number; at(name: Buffer): Buffer } & AsyncDisposable> {
  let directory: Directory = await directories.open(Buffer.alloc(0));
  for (const name of namesOf(path)) {
    const parent = directory;
    try {
      const isMade = await mkdir(parent.at(name), { mode: 0o700 }).then(
        () => true,
        (error: unknown) => {
          if (!isErrno(error, "EEXIST")) throw error;
          return false;
        },
      );
      directory = await parent.openChild(name);
      if (isMade) await onMade(directory, parent);
    } finally {
      await parent.release();
    }
  }
  return {
    fd: directory.fd,
    at: (name) => directory.at(name),
    [Symbol.asyncDispose]: () => directory.release(),
  };
}

/**
 * Makes a directory its parent's in owner and mode: a person who gives files back as root must not
 * leave them where neither the agent nor the producer can reach them.
 */
async function inherit(made: Directory, parent: Directory): Promise<void> {
  // Somebody may have swapped it for another one in the meantime: one with anything in it is his.
  for await (const _ of made.names()) return;
  const { mode, uid, gid } = await stat(`/proc/self/fd/${parent.fd}`);
  // What only root may do stays undone for others, and then the directory is theirs anyway.
  await chown(`/proc/self/fd/${made.fd}`, uid, gid).catch(() => undefined);
  await chmod(`/proc/self/fd/${made.fd}`, mode & 0o7777).catch(() => undefined);
}

/** Removes directories of the quarantine that hold nothing any more; that one can is enough. */
async function removeEmpty(path: Buffer, directories: Directories): Promise<void> {
  for (let rest = path; rest.length > 0 && !rest.equals(QUARANTINE); rest = split(rest).directory) {
    const { directory: above, name } = split(rest);
    const parent = await directories.open(above);
    try {
      await rmdir(parent.at(name));
    } catch {
      return;
    } finally {
      await parent.release();
    }
  }
}
