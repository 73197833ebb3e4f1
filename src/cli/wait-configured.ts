import { stat } from "node:fs/promises";
import { BOOTSTRAP_FILE_DEFAULT } from "../config/bootstrap.ts";
import { NoFleetError } from "../host/resolve-host.ts";
import type { Clock } from "../lib/clock.ts";
import type { ServiceManager } from "../lib/service-manager.ts";
import type { CommandContext, CommonOptions } from "./context.ts";

/** So often the bootstrap file is looked at; the service manager hears of it as often. */
const LOOK_MS = 5_000;
/** And so often all is asked again: a tag of the instance may have come. */
const ASK_MS = 60_000;

/**
 * Waits for a fleet. A package is installed before anybody has written what fleet the host is of,
 * and a service that ends and is started over and over helps nobody: below a service manager the
 * agent says what is missing, and goes on by itself as soon as it is there.
 * @param begin throws NoFleetError as long as there is none
 * @returns what `begin` did; undefined: `context.stop` has aborted
 * @throws whatever else `begin` throws; without a service manager that there is no fleet
 */
export async function whenConfigured<T>(
  begin: () => Promise<T>,
  options: CommonOptions,
  context: Pick<CommandContext, "onReload" | "stderr" | "stop">,
  about: {
    readonly manager: Pick<ServiceManager, "isThere" | "ready" | "status" | "watchdog">;
    readonly clock: Clock;
  },
): Promise<T | undefined> {
  const { stop, stderr } = context;
  const { manager, clock } = about;
  const file = options.config ?? BOOTSTRAP_FILE_DEFAULT;
  let wake = () => {};
  let isWaiting = false;
  while (!stop.aborted) {
    const before = await factsOf(file);
    try {
      return await begin();
    } catch (error) {
      if (!(error instanceof NoFleetError) || !manager.isThere) throw error;
      if (!isWaiting) {
        isWaiting = true;
        context.onReload(() => wake());
        stderr.write(
          `s3-offload-agent: ${error.message} It waits for that.\n  way out: ${error.hint}\n`,
        );
        manager.ready();
      }
      manager.status(`not configured: ${error.hint}`);
    }
    const asked = clock.monotonic();
    const woken = new AbortController();
    wake = () => woken.abort();
    const either = AbortSignal.any([stop, woken.signal]);
    while (!either.aborted && clock.monotonic() - asked < ASK_MS) {
      manager.watchdog();
      await clock.sleep(LOOK_MS, either).catch(() => undefined);
      if ((await factsOf(file)) !== before) break;
    }
  }
  return undefined;
}

/** What changes with a file's content; the same for one that is not there. */
async function factsOf(file: string): Promise<string> {
  const stats = await stat(file, { bigint: true }).catch(() => undefined);
  if (stats === undefined) return "none";
  const { dev, ino, size, mtimeNs, ctimeNs } = stats;
  return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
}
