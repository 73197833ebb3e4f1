import type { Config, Host } from "../../src/config/config.ts";
import type { EventName } from "../../src/logs/events.ts";
import { type LastKnownGood, Refresher } from "../../src/refresh/refresher.ts";
import { checkedLogger } from "./checked-logger.ts";
import { ManualClock } from "./manual-clock.ts";
import { ParameterStore } from "./parameter-store.ts";

export const FLEET = "/root/fleets/web";

/** A refresher that runs against a store in memory, and what it has said and kept. */
export interface RefresherAtWork {
  readonly clock: ManualClock;
  readonly store: ParameterStore;
  readonly refresher: Refresher;
  readonly told: { readonly event: EventName; readonly [field: string]: unknown }[];
  readonly kept: LastKnownGood[];
  /** Configurations that were put into effect, in order. */
  readonly applied: Config[];
  events(event: EventName): readonly Record<string, unknown>[];
  stop(): Promise<void>;
}

export interface RefresherOptions {
  readonly hostId?: string;
  /** Instead of `hostId`: with what its bootstrap file forbids. */
  readonly host?: Host;
  readonly clock?: ManualClock;
  readonly store?: ParameterStore;
  /** Jitter and backoff take this; 0.5 is no jitter. */
  readonly random?: () => number;
  readonly lastKnownGood?: LastKnownGood;
  /** Puts a configuration into effect; what it throws refuses it. */
  readonly apply?: (config: Config) => void;
}

export function hostOf(hostId: string): Host {
  return {
    hostId,
    paths: { fleet: FLEET, host: `/root/hosts/${hostId}` },
    allowedBuckets: undefined,
    allowOverwrite: false,
    minAgeFloorMs: 0,
  };
}

/** Starts it. Whatever it hands out is put into effect at once. */
export function begin(options: RefresherOptions = {}): RefresherAtWork {
  const clock = options.clock ?? new ManualClock(Date.UTC(2026, 0, 1));
  const store = options.store ?? new ParameterStore(clock);
  const told: { event: EventName; [field: string]: unknown }[] = [];
  const kept: LastKnownGood[] = [];
  const applied: Config[] = [];
  const stop = new AbortController();
  const logger = checkedLogger(clock);
  const refresher: Refresher = new Refresher({
    source: store,
    host: options.host ?? hostOf(options.hostId ?? "h1"),
    logger: {
      log: (event, fields) => {
        told.push({ event, ...fields });
        logger.log(event, fields);
      },
      setLevel() {},
      setFileEvents() {},
    },
    clock,
    random: options.random ?? (() => 0.5),
    lastKnownGood: options.lastKnownGood,
    keep: async (good) => {
      kept.push(good);
    },
    onDesired: () => {
      const { desired } = refresher;
      if (desired === undefined) return;
      options.apply?.(desired.config);
      applied.push(desired.config);
      void refresher.applied(desired.config, desired);
    },
  });
  const running = refresher.run(stop.signal);
  return {
    clock,
    store,
    refresher,
    told,
    kept,
    applied,
    events: (event) => told.filter((one) => one.event === event),
    async stop() {
      stop.abort();
      await running;
    },
  };
}

/** Ends it and starts another, which knows what was kept: the agent after a restart. */
export async function restart(at: RefresherAtWork): Promise<RefresherAtWork> {
  const lastKnownGood = at.kept.at(-1);
  await at.stop();
  const { clock, store } = at;
  return begin({ clock, store, ...(lastKnownGood && { lastKnownGood }) });
}
