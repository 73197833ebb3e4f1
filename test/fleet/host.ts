import type { Config, resolveParameters } from "../../src/config/config.ts";
import { type ParameterSource, parameterPaths } from "../../src/config/parameters.ts";
import type { EventName } from "../../src/logs/events.ts";
import type { Logger } from "../../src/logs/logger.ts";
import { type Desired, type LastKnownGood, Refresher } from "../../src/refresh/refresher.ts";
import { VirtualClock } from "./virtual-clock.ts";
import type { World } from "./world.ts";

export const FLEET_PATH = "/s3-offload-agent/fleets/web";

/** What all hosts of a fleet share. */
export interface Fleet {
  readonly world: World;
  readonly source: ParameterSource;
  readonly resolve: typeof resolveParameters;
  /** Hears every record. */
  readonly onRecord: (host: SimulatedHost, event: EventName) => void;
  /** Hears of every configuration that takes effect. */
  readonly onApplied: (host: SimulatedHost, config: Config) => void;
}

/**
 * A host with the product's own refresher, put together as the daemon puts it together. Its disk
 * keeps the last good configuration over reboots.
 */
export class SimulatedHost {
  readonly hostId: string;
  /** What is on its disk. */
  kept: LastKnownGood | undefined;
  #config: Config | undefined;
  readonly #fleet: Fleet;
  #refresher: Refresher | undefined;
  #stop = new AbortController();

  constructor(fleet: Fleet, hostId: string, kept: LastKnownGood | undefined) {
    this.#fleet = fleet;
    this.hostId = hostId;
    this.kept = kept;
  }

  /** The configuration in effect. */
  get config(): Config | undefined {
    return this.#config;
  }

  get refresher(): Refresher | undefined {
    return this.#refresher;
  }

  /** Starts the agent. */
  boot(): void {
    const { world, source, resolve } = this.#fleet;
    this.#stop = new AbortController();
    const refresher = new Refresher({
      source,
      host: this.#host,
      logger: this.#logger,
      clock: new VirtualClock(world.time),
      random: world.random,
      lastKnownGood: this.kept,
      keep: async (good) => {
        this.kept = good;
      },
      onDesired: () => void this.#apply(),
      resolve,
    });
    this.#refresher = refresher;
    const saved = this.kept && resolve(this.kept.set, this.#host, this.kept.readAt);
    if (saved !== undefined && "config" in saved) void this.#takeEffect(saved.config, undefined);
    void refresher.run(this.#stop.signal);
  }

  /** Power fails: nothing is left but the disk. */
  stop(): void {
    this.#stop.abort();
    this.#config = undefined;
    this.#refresher = undefined;
  }

  async #apply(): Promise<void> {
    const desired = this.#refresher?.desired;
    if (desired !== undefined) await this.#takeEffect(desired.config, desired);
  }

  async #takeEffect(config: Config, desired: Desired | undefined): Promise<void> {
    this.#config = config;
    await this.#refresher?.applied(config, desired);
    this.#fleet.onApplied(this, config);
  }

  get #host() {
    const { hostId } = this;
    return {
      hostId,
      paths: parameterPaths({ parameterRoot: "/s3-offload-agent", fleet: "web", hostId }),
      allowedBuckets: undefined,
      allowOverwrite: false,
      minAgeFloorMs: 30_000,
    };
  }

  get #logger(): Logger {
    return {
      log: (event) => this.#fleet.onRecord(this, event),
      setLevel() {},
      setFileEvents() {},
    };
  }
}
