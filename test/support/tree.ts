import { createHash } from "node:crypto";
import { constants, type Dirent, type PathLike } from "node:fs";
import { lstat, open, readdir } from "node:fs/promises";

/** A regular file of a directory tree. */
export interface TreeFile {
  readonly path: Buffer;
  readonly bytes: number;
}

const SLASH = Buffer.from("/");

/**
 * Every regular file below a directory, dot files too, in no order. Links are not followed. What
 * vanishes in the meantime, the directory itself included, is passed over.
 */
export async function* filesBelow(directory: string | Buffer): AsyncGenerator<TreeFile> {
  const folder = Buffer.from(directory);
  let entries: Dirent<Buffer>[];
  try {
    entries = await readdir(folder, { withFileTypes: true, encoding: "buffer" });
  } catch (error) {
    if (isAbsent(error)) return;
    throw error;
  }
  for (const entry of entries) {
    const path = Buffer.concat([folder, SLASH, entry.name]);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) {
      const stats = await lstat(path).catch(() => undefined);
      if (stats !== undefined) yield { path, bytes: stats.size };
    }
  }
}

/** SHA-256 of a file's content in hexadecimal. */
export async function sha256OfFile(path: PathLike): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  const hash = createHash("sha256");
  for await (const chunk of file.createReadStream()) hash.update(chunk);
  return hash.digest("hex");
}

/** Whether an error says that a file or a folder above it is not there. */
export function isAbsent(error: unknown): boolean {
  return error instanceof Error && "code" in error && /^(ENOENT|ENOTDIR)$/.test(`${error.code}`);
}
