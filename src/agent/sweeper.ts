import { randomBytes } from "node:crypto";
import type { Config, RouteConfig } from "../config/config.ts";
import type { Random } from "../lib/backoff.ts";
import { ByteBudget } from "../lib/byte-budget.ts";
import type { Clock } from "../lib/clock.ts";
import { Places } from "../lib/concurrency.ts";
import { openFilesMax } from "../lib/descriptors.ts";
import { LeaseKeeper } from "../lib/leases.ts";
import { type Marks, markedClock } from "../lib/progress.ts";
import type { Logger } from "../logs/logger.ts";
import { Directories, type Directory } from "../sweep/directory.ts";
import type { Entry } from "../sweep/entry.ts";
import { freeSpaceOf } from "../sweep/filesystem.ts";
import { lastSweepOf } from "../sweep/host-state.ts";
import { objectKey } from "../sweep/object-key.ts";
import type { ObjectStore } from "../sweep/object-store.ts";
import { Overwrites } from "../sweep/overwrites.ts";
import { ASIDE_DIRECTORY } from "../sweep/own-names.ts";
import type { SweepReport } from "../sweep/report.ts";
import { makeSelector } from "../sweep/select.ts";
import type { StateDirectory } from "../sweep/state-directory.ts";
import { OPEN_FILES_MAX, type SweepObserver, sweep, windowMaxOf } from "../sweep/sweep.ts";
import { SweepProgress } from "../sweep/sweep-progress.ts";
import { destinationOf } from "./destination.ts";
import { observeFiles, sweepFields } from "./sweep-records.ts";
import type { Route, Workplace } from "./workplace.ts";

/** Memory for the parts of large files, of all that are under way together. */
const PART_BYTES_HELD_MAX = 64 * 2 ** 20;

/** NTP keeps clocks within a second; S3 refuses what is signed 15 minutes off. */
const SKEW_TOLD_MS = 60_000;

export interface SweeperOptions {
  readonly fleet: string;
  readonly hostId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The store for one sweep, whose requests are marks of it. */
  readonly storeFor: (marks: Marks) => ObjectStore;
  readonly workplace: Workplace;
  /** How far the host's clock is behind S3's, in milliseconds. */
  readonly clockOffsetMs: () => number;
}

/** Sweeps routes and tells of it; several may be swept at once. */
export class Sweeper implements Disposable {
  readonly #options: SweeperOptions;
  /** What observers have told already, to tell it once. */
  readonly #told = new Set<string>();
  readonly #budget = new ByteBudget(PART_BYTES_HELD_MAX);
  readonly #overwrites = new Map<
    string,
    { readonly key: string; readonly overwrites: Overwrites }
  >();
  #leases: LeaseKeeper | undefined;
  /** Descriptors, for the sweeps of all routes together. */
  #places: Promise<Places> | undefined;

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  /** The object key that a route gives an entry. */
  keyOf({ settings }: RouteConfig, { path, fingerprint }: Entry): string {
    const { hostId: host, fleet } = this.#options;
    const mtimeMs = Number(fingerprint.mtimeNs / 1_000_000n);
    return objectKey({ prefix: settings.prefix, host, fleet, mtimeMs, path });
  }

  /**
   * One sweep. Its records are logged, unless it is a dry run, which leaves no trace.
   * @param config in effect, which the route is of
   * @param signals.stop finish the files in flight; `cancel`: give them up
   */
  async sweep(
    route: Route,
    config: Config,
    signals: { readonly stop: AbortSignal; readonly cancel: AbortSignal },
    options: {
      readonly isDryRun: boolean;
      readonly observers: readonly SweepObserver[];
      readonly progress?: SweepProgress;
    },
  ): Promise<SweepReport> {
    const { isDryRun, progress = new SweepProgress() } = options;
    const { workplace, logger, clock } = this.#options;
    const { name, settings } = route.config;
    const state = await workplace.openState(isDryRun);
    const observers = [...options.observers];
    if (!isDryRun) {
      logger.log("sweep.started", { route: name, directory: route.directory.path });
      const about = { route: name, bucket: settings.bucket, clock, told: this.#told };
      observers.push(observeFiles(logger, about));
    }
    this.#places ??= openFilesMax().then((count) => new Places(Math.min(OPEN_FILES_MAX, count)));
    using places = (await this.#places).share();
    await using directories = new Directories(route.directory.root);
    const asideDirectory = await directories.open(ASIDE_DIRECTORY).catch(() => undefined);
    let report: SweepReport;
    try {
      report = await sweep({
        ...this.#sweepOptions(route, state, directories, asideDirectory, { isDryRun, progress }),
        ...signals,
        places,
        windowMax: windowMaxOf(config.routes.length),
        isDryRun,
        observer: all(observers),
      });
    } finally {
      await asideDirectory?.release();
    }
    if (isDryRun) return report;
    const about = { route: name, directory: route.directory.path };
    await state.recordSweep(lastSweepOf(about, report, state.problem));
    const finished = { ...report, stateProblem: state.problem };
    await this.#tellSwept(route, config, finished);
    return finished;
  }

  #sweepOptions(
    { config, directory }: Route,
    state: StateDirectory,
    directories: Directories,
    asideDirectory: Directory | undefined,
    { isDryRun, progress }: { readonly isDryRun: boolean; readonly progress: SweepProgress },
  ) {
    const { settings } = config;
    const { random, workplace, storeFor } = this.#options;
    const clock = markedClock(this.#options.clock, progress.marks);
    const isSelected = makeSelector(settings.include, settings.exclude);
    if (!isDryRun) this.#leases ??= new LeaseKeeper();
    return {
      root: directory.path,
      directories,
      filesystem: directory.filesystem.name,
      leases: directory.filesystem.leases === "none" ? undefined : this.#leases,
      isLeaseProof: directory.filesystem.leases === "proof",
      asides: {
        active: workplace.activeAsides,
        directory: asideDirectory,
        randomName: () => randomBytes(8),
      },
      ledger: state.ledger,
      attempts: state.attempts,
      policy: {
        settleMs: settings["min-age"],
        isSelected,
        keyOf: (entry: Entry) => this.keyOf(config, entry),
      },
      destination: destinationOf(settings),
      store: storeFor(progress.marks),
      progress,
      states: workplace.uploadStates,
      budget: this.#budget,
      overwrites: this.#overwritesOf(config),
      clock,
      random,
      moment: () => {
        // A dry run tells what a sweep would do, and that waits for the clock first.
        const steadySince = isDryRun ? 0 : state.steadyClock.steadySince();
        return { now: clock.now(), steadySince };
      },
      concurrency: settings.concurrency,
      quarantineAfter: settings["quarantine-after"],
    };
  }

  /** What one bucket's answers have told says nothing of another. */
  #overwritesOf({ name, settings }: RouteConfig): Overwrites {
    const { bucket, "on-conflict": onConflict } = settings;
    const key = `${onConflict} ${bucket}`;
    const known = this.#overwrites.get(name);
    if (known?.key === key) return known.overwrites;
    const overwrites = new Overwrites(onConflict === "overwrite");
    this.#overwrites.set(name, { key, overwrites });
    return overwrites;
  }

  async #tellSwept(route: Route, config: Config, report: SweepReport): Promise<void> {
    const { fleet, clock, logger, clockOffsetMs } = this.#options;
    const { name } = route.config;
    const { stateProblem, filesWeak, weakness } = report;
    if (stateProblem !== undefined) {
      logger.log("state.unwritable", { route: name, message: stateProblem });
    }
    const offsetMs = clockOffsetMs();
    if (Math.abs(offsetMs) >= SKEW_TOLD_MS) {
      logger.log("clock.skewed", { offsetSeconds: Math.round(offsetMs / 1_000) });
    }
    if (filesWeak > 0) {
      logger.log("sweep.weakened", { route: name, files: filesWeak, reason: weakness });
    }
    const fields = sweepFields(report, {
      fleet,
      route: name,
      config,
      free: await freeSpaceOf(route.directory.path),
      now: clock.now(),
    });
    logger.log("sweep.completed", fields);
  }

  [Symbol.dispose](): void {
    this.#leases?.[Symbol.dispose]();
  }
}

function all(observers: readonly SweepObserver[]): SweepObserver {
  return {
    onDecided: (entry, decision) => {
      for (const observer of observers) observer.onDecided(entry, decision);
    },
    onOutcome: (entry, outcome) => {
      for (const observer of observers) observer.onOutcome(entry, outcome);
    },
    onUnreadable: (path, error) => {
      for (const observer of observers) observer.onUnreadable(path, error);
    },
    onNotice: (entry, notice) => {
      for (const observer of observers) observer.onNotice(entry, notice);
    },
  };
}
