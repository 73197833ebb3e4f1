import { randomBytes } from "node:crypto";
import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import { type AwsClients, makeClients } from "../aws/clients.ts";
import { makeLogDestination } from "../aws/cloudwatch-logs.ts";
import { makeS3Store } from "../aws/s3.ts";
import { makeParameterSource } from "../aws/ssm.ts";
import type { Bootstrap } from "../config/bootstrap.ts";
import { type Config, loadConfig, type ParameterSource } from "../config/load.ts";
import type { Random } from "../lib/backoff.ts";
import { ByteBudget } from "../lib/byte-budget.ts";
import type { Clock } from "../lib/clock.ts";
import { Places } from "../lib/concurrency.ts";
import { openFilesMax } from "../lib/descriptors.ts";
import { LeaseKeeper } from "../lib/leases.ts";
import { VERSION } from "../lib/version.ts";
import { type Logger, makeLogger, type RecordSink } from "../logs/logger.ts";
import { LogShipper } from "../logs/shipper.ts";
import { Directories, type Directory } from "../sweep/directory.ts";
import type { Entry } from "../sweep/entry.ts";
import { lastSweepOf } from "../sweep/host-state.ts";
import { objectKey } from "../sweep/object-key.ts";
import type { ObjectStore } from "../sweep/object-store.ts";
import { Overwrites } from "../sweep/overwrites.ts";
import { ASIDE_DIRECTORY } from "../sweep/own-names.ts";
import type { SweepReport } from "../sweep/report.ts";
import { makeSelector } from "../sweep/select.ts";
import type { StateDirectory } from "../sweep/state-directory.ts";
import { OPEN_FILES_MAX, type SweepObserver, sweep, windowMaxOf } from "../sweep/sweep.ts";
import type { WatchedDirectory } from "../sweep/watched-directory.ts";
import { observeFiles, sweepFields } from "./sweep-records.ts";
import { ROUTE, type Route, Workplace } from "./workplace.ts";

/** When the last records are given up at the end. */
const FLUSH_MS_MAX = 10_000;

/** Memory for the parts of large files, of all that are under way together. */
const PART_BYTES_HELD_MAX = 64 * 2 ** 20;

/** NTP keeps clocks within a second; S3 refuses what is signed 15 minutes off. */
const SKEW_TOLD_MS = 60_000;

/** What an agent is made of; everything that differs between a host, a person's terminal and a test. */
export interface AgentOptions {
  readonly bootstrap: Bootstrap;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly workingDirectory: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Where records go besides CloudWatch Logs. */
  readonly sinks: readonly RecordSink[];
}

/**
 * The composition root: everything that the commands work with, built and stopped here, in the
 * order written.
 */
export class Agent {
  readonly logger: Logger;
  readonly #options: AgentOptions;
  readonly #clients: AwsClients;
  readonly #store: ObjectStore;
  readonly #parameters: ParameterSource;
  readonly #shippers: readonly LogShipper[];
  readonly #stopShipping = new AbortController();
  readonly #workplace: Workplace;
  /** What observers have told already, to tell it once. */
  readonly #told = new Set<string>();
  readonly #budget = new ByteBudget(PART_BYTES_HELD_MAX);
  readonly #places = openFilesMax().then((max) => new Places(Math.min(OPEN_FILES_MAX, max)));
  #overwrites: { readonly key: string; readonly overwrites: Overwrites } | undefined;
  #leases: LeaseKeeper | undefined;
  #shipping: Promise<unknown> = Promise.resolve();

  /** @throws AgentError (exit code 2) if no region is to be found */
  static async start(options: AgentOptions): Promise<Agent> {
    const { region, roleArn, hostId } = options.bootstrap;
    return new Agent(options, await makeClients({ region, roleArn, hostId, env: options.env }));
  }

  private constructor(options: AgentOptions, clients: AwsClients) {
    const { bootstrap, clock, random } = options;
    this.#options = options;
    this.#clients = clients;
    this.#store = makeS3Store(clients.s3);
    this.#parameters = makeParameterSource(clients.ssm, { clock, random });
    const group = `${bootstrap.parameterRoot}/${bootstrap.fleet}`;
    const [state, files] = [group, `${group}/files`].map((name) => {
      const destination = makeLogDestination(clients.logs, {
        group: name,
        stream: bootstrap.hostId,
      });
      return new LogShipper({ destination, clock, random });
    }) as [LogShipper, LogShipper];
    this.#shippers = [state, files];
    this.logger = makeLogger({
      clock,
      base: { fleet: bootstrap.fleet, host: bootstrap.hostId, version: VERSION },
      state: [...options.sinks, state],
      files: [...options.sinks, files],
    });
    for (const shipper of this.#shippers) shipper.setLogger(this.logger);
    const { workingDirectory } = options;
    this.#workplace = new Workplace({ bootstrap, workingDirectory, clock, logger: this.logger });
  }

  /** Begins to send records to CloudWatch Logs; until then they wait in memory. */
  startShipping(): void {
    const stop = this.#stopShipping.signal;
    this.#shipping = Promise.all(this.#shippers.map((shipper) => shipper.run(stop)));
  }

  /**
   * Reads and validates the parameters.
   * @throws AgentError with exit code 2 or 3
   */
  async readConfig(signal: AbortSignal): Promise<Config> {
    const { bootstrap, clock } = this.#options;
    return await loadConfig(this.#parameters, bootstrap, { signal, now: () => clock.now() });
  }

  /** Lets a configuration decide which records are written. */
  followLogSettings({ settings }: Config): void {
    this.logger.setLevel(settings["log-level"]);
    this.logger.setFileEvents(settings["file-events"]);
  }

  /**
   * Opens the watched directory of a configuration, locked unless it is only to be read, and the
   * state directory with it.
   * @throws AgentError with exit code 2 or 4
   */
  async openRoute(config: Config, options: { readonly isReadOnly: boolean }): Promise<Route> {
    return await this.#workplace.openRoute(config, options);
  }

  /** A route whose directory is the one that stands at its path now. @throws AgentError */
  async refreshRoute(route: Route): Promise<Route> {
    return await this.#workplace.refreshRoute(route);
  }

  /** Whether a configuration names this very directory, in whatever spelling or through links. */
  async leadsTo({ settings }: Config, directory: WatchedDirectory): Promise<boolean> {
    const asked = resolve(this.#options.workingDirectory, settings.directory);
    return (await realpath(asked).catch(() => undefined)) === directory.path;
  }

  /** The object key that a configuration gives an entry. */
  keyOf({ settings }: Config, { path, fingerprint }: Entry): string {
    const { hostId: host, fleet } = this.#options.bootstrap;
    const mtimeMs = Number(fingerprint.mtimeNs / 1_000_000n);
    return objectKey({ prefix: settings.prefix, host, fleet, mtimeMs, path });
  }

  /**
   * Waits until the wall clock has been watched for so long that ages can be told from it: at the
   * first start after a boot, and after somebody has set it.
   * @param onWait hears how long it takes, in milliseconds, if it takes any time
   * @throws the signal's reason
   */
  async waitForSteadyClock(
    { config }: Route,
    stop: AbortSignal,
    onWait: (ms: number) => void,
  ): Promise<void> {
    const { clock } = this.#options;
    const state = await this.#workplace.openState(false);
    const settleMs = config.settings["min-age"];
    const left = () => state.steadyClock.steadySince() + settleMs - clock.now();
    if (left() <= 0) return;
    onWait(left());
    for (let ms = left(); ms > 0; ms = left()) await clock.sleep(ms, stop);
  }

  /**
   * One sweep. Its records are logged, unless it is a dry run, which leaves no trace.
   * @param signals.stop finish the files in flight; `cancel`: give them up
   */
  async sweep(
    route: Route,
    signals: { readonly stop: AbortSignal; readonly cancel: AbortSignal },
    options: { readonly isDryRun: boolean; readonly observers: readonly SweepObserver[] },
  ): Promise<SweepReport> {
    const { isDryRun } = options;
    const state = await this.#workplace.openState(isDryRun);
    const observers = [...options.observers];
    if (!isDryRun) {
      this.logger.log("sweep.started", { route: ROUTE, directory: route.directory.path });
      const { bucket } = route.config.settings;
      const about = { route: ROUTE, bucket, clock: this.#options.clock, told: this.#told };
      observers.push(observeFiles(this.logger, about));
    }
    using places = (await this.#places).share();
    await using directories = new Directories(route.directory.root);
    const asideDirectory = await directories.open(ASIDE_DIRECTORY).catch(() => undefined);
    let report: SweepReport;
    try {
      report = await sweep({
        ...this.#sweepOptions(route, state, directories, asideDirectory, isDryRun),
        ...signals,
        places,
        windowMax: windowMaxOf(1),
        isDryRun,
        observer: all(observers),
      });
    } finally {
      await asideDirectory?.release();
    }
    if (isDryRun) return report;
    const swept = { route: ROUTE, directory: route.directory.path };
    await state.recordSweep(lastSweepOf(swept, report, state.problem));
    const finished = { ...report, stateProblem: state.problem };
    await this.#tellSwept(route, finished);
    return finished;
  }

  #sweepOptions(
    { config, directory }: Route,
    state: StateDirectory,
    directories: Directories,
    asideDirectory: Directory | undefined,
    isDryRun: boolean,
  ) {
    const { settings } = config;
    const { clock, random } = this.#options;
    const isSelected = makeSelector(settings.include, settings.exclude);
    if (!isDryRun) this.#leases ??= new LeaseKeeper();
    return {
      root: directory.path,
      directories,
      filesystem: directory.filesystem.name,
      leases: directory.filesystem.leases === "none" ? undefined : this.#leases,
      isLeaseProof: directory.filesystem.leases === "proof",
      asides: {
        active: this.#workplace.activeAsides,
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
      destination: {
        bucket: settings.bucket,
        storageClass: settings["storage-class"],
        kmsKeyId: settings["kms-key-id"],
        tags: Object.fromEntries(settings.tags),
        bucketOwner: settings["bucket-owner"],
      },
      store: this.#store,
      states: this.#workplace.uploadStates,
      budget: this.#budget,
      overwrites: this.#overwritesOf(settings),
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
  #overwritesOf({ bucket, "on-conflict": onConflict }: Config["settings"]): Overwrites {
    const key = `${onConflict} ${bucket}`;
    if (this.#overwrites?.key !== key) {
      this.#overwrites = { key, overwrites: new Overwrites(onConflict === "overwrite") };
    }
    return this.#overwrites.overwrites;
  }

  async #tellSwept(route: Route, report: SweepReport): Promise<void> {
    const { bootstrap, clock } = this.#options;
    const { stateProblem, filesWeak, weakness } = report;
    if (stateProblem !== undefined) {
      this.logger.log("state.unwritable", { route: ROUTE, message: stateProblem });
    }
    const offsetMs = this.#clients.clockOffsetMs();
    if (Math.abs(offsetMs) >= SKEW_TOLD_MS) {
      this.logger.log("clock.skewed", { offsetSeconds: Math.round(offsetMs / 1_000) });
    }
    if (filesWeak > 0) {
      this.logger.log("sweep.weakened", { route: ROUTE, files: filesWeak, reason: weakness });
    }
    const fields = sweepFields(report, {
      fleet: bootstrap.fleet,
      route: ROUTE,
      config: route.config,
      logEventsDropped: this.#shippers.reduce((sum, { dropped }) => sum + dropped, 0),
      freeBytes: await route.directory.freeBytes().catch(() => undefined),
      now: clock.now(),
    });
    this.logger.log("sweep.completed", fields);
  }

  /**
   * Sends the last records, for as long as FLUSH_MS_MAX, and closes all connections.
   * @returns how many records could not be sent
   */
  async stop(): Promise<number> {
    await this.#workplace[Symbol.asyncDispose]();
    this.#leases?.[Symbol.dispose]();
    this.#stopShipping.abort();
    await this.#shipping;
    const signal = AbortSignal.timeout(FLUSH_MS_MAX);
    const left = await Promise.all(this.#shippers.map((shipper) => shipper.flush(signal)));
    this.#clients.destroy();
    return left.reduce((sum, records) => sum + records, 0);
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
