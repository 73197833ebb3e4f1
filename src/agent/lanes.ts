import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Config, RouteConfig } from "../config/config.ts";
import type { Clock } from "../lib/clock.ts";
import { AgentError, messageOf } from "../lib/errors.ts";
import type { Progress } from "../lib/progress.ts";
import { stableFraction } from "../lib/stable-fraction.ts";
import { timeText } from "../lib/time-text.ts";
import type { Logger } from "../logs/logger.ts";
import { dueTimesWithin } from "../schedule/lateness.ts";
import { nextRun } from "../schedule/schedule.ts";
import { Scheduler } from "../schedule/scheduler.ts";
import { lastSweepOf } from "../sweep/host-state.ts";
import { SweepProgress } from "../sweep/sweep-progress.ts";
import {
  assertApart,
  type Instant,
  instantOf,
  type Lane,
  type LaneReport,
  reportOf,
  type UnderWay,
} from "./lane.ts";
import { NO_SWEEPS, type SweepCounts } from "./sweep-counts.ts";
import type { Sweeper } from "./sweeper.ts";
import type { Route, Workplace } from "./workplace.ts";

export interface LanesOptions {
  readonly sweeper: Sweeper;
  readonly workplace: Workplace;
  readonly logger: Logger;
  readonly progress: Progress;
  readonly clock: Clock;
  readonly hostId: string;
  readonly workingDirectory: string;
  /**
   * How long the agent that ran until just now had waited for a whole sweep: one that dies in each
   * sweep is late however often it is started.
   */
  readonly waitedMs: number;
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
  #counts = NO_SWEEPS;
  /** The host's place within the splay of schedules. */
  readonly #fraction: number;

  constructor(options: LanesOptions) {
    this.#options = options;
    this.#fraction = stableFraction(options.hostId, "sweep");
  }

  /** How each route's sweeps are. */
  get reports(): readonly LaneReport[] {
    return this.#lanes.map((lane) => reportOf(lane, this.#fraction, this.#options.clock));
  }

  /** How long some route has waited for a whole sweep, while the host was awake. */
  get waitedMs(): number | undefined {
    const here = this.#options.clock.monotonic();
    const waits = this.#lanes.map(({ lateSince }) => here - lateSince.monotonic);
    return waits.length === 0 ? undefined : Math.max(...waits);
  }

  /** What became of sweeps since this was called last. */
  takeCounts(): SweepCounts {
    for (const { config, underWay } of this.#lanes) {
      if (underWay !== undefined) this.#countMissed(config, underWay);
    }
    const counts = this.#counts;
    this.#counts = NO_SWEEPS;
    return counts;
  }

  #count(what: keyof SweepCounts, times = 1): void {
    this.#counts = { ...this.#counts, [what]: this.#counts[what] + times };
  }

  /** Counts the due times that passed during a sweep, each once. @returns how many there were */
  #countMissed({ schedule }: RouteConfig, underWay: UnderWay): number {
    const ms = this.#options.clock.monotonic() - underWay.since;
    const missed = dueTimesWithin(schedule, this.#fraction, { after: underWay.dueAt, ms });
    this.#count("missed", missed - underWay.missed);
    underWay.missed = missed;
    return missed;
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
      // The sweeps before were watched themselves, however long they took.
      using task = this.#options.progress.begin("the change of the configuration");
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
      await this.#options.workplace.watchOnly(config, watched, task);
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
    const state = await workplace.openState(false);
    const lanes: Lane[] = [];
    await using opened = new AsyncDisposableStack();
    for (const routeConfig of config.routes) {
      let route: Route | undefined;
      const path = await this.#pathOf(routeConfig);
      try {
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
      const lastSweep = same?.lastSweep ?? state.lastSweep(routeConfig.name);
      // What was found in another directory says nothing of this one.
      const isOfOther = path !== undefined && path !== lastSweep?.directory;
      // By another schedule it could not have swept before.
      const isAsBefore = isDeepStrictEqual(same?.config.schedule, routeConfig.schedule);
      lanes.push({
        config: routeConfig,
        route,
        nextSweepAt: undefined,
        underWay: undefined,
        lastSweep: isOfOther ? undefined : lastSweep,
        endedAt: same?.endedAt,
        lateSince: (isAsBefore ? same?.lateSince : undefined) ?? this.#firstLateSince(),
        failure: same?.failure,
        isCut: same?.isCut ?? false,
      });
    }
    opened.move();
    return lanes;
  }

  /** Since when a route is waited for that was not here before. */
  #firstLateSince(): Instant {
    const { clock, waitedMs } = this.#options;
    const here = instantOf(clock);
    const agoMs = this.#config === undefined ? waitedMs : 0;
    return {
      now: here.now - agoMs,
      monotonic: here.monotonic - agoMs,
      boottime: here.boottime - agoMs,
    };
  }

  /** The real path of a route's directory, in whatever spelling or through links; undefined: none. */
  async #pathOf({ settings }: RouteConfig): Promise<string | undefined> {
    const asked = resolve(this.#options.workingDirectory, settings.directory);
    return await realpath(asked).catch(() => undefined);
  }

  async #run(lane: Lane, end: AbortSignal): Promise<void> {
    const { clock, logger, onChange } = this.#options;
    const { schedule, name } = lane.config;
    await new Scheduler(clock).run(
      async () => {
        const dueAt = lane.isCut ? clock.now() : nextRun(schedule, clock.now(), this.#fraction);
        lane.nextSweepAt = dueAt;
        onChange();
        logger.log("sweep.scheduled", { route: name, dueAt: new Date(dueAt).toISOString() });
        return dueAt;
      },
      async (dueAt) => {
        const since = clock.monotonic();
        while (this.#hold !== undefined && !end.aborted) await this.#hold;
        if (end.aborted) return;
        using task = this.#options.progress.begin(`the sweep of route ${name}`);
        const progress = new SweepProgress(task);
        const sweeping = this.#sweep(lane, { dueAt, since, missed: 0, progress });
        this.#sweeping.add(sweeping);
        await sweeping.finally(() => this.#sweeping.delete(sweeping));
      },
      end,
    );
  }

  async #sweep(lane: Lane, underWay: UnderWay): Promise<void> {
    const { sweeper, workplace, logger, clock, stop, cancel, onChange } = this.#options;
    if (this.#config === undefined) return;
    // The same configuration, read again, is younger.
    const latest = this.#options.effective();
    const config = latest?.hash === this.#config.hash ? latest : this.#config;
    const startedAt = clock.now();
    const endSweeps = this.#endSweeps;
    lane.underWay = underWay;
    this.#count("started");
    onChange();
    try {
      lane.route =
        lane.route === undefined
          ? await workplace.openRoute(lane.config, { isReadOnly: false })
          : await workplace.refreshRoute(lane.route);
      const options = { isDryRun: false, observers: [], progress: underWay.progress };
      const signals = {
        stop: AbortSignal.any([stop, endSweeps.stop.signal]),
        cancel: AbortSignal.any([cancel, endSweeps.cancel.signal]),
      };
      const report = await sweeper.sweep(lane.route, config, signals, options);
      const about = { route: lane.config.name, directory: lane.route.directory.path };
      lane.lastSweep = lastSweepOf(about, report, report.stateProblem);
      lane.endedAt = instantOf(clock);
      if (!report.isInterrupted) lane.lateSince = lane.endedAt;
      lane.failure = undefined;
      this.#count("completed");
    } catch (error) {
      // One sweep that fails as a whole is not the end: the next one may find things mended.
      const message = messageOf(error);
      const hint = error instanceof AgentError ? error.hint : undefined;
      lane.failure = message;
      this.#count("failed");
      logger.log("sweep.failed", { route: lane.config.name, message, hint });
      const state = await workplace.openState(false);
      await state.recordFailedSweep({ route: lane.config.name, startedAt, message });
    }
    const missed = this.#countMissed(lane.config, underWay);
    lane.underWay = undefined;
    lane.isCut = endSweeps.stop.signal.aborted;
    onChange();
    if (missed === 0) return;
    this.#count("overran");
    const { dueAt } = underWay;
    logger.log("sweep.overran", {
      route: lane.config.name,
      dueAt: timeText(dueAt),
      nextDueAt: timeText(nextRun(lane.config.schedule, dueAt, this.#fraction)),
      missed,
    });
  }
}
