import { resolve } from "node:path";
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
import { RateLimiter } from "../lib/rate-limiter.ts";
import { VERSION } from "../lib/version.ts";
import { type Logger, makeLogger, type RecordSink } from "../logs/logger.ts";
import { LogShipper } from "../logs/shipper.ts";
import { LastKnownGoodFile } from "../refresh/last-known-good.ts";
import { readParametersNow } from "../refresh/read-now.ts";
import { limitUploads } from "../sweep/limited-store.ts";
import { Sweeper } from "./sweeper.ts";
import { type Route, Workplace } from "./workplace.ts";

/** When the last records are given up at the end. */
const FLUSH_MS_MAX = 10_000;

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
  readonly #options: AgentOptions;
  readonly #clients: AwsClients;
  readonly #uploadLimiter: RateLimiter;
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
    const paths = parameterPaths(bootstrap);
    this.host = { hostId, paths, allowedBuckets, allowOverwrite, minAgeFloorMs };
    this.parameters = makeParameterSource(clients.ssm, clock);
    this.stateDirectory = resolve(workingDirectory, bootstrap.stateDirectory);
    const group = `${bootstrap.parameterRoot}/${fleet}`;
    const [state, files] = [group, `${group}/files`].map((name) => {
      const destination = makeLogDestination(clients.logs, { group: name, stream: hostId });
      return new LogShipper({ destination, clock, random });
    }) as [LogShipper, LogShipper];
    this.#shippers = [state, files];
    this.logger = makeLogger({
      clock,
      base: { fleet, host: hostId, version: VERSION },
      state: [...options.sinks, state],
      files: [...options.sinks, files],
    });
    for (const shipper of this.#shippers) shipper.setLogger(this.logger);
    this.workplace = new Workplace({ bootstrap, workingDirectory, clock, logger: this.logger });
    this.#uploadLimiter = new RateLimiter({ clock }, 0);
    this.sweeper = new Sweeper({
      fleet,
      hostId,
      clock,
      random,
      logger: this.logger,
      store: limitUploads(makeS3Store(clients.s3), this.#uploadLimiter),
      workplace: this.workplace,
      clockOffsetMs: () => clients.clockOffsetMs(),
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

  /** Begins to send records to CloudWatch Logs; until then they wait in memory. */
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
    return new LastKnownGoodFile(this.stateDirectory, owner, (path, damage) => {
      this.logger.log("state.set-aside", { path, ...damage });
    });
  }

  /** Lets a configuration decide what is of the whole host: its records and its bandwidth. */
  follow({ settings }: Config): void {
    this.logger.setLevel(settings["log-level"]);
    this.logger.setFileEvents(settings["file-events"]);
    this.#uploadLimiter.setRate(settings["bandwidth-limit"]);
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
   * Sends the last records, for as long as FLUSH_MS_MAX, and closes all connections.
   * @returns how many records could not be sent
   */
  async stop(): Promise<number> {
    await this.workplace[Symbol.asyncDispose]();
    this.sweeper[Symbol.dispose]();
    this.#stopShipping.abort();
    await this.#shipping;
    const signal = AbortSignal.timeout(FLUSH_MS_MAX);
    const left = await Promise.all(this.#shippers.map((shipper) => shipper.flush(signal)));
    this.#clients.destroy();
    return left.reduce((sum, records) => sum + records, 0);
  }
}
