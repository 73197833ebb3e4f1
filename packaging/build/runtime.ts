import { spawnSync } from "node:child_process";
import { copyFile, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { BuildError } from "./build-error.ts";
import { packageVersion } from "./version.ts";

/** The architectures that packages are made for, in Node's words. */
export const ARCHITECTURES = ["x64", "arm64"] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

/** The native files of one architecture. */
export interface Runtime {
  /** The Node executable. */
  readonly node: string;
  /** The licence of Node and of all that is linked into it. */
  readonly nodeLicence: string;
  /** koffi's native half, for glibc. */
  readonly koffi: string;
  /** Their versions. */
  readonly nodeVersion: string;
  readonly koffiVersion: string;
}

/** The `e_machine` field of an ELF header, from the System V ABI's supplements. */
const ELF_MACHINES: Record<Architecture, number> = { x64: 62, arm64: 183 };

/**
 * Finds the native files of an architecture, as the lock file pins them: in the checkout's
 * node_modules if the machine is of that architecture, else downloaded by npm, which checks the
 * hashes of the lock file. A download is kept in `build/runtime/` until the lock file changes.
 * @throws BuildError if npm fails, or a file is missing or made for another architecture.
 */
export async function findRuntime(options: {
  checkout: string;
  architecture: Architecture;
}): Promise<Runtime> {
  const { checkout, architecture } = options;
  const home = architecture === process.arch ? checkout : await downloaded(options);
  const nodeHome = join(home, `node_modules/node-linux-${architecture}`);
  const koffiHome = join(home, `node_modules/@koromix/koffi-linux-${architecture}`);
  const node = join(nodeHome, "bin/node");
  const koffi = join(koffiHome, `linux_${architecture}/koffi.node`);
  await requireElf(node, architecture);
  await requireElf(koffi, architecture);
  return {
    node,
    nodeLicence: join(nodeHome, "LICENSE"),
    koffi,
    nodeVersion: await packageVersion(nodeHome),
    koffiVersion: await packageVersion(koffiHome),
  };
}

/** The directory below which npm has installed what the lock file holds for the architecture. */
async function downloaded(options: {
  checkout: string;
  architecture: Architecture;
}): Promise<string> {
  const { checkout, architecture } = options;
  const lockFile = join(checkout, "package-lock.json");
  const home = join(checkout, `build/runtime/linux-${architecture}`);
  // The copy of the lock file is the stamp: the directory gets its name only when npm is done.
  if (await areEqual(lockFile, join(home, "package-lock.json"))) return home;

  // A name of its own, so that two builds at a time do not write into one directory.
  const unfinished = `${home}.${process.pid}`;
  try {
    await mkdir(unfinished, { recursive: true });
    await copyFile(join(checkout, "package.json"), join(unfinished, "package.json"));
    await copyFile(lockFile, join(unfinished, "package-lock.json"));
    npmInstall(unfinished, architecture);
    await rm(home, { recursive: true, force: true });
    await rename(unfinished, home);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return home;
}

/** Runs no scripts of packages: they would be of another architecture than this machine. */
function npmInstall(directory: string, architecture: Architecture): void {
  process.stderr.write(`build: downloading the runtime of linux-${architecture}\n`);
  const { error, status } = spawnSync(
    "npm",
    [
      ["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
      ["--os=linux", `--cpu=${architecture}`, "--libc=glibc"],
    ].flat(),
    // npm's own report goes to standard error: standard output is for what was built.
    { cwd: directory, stdio: ["ignore", 2, 2] },
  );
  if (error) throw new BuildError(`npm does not start: ${error.message}`);
  if (status !== 0) throw new BuildError(`npm ci failed for linux-${architecture}, see above`);
}

/** @throws BuildError if `path` is not an ELF file for `architecture`. */
async function requireElf(path: string, architecture: Architecture): Promise<void> {
  const file = await open(path).catch((error: Error) => {
    throw new BuildError(`no runtime for linux-${architecture}: ${error.message}`);
  });
  try {
    const { buffer: header } = await file.read(Buffer.alloc(20), 0, 20, 0);
    const isElf = header.toString("latin1", 0, 4) === "\x7fELF";
    if (!isElf || header.readUInt16LE(18) !== ELF_MACHINES[architecture]) {
      throw new BuildError(`${path} is not a program for linux-${architecture}`);
    }
  } finally {
    await file.close();
  }
}

/** Whether both files are there and hold the same bytes. */
async function areEqual(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([one, other].map((path) => readFile(path).catch(() => null)));
  return a != null && b != null && a.equals(b);
}
