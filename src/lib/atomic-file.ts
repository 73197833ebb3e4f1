import { open, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Replaces a file as a whole: whoever reads it, even after a power cut, finds the old content or
 * the new one. The order is what makes it so: write beside it, sync, rename over, sync the folder.
 * @param beforeRename runs when the new content is on disk, and the old one still in its place
 * @throws system errors; the old file is then as it was
 */
export async function writeFileAtomically(
  path: string,
  content: string | Buffer,
  beforeRename: () => Promise<void> = async () => undefined,
): Promise<void> {
  const beside = `${path}.new`;
  try {
    const file = await open(beside, "w", 0o600);
    try {
      await file.writeFile(content);
      await file.datasync();
    } finally {
      await file.close();
    }
    await beforeRename();
    await rename(beside, path);
  } catch (error) {
    await unlink(beside).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Makes names that were made, renamed or removed in a directory last over a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
