import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import { type AwsClients, makeClients } from "../aws/clients.ts";
import { makeLogDestination } from "../aws/cloudwatch-logs.ts";
import { makeS3Store } from "../aws/s3.ts";
import { makeParameterSource } from "../aws/ssm.ts";
import type { Bootstrap } from "../config/bootstrap.ts";
import { type Config, loadConfig, type ParameterSource } from "../config/load.ts";
import type { Random } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import { VERSION } from "../lib/version.ts";
import { type Logger, makeLogger, type RecordSink } from "../logs/logger.ts";
import { LogShipper } from "../logs/shipper.ts";
import type { Entry } from "../sweep/entry.ts";
import { objectKey } from "../sweep/object-key.ts";
import type { ObjectStore } from "../sweep/object-store.ts";
import type { SweepReport } from "../sweep/report.ts";
import { makeSelector } from "../sweep/select.ts";
import { type SweepObserver, sweep } from "../sweep/sweep.ts";
import { openWatchedDirectory, type WatchedDirectory } from "../sweep/watched-directory.ts";
import { observeFiles, sweepFields } from "./sweep-records.ts";

/** The name of the one route that there is: a watched directory and its destination. */
const ROUTE = "default";

/** When the last records are given up at the end. */
const FLUSH_MS_MAX = 10_000;

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

/** A configuration with the watched directory that it names, opened and locked. */
export interface Route extends AsyncDisposable {
  readonly config: Config;
  readonly directory: WatchedDirectory;
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
   * Opens the watched directory of a configuration, locked unless it is only to be read.
   * @throws AgentError with exit code 2 or 4
   */
  async openRoute(config: Config, options: { readonly isReadOnly: boolean }): Promise<Route> {
    const directory = await openWatchedDirectory({
      directory: config.settings.directory,
      allowedRoots: this.#options.bootstrap.allowedRoots,
      workingDirectory: this.#options.workingDirectory,
      isReadOnly: options.isReadOnly,
    });
    return { config, directory, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
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
   * One sweep. Its records are logged, unless it is a dry run, which leaves no trace.
   * @param signals.stop finish the files in flight; `cancel`: give them up
   */
  async sweep(
    route: Route,
    signals: { readonly stop: AbortSignal; readonly cancel: AbortSignal },
    options: { readonly isDryRun: boolean; readonly observers: readonly SweepObserver[] },
  ): Promise<SweepReport> {
    const { settings } = route.config;
    const { bootstrap, clock, random } = this.#options;
    const isSelected = makeSelector(settings.include, settings.exclude);
    const observers = [...options.observers];
    if (!options.isDryRun) {
      this.logger.log("sweep.started", { route: ROUTE, directory: route.directory.path });
      observers.push(observeFiles(this.logger, { route: ROUTE, bucket: settings.bucket, clock }));
    }
    const report = await sweep({
      root: Buffer.from(route.directory.path),
      policy: {
        settleMs: settings["min-age"],
        isSelected,
        keyOf: (entry) => this.keyOf(route.config, entry),
      },
      destination: {
        bucket: settings.bucket,
        storageClass: settings["storage-class"],
        kmsKeyId: settings["kms-key-id"],
        tags: Object.fromEntries(settings.tags),
        bucketOwner: settings["bucket-owner"],
      },
      store: this.#store,
      clock,
      random,
      cancel: signals.cancel,
      stop: signals.stop,
      concurrency: settings.concurrency,
      isDryRun: options.isDryRun,
      observer: all(observers),
    });
    if (!options.isDryRun) {
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
    return report;
  }

  /**
   * Sends the last records, for as long as FLUSH_MS_MAX, and closes all connections.
   * @returns how many records could not be sent
   */
  async stop(): Promise<number> {
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
  };
}
