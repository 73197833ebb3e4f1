import { lstat } from "node:fs/promises";
import { isErrno, toError } from "../lib/errors.ts";
import { type Directory, OtherMountError } from "./directory.ts";
import { type Entry, entryOf } from "./entry.ts";
import { join } from "./path-bytes.ts";

/** What a scan comes upon: an entry, or a part of the tree that it cannot look at. */
export type Found =
  | { readonly kind: "entry"; readonly entry: Entry }
  | { readonly kind: "unreadable"; readonly path: Buffer; readonly error: Error };

/** Each level holds descriptors of its own; a tree made to exhaust them is not followed for ever. */
export const DEPTH_MAX = 128;

/** What mkfs puts into the root of a filesystem, for fsck; nobody else has a file there. */
const LOST_AND_FOUND = Buffer.from("lost+found");

/**
 * Walks a directory and everything below it through descriptors, in the order the kernel gives,
 * holding one open directory a level and no list. Symbolic links are entries, never followed. What
 * vanishes in the meantime is passed over; what cannot be read is reported and the rest goes on.
 * @param skip names in `directory` itself that are passed over
 * @param onName hears of every name that is come upon
 */
export async function* scan(
  directory: Directory,
  stop: AbortSignal,
  skip: readonly Buffer[] = [],
  onName: () => void = () => {},
  depth = 0,
): AsyncGenerator<Found> {
  try {
    for await (const name of directory.names()) {
      if (stop.aborted) return;
      onName();
      if (skip.some((skipped) => skipped.equals(name))) continue;
      yield* look(directory, name, { stop, onName, depth });
    }
  } catch (error) {
    if (isErrno(error, "ENOENT")) return;
    yield { kind: "unreadable", path: directory.path, error: toError(error) };
  }
}

async function* look(
  directory: Directory,
  name: Buffer,
  about: { readonly stop: AbortSignal; readonly onName: () => void; readonly depth: number },
): AsyncGenerator<Found> {
  const { stop, onName, depth } = about;
  const path = join(directory.path, name);
  let child: Directory;
  try {
    const stats = await lstat(directory.at(name), { bigint: true });
    if (!stats.isDirectory()) {
      yield { kind: "entry", entry: entryOf(path, stats) };
      return;
    }
    if (depth >= DEPTH_MAX) throw new Error(`more than ${DEPTH_MAX} directories deep`);
    child = await directory.openChild(name);
  } catch (error) {
    // ELOOP, ENOTDIR: something else has taken the place of the directory just now.
    if (isErrno(error, "ENOENT", "ELOOP", "ENOTDIR")) return;
    if (depth === 0 && name.equals(LOST_AND_FOUND) && !(error instanceof OtherMountError)) return;
    yield { kind: "unreadable", path, error: toError(error) };
    return;
  }
  try {
    yield* scan(child, stop, [], onName, depth + 1);
  } finally {
    await child.release();
  }
}
