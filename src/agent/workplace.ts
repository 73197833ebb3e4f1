import { mkdir, readFile, rmdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Bootstrap } from "../config/bootstrap.ts";
import type { Config, RouteConfig } from "../config/config.ts";
import type { Clock } from "../lib/clock.ts";
import { messageOf } from "../lib/errors.ts";
import { type Marks, UNWATCHED } from "../lib/progress.ts";
import type { Logger } from "../logs/logger.ts";
import { recoverLeftovers } from "../sweep/leftovers.ts";
import { ASIDE_DIRECTORY } from "../sweep/own-names.ts";
import { StateDirectory } from "../sweep/state-directory.ts";
import { type StateProblem, UploadStates } from "../sweep/upload-states.ts";
import {
  isNoDirectoryOfOurs,
  openWatchedDirectory,
  type WatchedDirectory,
} from "../sweep/watched-directory.ts";

/** A route with the watched directory that it names, opened and locked. */
export interface Route extends AsyncDisposable {
  readonly config: RouteConfig;
  readonly directory: WatchedDirectory;
}

export interface WorkplaceOptions {
  readonly bootstrap: Bootstrap;
  readonly workingDirectory: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The directories in which the agent works: the watched one, and the one that keeps its state. */
export class Workplace implements AsyncDisposable {
  /** Files that this process has put aside, whichever sweep did. */
  readonly activeAsides = new Set<string>();
  /** How far the uploads of large files have got. */
  readonly uploadStates: UploadStates;
  readonly #options: WorkplaceOptions;
  readonly #stateDirectory: string;
  #state: StateDirectory | undefined;

  constructor(options: WorkplaceOptions) {
    this.#options = options;
    const { bootstrap, workingDirectory, logger } = options;
    this.#stateDirectory = resolve(workingDirectory, bootstrap.stateDirectory);
    this.uploadStates = new UploadStates({
      directory: join(this.#stateDirectory, "uploads"),
      onProblem: (problem) => tellUploadProblem(logger, problem),
    });
  }

  /**
   * Opens the watched directory of a route, locked unless it is only to be read, and the state
   * directory with it.
   * @throws AgentError with exit code 2 or 4
   */
  async openRoute(
    config: RouteConfig,
    { isReadOnly }: { readonly isReadOnly: boolean },
  ): Promise<Route> {
    const directory = await this.#openDirectory(config.settings.directory, isReadOnly);
    try {
      const state = await this.openState(isReadOnly);
      if (!isReadOnly) {
        // Room for asides on a disk that is full later.
        await mkdir(directory.root.at(ASIDE_DIRECTORY), { mode: 0o700 }).catch(() => undefined);
        await state.addRoot(directory.path);
      }
    } catch (error) {
      await directory[Symbol.asyncDispose]();
      throw error;
    }
    return {
      config,
      directory,
      async [Symbol.asyncDispose]() {
        // Nothing of the agent's is to be seen where it does not work; what is not empty stays.
        if (!isReadOnly) await rmdir(directory.root.at(ASIDE_DIRECTORY)).catch(() => undefined);
        await directory[Symbol.asyncDispose]();
      },
    };
  }

  /**
   * As `openRoute`, for a route that nobody asked for by name.
   * @returns undefined if there is no such directory here, or files may not be taken from it
   * @throws AgentError with exit code 2 or 4
   */
  async openIfWanted(
    config: RouteConfig,
    options: { readonly isReadOnly: boolean },
  ): Promise<Route | undefined> {
    try {
      return await this.openRoute(config, options);
    } catch (error) {
      if (config.isImplied && isNoDirectoryOfOurs(error)) return undefined;
      throw error;
    }
  }

  /** A route whose directory is the one that stands at its path now. @throws AgentError */
  async refreshRoute(route: Route): Promise<Route> {
    if (await route.directory.isCurrent()) return route;
    const fresh = await this.openRoute(route.config, { isReadOnly: false });
    await route[Symbol.asyncDispose]();
    return fresh;
  }

  async #openDirectory(directory: string, isReadOnly: boolean): Promise<WatchedDirectory> {
    return await openWatchedDirectory({
      directory,
      allowedRoots: this.#options.bootstrap.allowedRoots,
      workingDirectory: this.#options.workingDirectory,
      stateDirectory: this.#stateDirectory,
      isReadOnly,
    });
  }

  /**
   * The state directory; opened by the first who asks.
   * @throws AgentError with exit code 2 or 4
   */
  async openState(isReadOnly: boolean): Promise<StateDirectory> {
    if (this.#state !== undefined) return this.#state;
    const state = await StateDirectory.open({
      path: this.#stateDirectory,
      clock: this.#options.clock,
      bootId: (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim(),
      isReadOnly,
    });
    this.#state = state;
    for (const { path, ...damage } of state.damages) {
      this.#options.logger.log("state.set-aside", { file: path, ...damage });
    }
    return state;
  }

  /**
   * Puts right what a crash has left in directories that were watched before, and forgets what is
   * known of routes and directories that are there no longer.
   * @param watched real paths of those that are watched now, whose own sweeps see to it
   */
  async watchOnly(
    { routes }: Config,
    watched: readonly string[],
    marks: Marks = UNWATCHED,
  ): Promise<void> {
    const state = await this.openState(false);
    await state.keepRoutes(routes.map(({ name }) => name));
    await state.keepRoots(watched);
    const { logger } = this.#options;
    for (const root of state.roots.filter((one) => !watched.includes(one))) {
      try {
        await using other = await this.#openDirectory(root, false);
        const left = await recoverLeftovers(other.root, {
          root,
          ledger: state.ledger,
          asides: { active: this.activeAsides },
          onName: () => marks.mark("scan"),
          onRestored: (path) => logger.log("file.restored", { path, directory: root }),
        });
        if (left === 0) await state.dropRoot(root);
        else logger.log("directory.unfinished", { directory: root, files: left });
      } catch (error) {
        // It is not there now, or another agent's: whoever can looks again at the next start.
        logger.log("directory.unfinished", { directory: root, message: messageOf(error) });
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#state?.[Symbol.asyncDispose]();
  }
}

function tellUploadProblem(logger: Logger, problem: StateProblem): void {
  if (problem.kind === "damaged") {
    const { file, reason } = problem;
    logger.log("upload.damaged", { file, reason });
  } else if (problem.kind === "unwritable") {
    const { file, message } = problem;
    logger.log("upload.unwritable", { file, message });
  } else {
    const { code, message } = problem.failure;
    logger.log("upload.not-aborted", { key: problem.key, code, message });
  }
}
