import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { removeControlGroups } from "./container.ts";
import { HOSTS_DIRECTORY } from "./images.ts";

/** Where the roots of hosts are, each in a folder with the host's name. */
export const RUNS = join(HOSTS_DIRECTORY, "run");

/** Copies a root as it is, sharing blocks where the filesystem can. */
export async function copyTree(from: string, to: string): Promise<void> {
  const child = spawn("cp", ["-a", "--reflink=auto", from, to], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`cp ended with ${code}`);
}

/** Removes hosts of processes that have died without doing so. */
export async function removeLeftovers(): Promise<void> {
  await mkdir(RUNS, { recursive: true });
  for (const name of await readdir(RUNS)) {
    const pid = /^s3oa-(\d+)-\d+$/.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    await removeControlGroups(name);
    await rm(join(RUNS, name), { recursive: true, force: true });
  }
}
