import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import type { Config, RouteConfig } from "../config/config.ts";
import type { Clock } from "../lib/clock.ts";
import { AgentError, configurationError, messageOf } from "../lib/errors.ts";
import { stableFraction } from "../lib/stable-fraction.ts";
import type { Logger } from "../logs/logger.ts";
import { nextRun } from "../schedule/schedule.ts";
import { Scheduler } from "../schedule/scheduler.ts";
import type { SweepReport } from "../sweep/report.ts";
import type { Sweeper } from "./sweeper.ts";
import type { Route, Workplace } from "./workplace.ts";

export interface LanesOptions {
  readonly sweeper: Sweeper;
  readonly workplace: Workplace;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly hostId: string;
  readonly workingDirectory: string;
  /** The configuration in effect, as it was read last. */
  readonly effective: () => Config | undefined;
  /** Finish the files in flight and end. */
  readonly stop: AbortSignal;
  /** Give up the files in flight. */
  readonly cancel: AbortSignal;
  /** Hears that something about a route is other than it was. */
  readonly onChange: () => void;
}

/** So long a configuration waits for sweeps to end by themselves; then they begin no other file. */
const WAIT_MS_MAX = 60_000;
/** And so long for the files under way then; what is uploaded of them is not sent again. */
const WAIT_FOR_FILES_MS_MAX = 600_000;

/** How a route's sweeps are. Times are wall-clock milliseconds. */
export interface LaneReport {
  readonly route: string;
  readonly directory: string;
  readonly nextSweepAt: number | undefined;
  readonly isSweeping: boolean;
  readonly lastSweep: SweepReport | undefined;
  /** Why the last sweep could not be done at all. */
  readonly failure: string | undefined;
}

/** A route with its own schedule. */
interface Lane {
  readonly config: RouteConfig;
  /** Undefined: its directory could not be opened yet. */
  route: Route | undefined;
  nextSweepAt: number | undefined;
  isSweeping: boolean;
  lastSweep: SweepReport | undefined;
  failure: string | undefined;
  /** Its last sweep was ended for a configuration: the rest is not to wait for the schedule. */
  isCut: boolean;
}

/**
 * Sweeps all routes of a configuration, each on its own schedule, so that the backlog of one does
 * not hold up another. INVARIANTS:
 *
 * - A configuration is put into effect as a whole, while no sweep is under way: one that waits
 *   lets the sweeps under way end, and no other begin. A sweep that lasts is ended for it, and goes
 *   on at once by the new one: who limits the bandwidth does not wait for the end of a backlog.
 * - A new configuration whose directories cannot all be opened changes nothing.
 */
export class Lanes {
  readonly #options: LanesOptions;
  #config: Config | undefined;
  #lanes: readonly Lane[] = [];
  #loops: Promise<unknown> = Promise.resolve();
  #endLoops = new AbortController();
  readonly #sweeping = new Set<Promise<void>>();
  /** Resolves when sweeps may begin again; undefined: they may. */
  #hold: Promise<void> | undefined;
  /** Abort the sweeps under way for a configuration that waits, as the daemon's own signals do. */
  #endSweeps = { stop: new AbortController(), cancel: new AbortController() };

  constructor(options: LanesOptions) {
    this.#options = options;
  }

  /** How each route's sweeps are. */
  get reports(): readonly LaneReport[] {
    return this.#lanes.map(({ config, route, ...rest }) => ({
      ...rest,
      route: config.name,
      directory: route?.directory.path ?? config.settings.directory,
    }));
  }

  /**
   * Puts a configuration into effect between two sweeps.
   * @param options.isKnownGood it was in effect before: a directory that is not there now is tried
   *   again with each sweep, and the other routes go on
   * @throws AgentError if a directory cannot be used; nothing has changed then
   */
  async apply(config: Config, options: { readonly isKnownGood: boolean }): Promise<void> {
    const { promise, resolve: release } = Promise.withResolvers<void>();
    this.#hold = promise;
    try {
      await this.#sweepsEnded();
      const lanes = await this.#open(config, options.isKnownGood);
      this.#endLoops.abort();
      // Those that wait to sweep find that they are at their end.
      this.#hold = undefined;
      release();
      await this.#endAll(lanes);
      this.#config = config;
      this.#lanes = lanes;
      this.#endLoops = new AbortController();
      const end = AbortSignal.any([this.#options.stop, this.#endLoops.signal]);
      this.#loops = Promise.all(lanes.map((lane) => this.#run(lane, end)));
      // A directory that is not there now is watched all the same.
      const watched = lanes.map(({ route, config: { settings } }) => {
        return route?.directory.path ?? resolve(this.#options.workingDirectory, settings.directory);
      });
      await this.#options.workplace.watchOnly(config, watched);
    } finally {
      this.#hold = undefined;
      release();
    }
  }

  /** Waits for the sweeps under way, and ends those that last. */
  async #sweepsEnded(): Promise<void> {
    const { clock } = this.#options;
    const { stop, cancel } = this.#endSweeps;
    const over = new AbortController();
    const hurry = async () => {
      await clock.sleep(WAIT_MS_MAX, over.signal);
      stop.abort(new Error("a changed configuration waits"));
      await clock.sleep(WAIT_FOR_FILES_MS_MAX, over.signal);
      cancel.abort(new Error("a changed configuration waits"));
    };
    const hurrying = hurry().catch(() => undefined);
    await Promise.all(this.#sweeping);
    over.abort();
    await hurrying;
    this.#endSweeps = { stop: new AbortController(), cancel: new AbortController() };
  }

  /** Resolves when the sweeps under way have ended, after `stop`. */
  async ended(): Promise<void> {
    await this.#loops;
    await this.#endAll([]);
  }

  /** Ends the loops, and closes the directories that nobody goes on with. */
  async #endAll(successors: readonly Lane[]): Promise<void> {
    this.#endLoops.abort();
    await this.#loops;
    const kept = new Set(successors.map(({ route }) => route?.directory));
    for (const { route } of this.#lanes) {
      if (route !== undefined && !kept.has(route.directory)) await route[Symbol.asyncDispose]();
    }
  }

  /** Opens what is not open yet. @throws AgentError; what was opened is closed again */
  async #open(config: Config, isKnownGood: boolean): Promise<readonly Lane[]> {
    const { workplace } = this.#options;
    const lanes: Lane[] = [];
    await using opened = new AsyncDisposableStack();
    for (const routeConfig of config.routes) {
      let route: Route | undefined;
      try {
        const path = await this.#pathOf(routeConfig);
        assertApart(routeConfig, path, lanes);
        const before = this.#lanes.find((lane) => lane.route?.directory.path === path)?.route;
        if (before === undefined) {
          route = await workplace.openIfWanted(routeConfig, { isReadOnly: false });
          if (route === undefined) continue;
          opened.use(route);
        } else {
          route = { ...before, config: routeConfig };
        }
      } catch (error) {
        if (!isKnownGood) throw error;
      }
      const same = this.#lanes.find((lane) => lane.config.name === routeConfig.name);
      lanes.push({
        config: routeConfig,
        route,
        nextSweepAt: undefined,
        isSweeping: false,
        lastSweep: same?.lastSweep,
        failure: same?.failure,
        isCut: same?.isCut ?? false,
      });
    }
    opened.move();
    return lanes;
  }

  /** The real path of a route's directory, in whatever spelling or through links; undefined: none. */
  async #pathOf({ settings }: RouteConfig): Promise<string | undefined> {
    const asked = resolve(this.#options.workingDirectory, settings.directory);
    return await realpath(asked).catch(() => undefined);
  }

  async #run(lane: Lane, end: AbortSignal): Promise<void> {
    const { clock, hostId, logger, onChange } = this.#options;
    const { schedule, name } = lane.config;
    const fraction = stableFraction(hostId, "sweep");
    await new Scheduler(clock).run(
      async () => {
        const dueAt = lane.isCut ? clock.now() : nextRun(schedule, clock.now(), fraction);
        lane.nextSweepAt = dueAt;
        onChange();
        logger.log("sweep.scheduled", { route: name, dueAt: new Date(dueAt).toISOString() });
        return dueAt;
      },
      async (dueAt) => {
        while (this.#hold !== undefined && !end.aborted) await this.#hold;
        if (end.aborted) return;
        const sweeping = this.#sweep(lane, dueAt, fraction);
        this.#sweeping.add(sweeping);
        await sweeping.finally(() => this.#sweeping.delete(sweeping));
      },
      end,
    );
  }

  async #sweep(lane: Lane, dueAt: number, fraction: number): Promise<void> {
    const { sweeper, workplace, logger, clock, stop, cancel, onChange } = this.#options;
    if (this.#config === undefined) return;
    // The same configuration, read again, is younger.
    const latest = this.#options.effective();
    const config = latest?.hash === this.#config.hash ? latest : this.#config;
    const startedAt = clock.now();
    const endSweeps = this.#endSweeps;
    lane.isSweeping = true;
    onChange();
    try {
      lane.route =
        lane.route === undefined
          ? await workplace.openRoute(lane.config, { isReadOnly: false })
          : await workplace.refreshRoute(lane.route);
      const options = { isDryRun: false, observers: [] };
      const signals = {
        stop: AbortSignal.any([stop, endSweeps.stop.signal]),
        cancel: AbortSignal.any([cancel, endSweeps.cancel.signal]),
      };
      lane.lastSweep = await sweeper.sweep(lane.route, config, signals, options);
      lane.failure = undefined;
    } catch (error) {
      // One sweep that fails as a whole is not the end: the next one may find things mended.
      const message = messageOf(error);
      const hint = error instanceof AgentError ? error.hint : undefined;
      lane.failure = message;
      logger.log("sweep.failed", { route: lane.config.name, message, hint });
      const state = await workplace.openState(false);
      await state.recordFailedSweep({ route: lane.config.name, startedAt, message });
    }
    lane.isSweeping = false;
    lane.isCut = endSweeps.stop.signal.aborted;
    onChange();
    const nextDueAt = nextRun(lane.config.schedule, dueAt, fraction);
    if (nextDueAt <= clock.now()) {
      logger.log("sweep.overran", {
        route: lane.config.name,
        dueAt: new Date(dueAt).toISOString(),
        nextDueAt: new Date(nextDueAt).toISOString(),
      });
    }
  }
}

/** Links may lead two routes to one place, however their directories are written. */
function assertApart(
  { name, settings }: RouteConfig,
  path: string | undefined,
  others: readonly Lane[],
): void {
  for (const { route } of others) {
    if (route === undefined || path === undefined) continue;
    const [own, other] = [`${path}/`, `${route.directory.path}/`];
    if (!own.startsWith(other) && !other.startsWith(own)) continue;
    throw configurationError(
      `The directory ${settings.directory} of route ${name} lies in that of route ${route.config.name}, or around it: ${path} and ${route.directory.path}.`,
      "Give each route a directory of its own, beside the others.",
    );
  }
}
