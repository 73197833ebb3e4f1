import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import koffi from "koffi";
import { configurationError } from "../../src/lib/errors.ts";

const libc = koffi.load("libc.so.6");
const renameat2: (fromFd: number, from: string, toFd: number, to: string, flags: number) => number =
  libc.func("int renameat2(int, const char *, int, const char *, unsigned int)");

/** "Relative to the working directory", and of no meaning for an absolute path. */
const AT_FDCWD = -100;
/** renameat2(2): both names must be there, and change places in one step. */
const RENAME_EXCHANGE = 2;

/**
 * Lets two files or directories change places: whoever looks sees both as they were or both as they
 * are now, and so does the disk after a kill.
 * @throws Error if the kernel refuses: a name that is not there, or a filesystem that knows no such
 *   rename
 */
export function exchange(one: string, other: string): void {
  if (renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) === 0) return;
  throw new Error(`renameat2 of ${one} and ${other} failed with errno ${koffi.errno()}`);
}

/**
 * Tries an exchange in a scratch directory, before anything depends on it.
 * @throws AgentError (exit code 2) if the filesystem does not know it
 */
export async function requireExchange(scratch: string): Promise<void> {
  const [one, other] = [join(scratch, "one"), join(scratch, "other")];
  try {
    await mkdir(one);
    await mkdir(other);
    exchange(one, other);
  } catch (error) {
    throw configurationError(
      `The filesystem of ${scratch} cannot exchange two directories in one step.`,
      "Give --out a directory on ext4, xfs, btrfs or tmpfs.",
      error,
    );
  } finally {
    await rm(one, { recursive: true, force: true });
    await rm(other, { recursive: true, force: true });
  }
}
