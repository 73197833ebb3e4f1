import { execFileSync } from "node:child_process";
import { chmod } from "node:fs/promises";
import { makePlace, type SweepPlace } from "./sweep-place.ts";

/** Takes the agent the leave to remove anything in a directory, or gives it back. */
export async function setUnremovable(root: string, isUnremovable: boolean): Promise<void> {
  // Root may remove what it likes, but for what is immutable.
  if (process.geteuid?.() === 0) execFileSync("chattr", [isUnremovable ? "+i" : "-i", root]);
  else await chmod(root, isUnremovable ? 0o500 : 0o700);
}

/** A place with files that cannot be removed while the test runs. */
export async function makeUnremovable(files: number): Promise<SweepPlace> {
  const place = await makePlace(files);
  await setUnremovable(place.root, true);
  return {
    ...place,
    async [Symbol.asyncDispose]() {
      await setUnremovable(place.root, false);
      await place[Symbol.asyncDispose]();
    },
  };
}
