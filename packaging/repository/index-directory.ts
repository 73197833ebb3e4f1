import { link, mkdir, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { isErrno } from "../../src/lib/errors.ts";
import { exchange } from "./exchange.ts";
import { keptOldFiles, type OldFile } from "./retention.ts";
import { runTool } from "./tool.ts";

/**
 * Puts a directory of indexes in the place of the one that hosts read, in one step: at no moment,
 * and after no kill, is there an index whose signature or whose files are of another state.
 *
 * Files that bear their hash in their name live on for hosts that have read the index before it:
 * those of the last state always, older ones as `keptOldFiles` says.
 * @param options.staged the new directory; its name is gone afterwards
 * @param options.isByHash whether a path below the directory bears its hash
 * @param options.previous paths below it that the present index names
 */
export async function installIndex(options: {
  readonly staged: string;
  readonly current: string;
  readonly isByHash: (path: string) => boolean;
  readonly previous: ReadonlySet<string>;
  readonly now: Date;
}): Promise<void> {
  const { staged, current, isByHash, previous, now } = options;
  const next = new Set(await filesBelow(staged));
  const old: OldFile[] = [];
  for (const path of await filesBelow(current)) {
    if (!isByHash(path) || next.has(path)) continue;
    const from = join(current, path);
    if (previous.has(path)) {
      // Its time says when it was superseded, for the runs to come.
      await utimes(from, now, now);
      await carry(from, join(staged, path));
    } else {
      old.push({ path, supersededAtMs: (await stat(from)).mtimeMs });
    }
  }
  for (const { path } of keptOldFiles(old, now.getTime())) {
    await carry(join(current, path), join(staged, path));
  }
  // What an index names is on the disk before its name is.
  await runTool("sync", ["--file-system", staged]);
  await mkdir(dirname(current), { recursive: true });
  if (await isThere(current)) exchange(staged, current);
  else await rename(staged, current);
  await rm(staged, { recursive: true, force: true });
}

async function carry(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await link(from, to);
}

/** All files below a directory, relative to it and sorted; none if it is not there. */
export async function filesBelow(directory: string): Promise<string[]> {
  if (!(await isThere(directory))) return [];
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
    .sort();
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}
