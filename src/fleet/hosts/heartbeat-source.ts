import type { Clock } from "../../lib/clock.ts";
import { forEachConcurrently } from "../../lib/concurrency.ts";
import type { FleetPlace } from "../keys.ts";
import type { HeartbeatSource, LiveHost } from "../live-hosts.ts";
import type { LogQueries, QueryRow } from "../log-queries.ts";
import {
  ALL_HOSTS,
  HEARTBEAT_WINDOW_MS,
  HOST_COUNT_QUERY,
  type HostHeartbeats,
  type HostPart,
  heartbeatQuery,
  partsOf,
  ROWS_MAX,
  readHeartbeatRows,
} from "./heartbeat-query.ts";

/** What the heartbeats of a fleet say. */
export interface FleetHeartbeats {
  readonly hosts: ReadonlyMap<string, HostHeartbeats>;
  /** How many hosts there are, about, if not all are among `hosts`; undefined: all are. */
  readonly hostsInAll: number | undefined;
}

export interface HeartbeatReading {
  readonly queries: LogQueries;
  /** The log group of the fleet's states. */
  readonly group: string;
  /** Wall-clock milliseconds. */
  readonly now: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (recordsScanned: number) => void;
}

/** The account has 100 queries at once for everybody, dashboards included (StartQuery). */
const QUERIES_AT_ONCE = 4;

/** Enough for millions of hosts, however they are named. */
const QUERIES_MAX = 200;

/**
 * Reads the heartbeats of the last two hours: one query, or, where that is too much for one, more
 * of the same over parts of the hosts.
 * @throws ServiceError; the signal's reason
 */
export async function readHeartbeats(reading: HeartbeatReading): Promise<FleetHeartbeats> {
  const { queries, group, now, signal, onProgress } = reading;
  const range = { group, startAt: now - HEARTBEAT_WINDOW_MS, endAt: now };
  const rows: QueryRow[] = [];
  const scanned = new Map<HostPart, number>();
  let parts: HostPart[] = [ALL_HOSTS];
  let asked = 0;
  let isCut = false;
  while (parts.length > 0) {
    const smaller: HostPart[] = [];
    asked += parts.length;
    await forEachConcurrently(each(parts), QUERIES_AT_ONCE, async (part) => {
      const query = { ...range, text: heartbeatQuery(part) };
      const found = await queries.run(query, signal, (records) => {
        scanned.set(part, records);
        onProgress?.([...scanned.values()].reduce((sum, one) => sum + one, 0));
      });
      const inside = found.length < ROWS_MAX ? undefined : partsOf(part);
      if (inside !== undefined && asked + smaller.length + inside.length <= QUERIES_MAX) {
        smaller.push(...inside);
      } else {
        isCut ||= found.length >= ROWS_MAX;
        for (const row of found) rows.push(row);
      }
    });
    parts = smaller;
  }
  const hosts = readHeartbeatRows(rows);
  if (!isCut) return { hosts, hostsInAll: undefined };
  const [count] = await queries.run({ ...range, text: HOST_COUNT_QUERY }, signal, onProgress);
  return { hosts, hostsInAll: Math.max(hosts.size, Number(count?.["hosts"] ?? 0)) };
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

/** Where the state records of a fleet go. */
export function stateLogGroup({ parameterRoot, fleet }: FleetPlace): string {
  return `${parameterRoot}/${fleet}`;
}

/** Where the records of single files go. */
export function filesLogGroup(place: FleetPlace): string {
  return `${stateLogGroup(place)}/files`;
}

/** The heartbeats as what a fleet's commands ask for. */
export function makeHeartbeatSource(options: {
  readonly queries: LogQueries;
  readonly parameterRoot: string;
  readonly clock: Clock;
}): HeartbeatSource {
  return {
    async liveHosts(fleet, signal) {
      const { hosts } = await readHeartbeats({
        queries: options.queries,
        group: stateLogGroup({ parameterRoot: options.parameterRoot, fleet }),
        now: options.clock.now(),
        signal,
      });
      return [...hosts.values()].map(liveHostOf);
    },
  };
}

function liveHostOf({ host, latest, heartbeatAt, configSince }: HostHeartbeats): LiveHost {
  const { refusal, refreshIntervalSeconds } = latest;
  return {
    host,
    version: latest.version,
    cohort: latest.cohort,
    configHash: latest.configHash,
    desiredHash: latest.desiredHash,
    ...(refusal === undefined ? {} : { refusal }),
    heartbeatAt,
    lastSweepAt: latest.lastSweepAt,
    waiting: latest.filesWaiting + latest.backlogFiles,
    oldestSeconds: latest.oldestSettledAgeSeconds,
    failed: latest.filesFailed,
    ...(refreshIntervalSeconds === undefined ? {} : { refreshIntervalSeconds }),
    configSince,
  };
}
