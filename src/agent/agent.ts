import { join, resolve } from "node:path";
import { type AwsClients, makeClients } from "../aws/clients.ts";
import { makeLogDestination } from "../aws/cloudwatch-logs.ts";
import { makeS3Store } from "../aws/s3.ts";
import { makeParameterSource } from "../aws/ssm.ts";
import type { Bootstrap } from "../config/bootstrap.ts";
import {
  type Config,
  configOf,
  type Host,
  type Resolved,
  resolveParameters,
} from "../config/config.ts";
import { type ParameterSet, type ParameterSource, parameterPaths } from "../config/parameters.ts";
import type { Random } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import { ServiceError } from "../lib/errors.ts";
import { Progress } from "../lib/progress.ts";
import { RateLimiter } from "../lib/rate-limiter.ts";
import { VERSION } from "../lib/version.ts";
import { type Logger, makeLogger, type RecordSink } from "../logs/logger.ts";
import { lossFields } from "../logs/losses.ts";
import { LogShipper } from "../logs/shipper.ts";
import { Spool } from "../logs/spool.ts";
import { SpoolSpace } from "../logs/spool-space.ts";
import { LastKnownGoodFile } from "../refresh/last-known-good.ts";
import { readParametersNow } from "../refresh/read-now.ts";
import { limitUploads } from "../sweep/limited-store.ts";
import { markGrants, markRequests } from "../sweep/marked-store.ts";
import { Sweeper } from "./sweeper.ts";
import { type Route, Workplace } from "./workplace.ts";

/** When the last records are given up at the end. */
export const FLUSH_MS_MAX = 10_000;

/** What an agent is made of; everything that differs between a host, a person's terminal and a test. */
export interface AgentOptions {
  readonly bootstrap: Bootstrap;
  /** Tells this machine from another one under the same host id. */
  readonly machine: string;
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
  readonly sweeper: Sweeper;
  readonly workplace: Workplace;
  /** Whose configuration it is, and what the bootstrap file forbids. */
  readonly host: Host;
  readonly parameters: ParameterSource;
  readonly stateDirectory: string;
  /** What is under way, to see what hangs. */
  readonly progress: Progress;
  readonly #options: AgentOptions;
  readonly #clients: AwsClients;
  readonly #uploadLimiter: RateLimiter;
  /** The room for records on disk. */
  readonly #space = new SpoolSpace();
  /** By the names of their directories. */
  readonly #spools: { readonly state: Spool; readonly files: Spool };
  readonly #shippers: readonly LogShipper[];
  readonly #stopShipping = new AbortController();
  #shipping: Promise<unknown> = Promise.resolve();

  /** @throws AgentError (exit code 2) if no region is to be found */
  static async start(options: AgentOptions): Promise<Agent> {
    const { credentials: choice, ...bootstrap } = options.bootstrap;
    const { env, clock } = options;
    return new Agent(options, await makeClients({ ...bootstrap, choice, env, clock }));
  }

  private constructor(options: AgentOptions, clients: AwsClients) {
    const { bootstrap, clock, random, workingDirectory } = options;
    const { fleet, hostId, allowedBuckets, allowOverwrite, minAgeFloorMs } = bootstrap;
    this.#options = options;
    this.#clients = clients;
    this.progress = new Progress(clock);
    const paths = parameterPaths(bootstrap);
    this.host = { hostId, paths, allowedBuckets, allowOverwrite, minAgeFloorMs };
    this.parameters = makeParameterSource(clients.ssm, clock);
    this.stateDirectory = resolve(workingDirectory, bootstrap.stateDirectory);
    const group = `${bootstrap.parameterRoot}/${fleet}`;
    this.#spools = { state: this.#makeSpool(group), files: this.#makeSpool(group) };
    const ship = (spool: Spool, name: string) => {
      const destination = makeLogDestination(clients.logs, { group: name, stream: hostId });
      return new LogShipper({ destination, spool, clock, random, fleet });
    };
    const state = ship(this.#spools.state, group);
    const files = ship(this.#spools.files, `${group}/files`);
    this.#shippers = [state, files];
    this.logger = makeLogger({
      clock,
      random,
      base: { fleet, host: hostId, version: VERSION },
      local: options.sinks,
      state: [state],
      files: [files],
    });
    for (const shipper of this.#shippers) shipper.setLogger(this.logger);
    this.workplace = new Workplace({ bootstrap, workingDirectory, clock, logger: this.logger });
    this.#uploadLimiter = new RateLimiter({ clock }, 0);
    const store = makeS3Store(clients.s3);
    this.sweeper = new Sweeper({
      fleet,
      hostId,
      clock,
      random,
      logger: this.logger,
      storeFor: (marks) =>
        limitUploads(markRequests(store, marks), markGrants(this.#uploadLimiter, marks)),
      workplace: this.workplace,
      clockOffsetMs: () => clients.clockOffsetMs(),
    });
  }

  #makeSpool(owner: string): Spool {
    return new Spool({
      clock: this.#options.clock,
      space: this.#space,
      owner,
      onRefused: (message) => this.logger.log("state.unwritable", { message }),
      onSetAside: (file) =>
        this.logger.log("state.set-aside", { file, reason: "a newer version wrote it" }),
    });
  }

  /** Who this agent is. */
  get about() {
    const { bootstrap, machine } = this.#options;
    const { fleet, hostId: host } = bootstrap;
    const { stateDirectory } = this;
    return { fleet, host, version: VERSION, pid: process.pid, machine, stateDirectory };
  }

  /** Where the credentials come from and when they end; undefined: none were needed yet. */
  get credentials() {
    const { credentials } = this.#clients;
    return { ...credentials.describe(), failure: credentials.lastError()?.message };
  }

  /** Has credentials that end soon renewed, though nobody needs them now. Never throws. */
  async renewCredentialsIfDue(): Promise<void> {
    await this.#clients.credentials.renewIfDue();
  }

  /** Log records that wait to be sent, and that were lost because of a limit. */
  get logs() {
    const sum = (of: (shipper: LogShipper) => number) =>
      this.#shippers.reduce((total, shipper) => total + of(shipper), 0);
    return { waiting: sum(({ waiting }) => waiting), dropped: sum(({ dropped }) => dropped) };
  }

  /**
   * Opens the state directory, and keeps there what waits for CloudWatch Logs; before that it is in
   * memory. For those who change something on this host.
   * @throws AgentError with exit code 2 or 4
   */
  async openState(): Promise<void> {
    const { isLocked, path } = await this.workplace.openState(false);
    if (!isLocked) return;
    // A limit that is not the default holds before anything is written, or dropped for it.
    const last = await this.lastConfig();
    if (last !== undefined) this.#space.setLimit(last.settings["log-spool-limit"]);
    for (const [name, spool] of Object.entries(this.#spools)) {
      await spool.open(join(path, "spool", name));
    }
  }

  /** Tells that nobody has read so many records of standard output. */
  tellUnread(records: number): void {
    const { clock, bootstrap } = this.#options;
    const about = { fleet: bootstrap.fleet, destination: "stdout", records };
    this.logger.log("logs.dropped", { ...lossFields(about, clock.now()), reason: "memory" });
  }

  /** Begins to send records to CloudWatch Logs; until then they wait. */
  startShipping(): void {
    const stop = this.#stopShipping.signal;
    this.#shipping = Promise.all(this.#shippers.map((shipper) => shipper.run(stop)));
  }

  /**
   * Reads and validates the parameters for a person who waits: what is there at once.
   * @throws AgentError with exit code 2 or 3
   */
  async readConfig(signal: AbortSignal): Promise<Config> {
    return configOf(this.resolve(await this.readSet(signal)));
  }

  /** Reads everything that the Parameter Store holds for this host. @throws AgentError with exit code 3 */
  async readSet(signal: AbortSignal): Promise<ParameterSet> {
    const { clock, random } = this.#options;
    return await readParametersNow(this.parameters, this.host.paths, { clock, random, signal });
  }

  /** What this host makes of parameters that were read just now. */
  resolve(set: ParameterSet): Resolved {
    return resolveParameters(set, this.host, this.#options.clock.now());
  }

  /** The configuration of the last run, if this version and the bootstrap file still take it. */
  async lastConfig(): Promise<Config | undefined> {
    const good = await this.lastKnownGood().peek();
    if (good === undefined) return undefined;
    const resolved = resolveParameters(good.set, this.host, good.readAt);
    return "config" in resolved ? resolved.config : undefined;
  }

  /**
   * As `readConfig`; where the Parameter Store is out of reach, the last good configuration of an
   * earlier run, if there is one.
   * @param onStale hears why an old one is taken
   * @throws AgentError with exit code 2 or 3
   */
  async readConfigOrLast(
    signal: AbortSignal,
    onStale: (error: ServiceError) => void,
  ): Promise<Config> {
    try {
      return await this.readConfig(signal);
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      const config = await this.lastConfig();
      if (config === undefined) throw error;
      onStale(error);
      return config;
    }
  }

  /** The file that holds the last good configuration; not opened yet. */
  lastKnownGood(): LastKnownGoodFile {
    const owner = { ...this.host.paths, region: this.#options.bootstrap.region ?? "" };
    return new LastKnownGoodFile(this.stateDirectory, owner, (file, damage) => {
      this.logger.log("state.set-aside", { file, ...damage });
    });
  }

  /** Lets a configuration decide what is of the whole host: its records and its bandwidth. */
  follow({ settings }: Config): void {
    this.logger.setLevel(settings["log-level"]);
    this.logger.setFileEvents({
      which: settings["file-events"],
      percent: settings["file-events-percent"],
    });
    this.#uploadLimiter.setRate(settings["bandwidth-limit"]);
    this.#space.setLimit(settings["log-spool-limit"]);
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
    const state = await this.workplace.openState(false);
    const settleMs = config.settings["min-age"];
    const left = () => state.steadyClock.steadySince() + settleMs - clock.now();
    if (left() <= 0) return;
    onWait(left());
    for (let ms = left(); ms > 0; ms = left()) await clock.sleep(ms, stop);
  }

  /**
   * Sends the last records, for as long as FLUSH_MS_MAX, and closes everything. The spool is closed
   * while the state directory is still this process's alone.
   * @returns how many records could not be sent: those that wait on disk, and those that are lost
   */
  async stop(): Promise<{ readonly kept: number; readonly lost: number }> {
    this.sweeper[Symbol.dispose]();
    this.#stopShipping.abort();
    await this.#shipping;
    const signal = AbortSignal.timeout(FLUSH_MS_MAX);
    await Promise.all(this.#shippers.map((shipper) => shipper.flush(signal)));
    const spools = Object.values(this.#spools);
    for (const spool of spools) await spool.close();
    await this.workplace[Symbol.asyncDispose]();
    this.#clients.destroy();
    const sum = (of: (spool: Spool) => number) =>
      spools.reduce((total, spool) => total + of(spool), 0);
    const lost = sum(({ onlyInMemory }) => onlyInMemory);
    return { kept: sum(({ waiting }) => waiting) - lost, lost };
  }
}
