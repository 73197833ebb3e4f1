import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import type { Config } from "../../config/config.ts";
import { systemClock } from "../../lib/clock.ts";
import { AgentError, isErrno } from "../../lib/errors.ts";
import { openWatchedDirectory } from "../../sweep/watched-directory.ts";
import { type Check, type Checked, checked, ok } from "./check.ts";
import { directoryChecks } from "./directory-checks.ts";

/** A directory to look at. */
interface Place {
  readonly path: string;
  readonly kind: "watched" | "implied" | "allowed";
}

export interface PlacesOptions {
  readonly allowedRoots: readonly string[];
  /** Undefined: nobody knows what is watched; any root may be. */
  readonly config: Config | undefined;
  readonly workingDirectory: string;
  readonly stateDirectory: string;
  readonly stop: AbortSignal;
}

/** Checks every watched directory, and that the allowed roots beside them are there. */
export async function* placeChecks(options: PlacesOptions): AsyncGenerator<Checked> {
  const { allowedRoots, workingDirectory, stop } = options;
  for (const { path, kind } of await placesOf(options)) {
    let checks: readonly Check[] = [];
    await using opened = new AsyncDisposableStack();
    const opening = await checked({
      name: "directory",
      about: path,
      async run() {
        try {
          const directory = opened.use(
            await openWatchedDirectory({
              directory: path,
              allowedRoots,
              workingDirectory,
              stateDirectory: kind === "allowed" ? undefined : options.stateDirectory,
              isReadOnly: true,
            }),
          );
          if (kind === "allowed") return ok("an allowed root, and not watched");
          checks = directoryChecks(directory, { clock: systemClock, stop });
          return ok("there and readable");
        } catch (error) {
          const isAbsent = error instanceof AgentError && isErrno(error.cause, "ENOENT");
          if (kind === "implied" && isAbsent) return ok("not there; swept as soon as it is");
          throw error;
        }
      },
    });
    // A root that holds no watched directory is nobody's need.
    const isNeeded = kind !== "allowed" || opening.verdict !== "problem";
    yield isNeeded ? opening : { ...opening, verdict: "warning" };
    for (const check of checks) {
      if (stop.aborted) return;
      yield await checked(check);
    }
  }
}

/**
 * Those that are watched are looked at thoroughly, and the allowed roots beside them only for being
 * there: they may hold anything.
 */
async function placesOf(options: PlacesOptions): Promise<readonly Place[]> {
  const { allowedRoots, config, workingDirectory } = options;
  const asked = (path: string) => resolve(workingDirectory, path);
  if (config === undefined) {
    return allowedRoots.map((path) => ({ path: asked(path), kind: "watched" }));
  }
  const places: Place[] = config.routes.map(({ settings, isImplied }) => {
    return { path: asked(settings.directory), kind: isImplied ? "implied" : "watched" };
  });
  const real = async (path: string) => await realpath(asked(path)).catch(() => asked(path));
  const watched = await Promise.all(places.map(({ path }) => real(path)));
  for (const root of allowedRoots) {
    if (!watched.includes(await real(root))) places.push({ path: asked(root), kind: "allowed" });
  }
  return places;
}
