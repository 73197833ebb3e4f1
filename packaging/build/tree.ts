import { execFileSync } from "node:child_process";
import { constants } from "node:fs";
import {
  chmod,
  copyFile,
  mkdir,
  readdir,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { BuildError } from "./build-error.ts";
import type { Runtime } from "./runtime.ts";

/** A file of a finished tree. */
export interface TreeFile {
  /** Relative to the tree. */
  readonly path: string;
  readonly bytes: number;
}

/**
 * Puts together what packages install below /usr. The same input makes the same tree, with the same
 * modes and times, whatever the umask and the day.
 * @param tree the directory to make; one that is there already is replaced as a whole.
 * @param bundle the agent's code: file name to text.
 * @param licences the text about the packages in it.
 * @param billOfMaterials the text about all parts.
 * @param manual manual pages and completions, by their paths below share.
 * @param date the time that all files and directories get.
 * @returns the tree's files, sorted.
 */
export async function assembleTree(options: {
  checkout: string;
  tree: string;
  runtime: Runtime;
  bundle: ReadonlyMap<string, string>;
  licences: string;
  billOfMaterials: string;
  manual: ReadonlyMap<string, Uint8Array>;
  date: Date;
}): Promise<TreeFile[]> {
  const { checkout, tree, runtime, bundle, licences, billOfMaterials, manual, date } = options;
  const unfinished = `${tree}.${process.pid}`;
  const lib = join(unfinished, "lib/s3-offload-agent");
  const doc = join(unfinished, "share/doc/s3-offload-agent");
  try {
    for (const directory of [join(unfinished, "bin"), join(lib, "bin"), doc]) {
      await mkdir(directory, { recursive: true });
    }
    await copy(join(checkout, "packaging/launcher.sh"), join(unfinished, "bin/s3-offload-agent"));
    await copy(runtime.node, join(lib, "bin/node"));
    await copy(runtime.koffi, join(lib, "koffi.node"));
    for (const [name, text] of bundle) await writeFile(join(lib, name), text);
    await copy(join(checkout, "LICENSE"), join(doc, "LICENSE"));
    await copy(runtime.nodeLicence, join(doc, "LICENSE.node"));
    await writeFile(join(doc, "LICENSE.third-party"), licences);
    await writeFile(join(doc, "sbom.cdx.json"), billOfMaterials);
    for (const [path, bytes] of manual) {
      const file = join(unfinished, "share", path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, bytes);
    }

    const files = await settle(unfinished, date);
    await rm(tree, { recursive: true, force: true });
    await rename(unfinished, tree);
    return files;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/**
 * The time of what is being built: `SOURCE_DATE_EPOCH` if set, else that of the checkout's last
 * commit, else (no git) 1970. See reproducible-builds.org/specs/source-date-epoch.
 * @throws BuildError if the variable is not a number.
 */
export function sourceDate(checkout: string): Date {
  const seconds = Number(process.env["SOURCE_DATE_EPOCH"] || lastCommitSeconds(checkout));
  if (!Number.isSafeInteger(seconds) || seconds < 0) {
    throw new BuildError("SOURCE_DATE_EPOCH is not a number of seconds");
  }
  return new Date(seconds * 1000);
}

function lastCommitSeconds(checkout: string): string {
  try {
    return execFileSync("git", ["log", "-1", "--format=%ct"], {
      cwd: checkout,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  } catch {
    return "0";
  }
}

/** Shares the blocks of big files where the file system can. */
async function copy(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_FICLONE);
}

/** Sets modes and times; a file is executable if it lies in a `bin`. Returns the files, sorted. */
async function settle(root: string, date: Date): Promise<TreeFile[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files: TreeFile[] = [];
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    const isProgram = entry.isDirectory() || dirname(path).endsWith("/bin");
    await chmod(path, isProgram ? 0o755 : 0o644);
    if (entry.isFile()) {
      files.push({ path: relative(root, path), bytes: (await stat(path)).size });
    }
    await utimes(path, date, date);
  }
  await chmod(root, 0o755);
  await utimes(root, date, date);
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}
