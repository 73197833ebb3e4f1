import { type FileHandle, open, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Replaces a file as a whole: whoever reads it, even after a power cut, finds the old content or
 * the new one. The order is what makes it so: write beside it, sync, rename over, sync the folder.
 * @param beforeRename runs when the new content is on disk, and the old one still in its place; it
 *   may give the new file another owner and mode than this process and 0600
 * @throws system errors; the old file is then as it was
 */
export async function writeFileAtomically(
  path: string,
  content: string | Buffer,
  beforeRename: (file: FileHandle) => Promise<void> = async () => undefined,
): Promise<void> {
  await replaceFile(path, content, { beforeRename, onReplaced: (file) => file.close() });
}

/**
 * As `writeFileAtomically`, for who goes on with the file.
 * @param steps.onReplaced is handed the new file, open for writing, once it is in its place
 * @throws system errors; the old file is then as it was, unless `onReplaced` has been called
 */
export async function replaceFile(
  path: string,
  content: string | Buffer,
  steps: {
    readonly beforeRename?: (file: FileHandle) => Promise<void>;
    readonly onReplaced: (file: FileHandle) => Promise<void>;
  },
): Promise<void> {
  const beside = `${path}.new`;
  // A process without a descriptor left must not find that out behind the rename.
  const directory = await open(dirname(path), "r");
  try {
    const file = await open(beside, "w", 0o600);
    try {
      await file.writeFile(content);
      await file.datasync();
      await steps.beforeRename?.(file);
      await rename(beside, path);
    } catch (error) {
      await file.close().catch(() => undefined);
      await unlink(beside).catch(() => undefined);
      throw error;
    }
    await steps.onReplaced(file);
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Makes names that were made, renamed or removed in a directory last over a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, "r");
  await directory.sync();
}
