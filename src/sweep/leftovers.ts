import { lstat } from "node:fs/promises";
import { errnoOf, isErrno } from "../lib/errors.ts";
import { renameExclusive } from "../lib/kernel.ts";
import { Directories, type Directory, OtherMountError } from "./directory.ts";
import { type Entry, entryOf, pathText } from "./entry.ts";
import type { Ledger } from "./ledger.ts";
import { ASIDE_DIRECTORY, activeKey, parseAside } from "./own-names.ts";
import { join, namesOf, split } from "./path-bytes.ts";
import type { Asides } from "./removal.ts";
import { scan } from "./scan.ts";

/** What a name of the agent's own turned out to be. */
export type OwnName =
  /** A file that this process has just put aside. */
  | { readonly kind: "active" }
  /** Nothing that the agent would put there; it only is called so. */
  | { readonly kind: "pretender" }
  /** Left behind by a crash, or because its name was taken: a file like any other. */
  | { readonly kind: "leftover"; readonly entry: Entry };

export interface LeftoverContext {
  readonly root: string;
  readonly ledger: Ledger;
  readonly asides: Pick<Asides, "active">;
}

/**
 * Reads a name that begins as the agent's own do. Nothing is ever concluded about the content: a
 * leftover is a candidate under the name that the file had.
 * @param entry as the scan found it
 */
export function readOwnName(entry: Entry, context: LeftoverContext): OwnName {
  const { directory, name } = split(entry.at);
  if (context.asides.active.has(activeKey(name))) return { kind: "active" };
  const aside = parseAside(name);
  if (aside === undefined || entry.type !== "file") return { kind: "pretender" };
  // What its name does not tell, the ledger does: the whole of a long name, or its directory.
  const isElsewhere = namesOf(directory)[0]?.equals(ASIDE_DIRECTORY) === true;
  const known = context.ledger.find(context.root, entry.fingerprint)?.path;
  const told = known === undefined ? undefined : split(known);
  const isTold =
    told !== undefined &&
    (aside.isCut ? told.name.subarray(0, aside.name.length) : told.name).equals(aside.name);
  const elsewhere = isTold ? told.directory : Buffer.alloc(0);
  const path = join(isElsewhere ? elsewhere : directory, isTold ? told.name : aside.name);
  return { kind: "leftover", entry: { ...entry, path } };
}

/**
 * The name is taken; its directory is gone, or was never one; there is no such rename, no room for
 * a name, or no leave to change anything. None of it keeps the file from being uploaded.
 */
const NAME_NOT_TO_BE_HAD = [
  ...["EEXIST", "ENOENT", "ENOTDIR", "ELOOP", "EINVAL", "ENOSYS"],
  ...["ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS"],
];

/**
 * Gives a leftover its name back, if that is free.
 * @returns the entry as it is now: under its name, or still aside
 * @throws system errors other than those that say that the name cannot be had
 */
export async function restore(leftover: Entry, directories: Directories): Promise<Entry> {
  const from = split(leftover.at);
  const to = split(leftover.path);
  const home = await directories.open(from.directory);
  try {
    const target = await directories.open(to.directory);
    try {
      renameExclusive({ fd: home.fd, name: from.name }, { fd: target.fd, name: to.name });
      const stats = await lstat(target.at(to.name), { bigint: true });
      return entryOf(leftover.path, stats);
    } finally {
      await target.release();
    }
  } catch (error) {
    if (isErrno(error, ...NAME_NOT_TO_BE_HAD) || error instanceof OtherMountError) return leftover;
    throw error;
  } finally {
    await home.release();
  }
}

/**
 * Gives all leftovers in a directory that is not watched any more their names back.
 * @returns how many could not have theirs, or may be where it cannot look; they stay as they are
 */
export async function recoverLeftovers(
  root: Directory,
  context: LeftoverContext & { onRestored(path: string): void; readonly onName?: () => void },
): Promise<number> {
  await using directories = new Directories(root);
  let left = 0;
  for await (const found of scan(root, new AbortController().signal, [], context.onName)) {
    if (found.kind === "unreadable") {
      // Without a code it is a place where the agent never works: another mount, or too deep.
      if (errnoOf(found.error) !== undefined) left += 1;
      continue;
    }
    const own = readOwnName(found.entry, context);
    if (own.kind !== "leftover") continue;
    const now = await restore(own.entry, directories);
    if (now.at.equals(own.entry.at)) left += 1;
    else context.onRestored(pathText(now.path));
  }
  return left;
}
