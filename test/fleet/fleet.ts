import { cohortOf } from "../../src/config/canary.ts";
import { type Config, type Resolved, resolveParameters } from "../../src/config/config.ts";
import { fleetFacts } from "../../src/config/fleet-facts.ts";
import type { ParameterSource } from "../../src/config/parameters.ts";
import { intervalMs, spreadMs } from "../../src/fleet/spread.ts";
import type { EventName } from "../../src/logs/events.ts";
import type { LastKnownGood } from "../../src/refresh/refresher.ts";
import { FLEET_PATH, SimulatedHost } from "./host.ts";
import { VirtualClock } from "./virtual-clock.ts";
import { HOUR_MS, hostIds, MINUTE_MS, SECOND_MS, type World } from "./world.ts";

/** How long a request is on its way. */
const REQUEST_MS = { least: 10, spread: 90 };

/** The requests of a full read: a page of the fleet's parameters and one of the host's. */
export const FULL_READ_REQUESTS = 2;

/** What the fleet's parameters say beside the pace. */
const PARAMETERS = {
  bucket: "data-bucket",
  prefix: "{fleet}/{host}/",
  schedule: "rate(10 minutes)",
  "min-age": "45s",
  concurrency: "4",
  "canary/percent": "0",
};

export interface Pace {
  /** Between two polls of a host. */
  readonly intervalMs: number;
  /** Over which the reading of a change is spread. */
  readonly spreadMs: number;
}

/** The pace that `fleet apply` gives to a fleet of so many hosts. */
export function paceOf(hosts: number): Pace {
  return { intervalMs: intervalMs(hosts), spreadMs: spreadMs(FULL_READ_REQUESTS, hosts) };
}

export interface FleetOptions {
  readonly hosts: number;
  /** Whether the fleet has run before: its disks hold the configuration. */
  readonly isSaved: boolean;
  /** Default: what the number of hosts asks for. */
  readonly pace?: Pace;
}

/** A fleet in a world, whose hosts are not started yet. */
export class SimulatedFleet {
  readonly world: World;
  readonly hosts: readonly SimulatedHost[];
  readonly pace: Pace;
  readonly records = new Map<EventName, number>();
  /** Hears of every configuration that takes effect. */
  onApplied: (host: SimulatedHost, config: Config) => void = () => undefined;
  readonly #clock: VirtualClock;

  constructor(world: World, options: FleetOptions) {
    this.world = world;
    this.#clock = new VirtualClock(world.time);
    this.pace = options.pace ?? paceOf(options.hosts);
    this.set({
      ...PARAMETERS,
      "refresh-interval": `${this.pace.intervalMs / SECOND_MS}s`,
      revision: this.#revision(1),
    });
    const shared = {
      world,
      source: sourceOf(world),
      resolve: rememberingResolver(),
      onRecord: (_: SimulatedHost, event: EventName) => {
        this.records.set(event, (this.records.get(event) ?? 0) + 1);
      },
      onApplied: (host: SimulatedHost, config: Config) => this.onApplied(host, config),
    };
    this.hosts = hostIds(options.hosts).map((hostId) => {
      const kept = options.isSaved ? this.#saved() : undefined;
      return new SimulatedHost(shared, hostId, kept);
    });
  }

  /** Starts every host in this second; those that have a configuration work by it after that. */
  async boot(): Promise<void> {
    for (const host of this.hosts) host.boot();
    await this.pass(SECOND_MS);
  }

  /** Ends every host in this moment. */
  stop(): void {
    for (const host of this.hosts) host.stop();
  }

  /** Within which time a change has reached every host, in milliseconds. */
  get reachMs(): number {
    const { intervalMs, spreadMs } = this.pace;
    // A poll may be a tenth late; what is read too early is read again after half a minute.
    return intervalMs * 1.2 + spreadMs + MINUTE_MS;
  }

  /** Lets so much time pass. */
  async pass(ms: number): Promise<void> {
    await this.world.time.runUntil(this.world.time.now() + ms);
  }

  /** What was set long ago. */
  set(leaves: Readonly<Record<string, string>>): void {
    for (const [leaf, value] of Object.entries(leaves)) {
      this.world.store.set(`${FLEET_PATH}/${leaf}`, value);
    }
  }

  /**
   * An operator's change, as the tools make it: leaf by leaf, the revision last, at the pace that
   * PutParameter allows.
   * @returns when the last call was done, in wall-clock milliseconds
   */
  async change(leaves: Readonly<Record<string, string>>, id: number): Promise<number> {
    for (const [leaf, value] of Object.entries({ ...leaves, revision: this.#revision(id) })) {
      while (!this.#put(leaf, value)) await this.#clock.sleep(SECOND_MS);
    }
    return this.world.time.now();
  }

  #put(leaf: string, value: string): boolean {
    try {
      this.world.store.put(`${FLEET_PATH}/${leaf}`, value);
      return true;
    } catch {
      return false;
    }
  }

  #revision(id: number): string {
    return JSON.stringify({ id, spread: `${Math.ceil(this.pace.spreadMs / SECOND_MS)}s` });
  }

  /** A fleet that has run for long has its full reads anywhere within the last six hours. */
  #saved(): LastKnownGood {
    const { store, time, random } = this.world;
    const now = time.now();
    const fleet = store.everythingBelow(FLEET_PATH);
    return {
      set: { fleet, host: [] },
      readAt: now,
      memory: {
        isSeen: true,
        fleetVersion: 1,
        hostVersion: undefined,
        absences: 0,
        fullReadAt: now - random() * 6 * HOUR_MS,
      },
    };
  }
}

/** The way to the store, which all hosts share: it takes a moment, and the answer is of its end. */
function sourceOf({ store, time, random }: World): ParameterSource {
  const clock = new VirtualClock(time);
  const send = async <Answer>(call: () => Answer, signal: AbortSignal): Promise<Answer> => {
    await clock.sleep(REQUEST_MS.least + random() * REQUEST_MS.spread);
    signal.throwIfAborted();
    return call();
  };
  return {
    readPage: (path, token, signal) => send(() => store.readPage(path, token), signal),
    readNames: (names, signal) => send(() => store.readNames(names), signal),
  };
}

/**
 * The product's own function, which answers the same for the same parameters in the same cohort:
 * a hundred thousand hosts need not work it out, nor keep it, a hundred thousand times.
 */
function rememberingResolver(): typeof resolveParameters {
  const known = new Map<string, Resolved>();
  return (set, host, readAt) => {
    if (set.host.length > 0) return resolveParameters(set, host, readAt);
    const { canaryPercent } = fleetFacts(set.fleet, host.paths.fleet);
    const cohort = cohortOf(host.hostId, canaryPercent);
    const key = `${cohort} ${set.fleet.map(({ name, version }) => `${name}=${version}`).join(" ")}`;
    const resolved = known.get(key) ?? resolveParameters(set, host, readAt);
    known.set(key, resolved);
    return resolved;
  };
}
