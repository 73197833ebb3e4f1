import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DaemonAgent, runDaemon } from "../../src/agent/daemon.ts";
import { SLOT_MS } from "../../src/agent/heartbeats.ts";
import { Sweeper } from "../../src/agent/sweeper.ts";
import { Workplace } from "../../src/agent/workplace.ts";
import { type Credentials, makeCredentials } from "../../src/aws/credentials/credentials.ts";
import type { Bootstrap } from "../../src/config/bootstrap.ts";
import { parameterPaths } from "../../src/config/parameters.ts";
import { messageOf } from "../../src/lib/errors.ts";
import { Progress } from "../../src/lib/progress.ts";
import { VERSION } from "../../src/lib/version.ts";
import { type Logger, makeLogger } from "../../src/logs/logger.ts";
import { LastKnownGoodFile } from "../../src/refresh/last-known-good.ts";
import type { Failed, ObjectStore, StoreFailure } from "../../src/sweep/object-store.ts";
import { CONTENT_MARK, SECRET_MARK } from "../../tools/marks.ts";
import { MemorySsm } from "./memory-ssm.ts";
import { MemoryStore } from "./memory-store.ts";
import { makeShortWay, type ObservedLogs, openLongWay } from "./observed-logs.ts";
import { ObservedTime } from "./observed-time.ts";

export const FLEET = "web";
const PARAMETERS = `/s3-offload-agent/fleets/${FLEET}`;
/** What a role of Roles Anywhere or of Systems Manager gives. */
const CREDENTIALS_MS = 3_600_000;

const NO_CREDENTIALS: StoreFailure = {
  kind: "credentials",
  code: "CredentialsProviderError",
  message: "",
  isRetryable: false,
  scope: "service",
};

export interface FleetOptions {
  /** Its records go through the product's spool and shipper, which takes longer to simulate. */
  readonly isShipped?: boolean;
}

/** A fleet of daemons in one simulated time: bucket, Parameter Store and logs are in memory. */
export class ObservedFleet implements AsyncDisposable {
  readonly time: ObservedTime;
  readonly store = new MemoryStore();
  readonly ssm: MemorySsm;
  /** CloudWatch Logs, with everything that has arrived there. */
  readonly logs: ObservedLogs = { records: [], isDown: false };
  readonly folder: string;
  readonly isShipped: boolean;
  readonly #hosts: ObservedHost[] = [];

  private constructor(folder: string, { isShipped = false }: FleetOptions) {
    this.folder = folder;
    this.isShipped = isShipped;
    // Where heartbeats are counted from, not behind the real clock and little before it.
    this.time = new ObservedTime(Math.ceil(Date.now() / SLOT_MS) * SLOT_MS);
    this.ssm = new MemorySsm(this.time);
    this.set("bucket", "a-bucket");
  }

  static async make(options: FleetOptions = {}): Promise<ObservedFleet> {
    return new ObservedFleet(await mkdtemp(join(tmpdir(), "observed-fleet-")), options);
  }

  /** Sets a parameter of the fleet. */
  set(leaf: string, value: string): void {
    this.ssm.set(`${PARAMETERS}/${leaf}`, value);
  }

  unset(leaf: string): void {
    this.ssm.unset(`${PARAMETERS}/${leaf}`);
  }

  /** Installs the agent on a host and starts it. */
  async addHost(hostId: string): Promise<ObservedHost> {
    const host = await ObservedHost.make(this, hostId);
    this.#hosts.push(host);
    host.start();
    return host;
  }

  async addHosts(...hostIds: readonly string[]): Promise<readonly ObservedHost[]> {
    return await Promise.all(hostIds.map((hostId) => this.addHost(hostId)));
  }

  /** Lets minutes pass. */
  async pass(minutes: number): Promise<void> {
    await this.time.runUntil(this.time.now() + minutes * 60_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of this.#hosts) await host.stop();
    this.time[Symbol.dispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/**
 * One host: the product's own daemon, sweeper, refresher, heartbeats, credentials and logger with
 * real directories, put together as `Agent` does it.
 */
export class ObservedHost {
  readonly hostId: string;
  /** The watched directory. */
  readonly directory: string;
  /** The variables that its credentials come from. */
  readonly env: Record<string, string> = {};
  /** What is free on its disks. */
  freePercent = 60;
  readonly #fleet: ObservedFleet;
  readonly #stateDirectory: string;
  #stop = new AbortController();
  #running: Promise<void> | undefined;

  private constructor(fleet: ObservedFleet, hostId: string) {
    this.#fleet = fleet;
    this.hostId = hostId;
    this.directory = join(fleet.folder, hostId, "spool");
    this.#stateDirectory = join(fleet.folder, hostId, "state");
  }

  static async make(fleet: ObservedFleet, hostId: string): Promise<ObservedHost> {
    const host = new ObservedHost(fleet, hostId);
    await mkdir(host.directory, { recursive: true });
    await mkdir(host.#stateDirectory, { recursive: true });
    fleet.ssm.set(`/s3-offload-agent/hosts/${hostId}/directory`, host.directory);
    host.giveCredentials();
    return host;
  }

  /** Whoever renews the credentials does it from now on: each read gives new ones. */
  giveCredentials(): void {
    const { time } = this.#fleet;
    this.env["AWS_ACCESS_KEY_ID"] = "AKIAEXAMPLE";
    this.env["AWS_SECRET_ACCESS_KEY"] = SECRET_MARK;
    Object.defineProperty(this.env, "AWS_CREDENTIAL_EXPIRATION", {
      get: () => new Date(time.now() + CREDENTIALS_MS).toISOString(),
      configurable: true,
    });
  }

  /** Whoever renews them is gone. */
  takeCredentials(): void {
    delete this.env["AWS_ACCESS_KEY_ID"];
  }

  /** A producer finishes a file. */
  async write(name: string): Promise<void> {
    await writeFile(join(this.directory, name), `${CONTENT_MARK} ${name}`);
  }

  /** Starts the daemon. */
  start(): void {
    this.#stop = new AbortController();
    this.#running = this.#run(this.#stop.signal);
  }

  /** Stops the daemon, as systemd does. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error("stopped"));
    if (this.#running !== undefined) await this.#fleet.time.until(this.#running);
    this.#running = undefined;
  }

  async #run(stop: AbortSignal): Promise<void> {
    const { time: clock } = this.#fleet;
    await using parts = new AsyncDisposableStack();
    const credentials = this.#makeCredentials();
    parts.defer(() => credentials.destroy());
    const logger = await this.#openLogs(credentials, parts);
    const agent = this.#makeAgent(credentials, logger, parts);
    logger.log("agent.started", { pid: 1, node: process.versions.node });
    await runDaemon({
      agent,
      workingDirectory: this.#fleet.folder,
      statusDirectories: [],
      clock,
      random: () => 0.5,
      stop,
      cancel: stop,
      service: { changed() {}, follow() {}, ready() {}, reloading: async () => undefined },
      onReload() {},
      freePercentOf: async () => this.freePercent,
    });
    logger.log("agent.stopped", {});
  }

  #makeCredentials(): Credentials {
    return makeCredentials({
      choice: { kind: "environment" },
      roleArn: undefined,
      hostId: this.hostId,
      region: "eu-central-1",
      env: this.env,
      allowImdsV1: false,
      clock: this.#fleet.time,
    });
  }

  /** The bucket, which takes signed requests only. */
  #makeStore(credentials: Credentials): ObjectStore {
    const { store } = this.#fleet;
    const signed = async <Answer>(send: () => Promise<Answer>): Promise<Answer | Failed> => {
      try {
        await credentials.provider();
      } catch (error) {
        return { kind: "failed", failure: { ...NO_CREDENTIALS, message: messageOf(error) } };
      }
      return await send();
    };
    return {
      put: (request) => signed(() => store.put(request)),
      createUpload: (request) => signed(() => store.createUpload(request)),
      putPart: (request) => signed(() => store.putPart(request)),
      completeUpload: (request) => signed(() => store.completeUpload(request)),
      abortUpload: (request) => signed(() => store.abortUpload(request)),
    };
  }

  async #openLogs(credentials: Credentials, parts: AsyncDisposableStack): Promise<Logger> {
    const { hostId: host } = this;
    const { logs, time: clock, isShipped } = this.#fleet;
    const isSigned = () =>
      (credentials.describe()?.expiresAt ?? Number.POSITIVE_INFINITY) > clock.now();
    const group = `/s3-offload-agent/${FLEET}`;
    const source = { logs, group, stream: host, clock, isSigned };
    const directory = join(this.#stateDirectory, "logs");
    const long = isShipped ? await openLongWay({ ...source, fleet: FLEET, directory }) : undefined;
    if (long !== undefined) parts.use(long);
    const state = [long?.sink ?? makeShortWay(source)];
    const files = [makeShortWay({ ...source, group: `${group}/files` })];
    const base = { fleet: FLEET, host, version: VERSION };
    const random = Math.random;
    const logger = makeLogger({ clock, random, base, local: [], state, files });
    long?.setLogger(logger);
    return logger;
  }

  #makeAgent(credentials: Credentials, logger: Logger, parts: AsyncDisposableStack): DaemonAgent {
    const { hostId, directory } = this;
    const { time: clock, ssm, folder } = this.#fleet;
    const random = () => 0.5;
    const bootstrap: Bootstrap = {
      fleet: FLEET,
      region: undefined,
      hostId,
      parameterRoot: "/s3-offload-agent",
      allowedRoots: [directory],
      allowedBuckets: undefined,
      stateDirectory: this.#stateDirectory,
      credentials: { kind: "environment" },
      allowImdsV1: false,
      roleArn: undefined,
      allowOverwrite: false,
      minAgeFloorMs: 30_000,
    };
    const workplace = new Workplace({ bootstrap, workingDirectory: folder, clock, logger });
    parts.use(workplace);
    const sweeper = new Sweeper({
      fleet: FLEET,
      hostId,
      clock,
      random,
      logger,
      storeFor: () => this.#makeStore(credentials),
      workplace,
      clockOffsetMs: () => 0,
    });
    parts.use(sweeper);
    const { allowedBuckets, allowOverwrite, minAgeFloorMs, stateDirectory } = bootstrap;
    const paths = parameterPaths(bootstrap);
    return {
      logger,
      workplace,
      sweeper,
      stateDirectory,
      parameters: ssm,
      progress: new Progress(clock),
      host: { hostId, paths, allowedBuckets, allowOverwrite, minAgeFloorMs },
      about: {
        fleet: FLEET,
        host: hostId,
        version: VERSION,
        pid: 1,
        machine: hostId,
        stateDirectory,
      },
      get credentials() {
        return { ...credentials.describe(), failure: credentials.lastError()?.message };
      },
      logs: { waiting: 0, dropped: 0 },
      renewCredentialsIfDue: () => credentials.renewIfDue(),
      lastKnownGood: () =>
        new LastKnownGoodFile(stateDirectory, { ...paths, region: "" }, () => {}),
      follow({ settings }) {
        logger.setLevel(settings["log-level"]);
        logger.setFileEvents({
          which: settings["file-events"],
          percent: settings["file-events-percent"],
        });
      },
    };
  }
}
