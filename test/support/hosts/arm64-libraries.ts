import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const HOME = resolve(import.meta.dirname, "../../../build/hosts");

/**
 * A folder with the libraries of Debian 12 for arm64 that the agent's package depends on, and no
 * other files: `qemu-aarch64-static -L` looks there first for whatever a program opens. Fetched
 * once from a Debian mirror; nothing in it is run to install it.
 */
export async function arm64Libraries(): Promise<string> {
  const directory = join(HOME, "arm64-libraries");
  if (existsSync(directory)) return directory;
  await mkdir(HOME, { recursive: true });
  const unfinished = await mkdtemp(join(HOME, "unfinished-"));
  try {
    const root = join(unfinished, "root");
    const packages = "--include=libc6,libstdc++6,libgcc-s1,libatomic1";
    const args = ["--quiet", "--variant=extract", "--architectures=arm64", packages];
    const mirror = "http://deb.debian.org/debian";
    await promisify(execFile)("mmdebstrap", [...args, "bookworm", root, mirror]);
    const libraries = join(unfinished, "libraries");
    await mkdir(join(libraries, "usr"), { recursive: true });
    await rename(join(root, "lib"), join(libraries, "lib"));
    await rename(join(root, "usr/lib"), join(libraries, "usr/lib"));
    if (!existsSync(directory)) await rename(libraries, directory);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return directory;
}
