import { lstat, opendir } from "node:fs/promises";
import { isErrno, toError } from "../lib/errors.ts";
import { type Entry, entryOf } from "./entry.ts";

/** What a scan comes upon: an entry, or a part of the tree that it cannot look at. */
export type Found =
  | { readonly kind: "entry"; readonly entry: Entry }
  | { readonly kind: "unreadable"; readonly path: Buffer; readonly error: Error };

const SLASH = Buffer.from("/");

/**
 * Walks the watched directory and everything below it, in the order the kernel gives, holding one
 * open directory per level and no list. Symbolic links are entries, never followed. What vanishes
 * in the meantime is passed over; what cannot be read is reported and the rest goes on.
 * @param root real path of the watched directory
 */
export async function* scan(root: Buffer, stop: AbortSignal): AsyncGenerator<Found> {
  yield* scanDirectory(root, Buffer.alloc(0), stop);
}

async function* scanDirectory(
  root: Buffer,
  relative: Buffer,
  stop: AbortSignal,
): AsyncGenerator<Found> {
  try {
    for await (const name of namesIn(join(root, relative))) {
      if (stop.aborted) return;
      const path = join(relative, name);
      const found = await look(root, path);
      if (found === undefined) continue;
      if (found.kind === "directory") yield* scanDirectory(root, path, stop);
      else yield found;
    }
  } catch (error) {
    if (isErrno(error, "ENOENT")) return;
    yield { kind: "unreadable", path: relative, error: toError(error) };
  }
}

async function look(
  root: Buffer,
  path: Buffer,
): Promise<Found | { kind: "directory" } | undefined> {
  try {
    const stats = await lstat(join(root, path), { bigint: true });
    return stats.isDirectory()
      ? { kind: "directory" }
      : { kind: "entry", entry: entryOf(path, stats) };
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    return { kind: "unreadable", path, error: toError(error) };
  }
}

async function* namesIn(directory: Buffer): AsyncGenerator<Buffer> {
  // Node takes the encoding "buffer" here as it does for readdir; its types only say so there.
  const encoding = "buffer" as BufferEncoding;
  for await (const { name } of await opendir(directory, { encoding, bufferSize: 128 })) {
    yield name as unknown as Buffer;
  }
}

/** Joins two paths given as bytes; an empty one is left out. */
export function join(directory: Buffer, name: Buffer): Buffer {
  if (directory.length === 0) return name;
  if (name.length === 0) return directory;
  return Buffer.concat([directory, SLASH, name]);
}
