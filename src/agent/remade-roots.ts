import { readFile, realpath } from "node:fs/promises";
import { resolve } from "node:path";
import { accessOf, type MountAccess, parseMounts } from "../host/mounts.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../logs/logger.ts";

/** How an allowed root is to the agent. */
export type RootAccess = MountAccess | "missing";

/** So often the roots are looked at: a few microseconds of work, and a directory is soon swept again. */
const LOOK_MS = 5_000;

const MOUNTS = "/proc/self/mountinfo";

/**
 * Watches the allowed roots below a service manager's sandbox. What was bound into it at the start
 * is writable there; a root that was not there yet, or that was removed and made anew, is another
 * directory, and read-only. Only a start binds it.
 *
 * A root that was like that at the start already is nothing that a start would mend: so there is no
 * loop of starts, and neither is there for a filesystem that is read-only for everybody.
 * @param options.allowedRoots as the bootstrap file has them
 * @param options.mounts the mounts of this process; for tests
 * @param options.onRemade ends the agent, the files in flight finished
 * @returns when `stop` aborts, or after `onRemade`
 */
export async function watchRoots(options: {
  readonly allowedRoots: readonly string[];
  readonly workingDirectory: string;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly stop: AbortSignal;
  readonly onRemade: () => void;
  readonly mounts?: () => Promise<string>;
}): Promise<void> {
  const { allowedRoots, workingDirectory, logger, clock, stop } = options;
  const { mounts = () => readFile(MOUNTS, "utf8") } = options;
  const roots = allowedRoots.map((root) => resolve(workingDirectory, root));
  const atStart = await lookAt(roots, mounts);
  while (!stop.aborted) {
    await clock.sleep(LOOK_MS, stop).catch(() => undefined);
    if (stop.aborted) return;
    const remade = findRemade(atStart, await lookAt(roots, mounts));
    if (remade === undefined) continue;
    logger.log("agent.restarting", {
      directory: remade,
      message: `The allowed root ${remade} was made, or made anew, since the start: the unit can write to it only after another one.`,
    });
    options.onRemade();
    return;
  }
}

/** The first root that a new start would let the agent write to, and this one does not. Pure. */
export function findRemade(
  atStart: ReadonlyMap<string, RootAccess>,
  now: ReadonlyMap<string, RootAccess>,
): string | undefined {
  const isClosed = (access: RootAccess | undefined) => access === "sealed" || access === "removed";
  return [...now.keys()].find((root) => isClosed(now.get(root)) && !isClosed(atStart.get(root)));
}

async function lookAt(
  roots: readonly string[],
  readMounts: () => Promise<string>,
): Promise<ReadonlyMap<string, RootAccess>> {
  const paths = await Promise.all(roots.map((root) => realpath(root).catch(() => undefined)));
  // After the paths: a mount may go meanwhile, and what it leaves is then looked at again.
  const mounts = parseMounts(await readMounts().catch(() => ""));
  return new Map(
    roots.map((root, index) => {
      const path = paths[index];
      return [root, path === undefined ? "missing" : accessOf(mounts, path)];
    }),
  );
}
