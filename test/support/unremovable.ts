import { execFileSync } from "node:child_process";
import { chmod } from "node:fs/promises";

/** Lets nothing be removed from a directory, nor be added, or allows it again. */
export async function setUnremovable(directory: string, isUnremovable: boolean): Promise<void> {
  // Root may remove what it likes, but for what is immutable.
  if (process.geteuid?.() === 0) execFileSync("chattr", [isUnremovable ? "+i" : "-i", directory]);
  else await chmod(directory, isUnremovable ? 0o500 : 0o700);
}
