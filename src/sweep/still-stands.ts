import { lstat } from "node:fs/promises";
import { isErrno } from "../lib/errors.ts";
import type { Directories } from "./directory.ts";
import { type Fingerprint, fingerprintOf } from "./fingerprint.ts";
import { split } from "./path-bytes.ts";

/**
 * Whether a file stands at its path as it was. One that cannot be looked at is taken to be there:
 * nothing is to be given up for a reason that may pass.
 */
export async function stillStands(
  file: { readonly path: Buffer } & Pick<Fingerprint, "inode" | "bytes" | "mtimeNs">,
  directories: Directories,
): Promise<boolean> {
  const { directory: above, name } = split(file.path);
  try {
    const directory = await directories.open(above);
    try {
      const now = fingerprintOf(await lstat(directory.at(name), { bigint: true }));
      return now.inode === file.inode && now.bytes === file.bytes && now.mtimeNs === file.mtimeNs;
    } finally {
      await directory.release();
    }
  } catch (error) {
    return !isErrno(error, "ENOENT", "ENOTDIR", "ELOOP");
  }
}
