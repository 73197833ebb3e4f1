import { readFile } from "node:fs/promises";

/** For connections, the state directory, the directories that are open, and the runtime itself. */
const OTHERS = 64;

/**
 * For how many files this process has descriptors, by proc(5) `limits`; half of what is left, since
 * each file may need its directory open as well.
 * @returns at least 1
 */
export async function openFilesMax(): Promise<number> {
  const limits = await readFile("/proc/self/limits", "utf8").catch(() => "");
  const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
  return soft === undefined ? 1 : Math.max(1, Math.floor((Number(soft) - OTHERS) / 2));
}
