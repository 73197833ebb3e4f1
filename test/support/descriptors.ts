import { readdirSync, readlinkSync } from "node:fs";

/** How many descriptors of this process lead to a path or below it, as proc(5) tells them. */
export function descriptorsBelow(path: string): number {
  const targets = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // The descriptor by which this list itself was read.
      return "";
    }
  });
  return targets.filter((target) => target.startsWith(path)).length;
}
