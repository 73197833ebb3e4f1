import type { QueryRow } from "../log-queries.ts";
import { type Heartbeat, parseHeartbeat } from "./heartbeat.ts";

/** Heartbeats are looked for so far back: a host that fell silent is still named for this long. */
export const HEARTBEAT_WINDOW_MS = 2 * 3_600_000;

/**
 * Most rows of one query; the service hands them out in pages of 10,000.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-Limit.html
 */
export const ROWS_MAX = 100_000;

/**
 * Some of the hosts: those whose id ends in a way that a regular expression tells. Every host id
 * ends in something, instance ids and numbered names evenly so. Pages by order would not do: `sort`
 * orders numbers in names by their size (CWL_QuerySyntax-Sort), and comparisons do not say that
 * they do.
 */
export type HostPart = string;

/** All hosts. */
export const ALL_HOSTS: HostPart = "";

const ENDINGS = [..."0123456789abcdef", "[^0-9a-f]"];

/**
 * The parts of a part: one more character of the ids counts.
 * @returns undefined if it has none: such ids are told apart in every character
 */
export function partsOf(part: HostPart): readonly HostPart[] | undefined {
  if (part.startsWith("^")) return undefined;
  const longer = ENDINGS.map((ending) => `${ending}${part}`);
  return part === ALL_HOSTS ? longer : [...longer, `^${part}`];
}

/**
 * The query for the heartbeats of the last hours, in the query language of CloudWatch Logs Insights
 * (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html, with the pages
 * -Filter, -Stats and -Limit below it). It takes whole records, not members: `latest(refusal)` need
 * not be of the record that has the latest `configHash`, because a member that is missing may be
 * passed over. A row is a time in which a machine had a configuration, so that one host id on two
 * machines shows, and since when a configuration is in effect.
 */
export function heartbeatQuery(part: HostPart): string {
  return [
    `filter event = "agent.heartbeat"${part === ALL_HOSTS ? "" : ` and host like /${part}$/`}`,
    "stats latest(@message) as heartbeat, min(@timestamp) as firstAt, max(@timestamp) as lastAt by host, machine, configHash",
    `limit ${ROWS_MAX}`,
  ].join(" | ");
}

/** The query for how many hosts there are; the service answers about so many if they are many. */
export const HOST_COUNT_QUERY =
  'filter event = "agent.heartbeat" | stats count_distinct(host) as hosts';

/** A machine that spoke under a host's id, and when. Wall-clock milliseconds. */
export interface Machine {
  readonly machine: string;
  readonly firstAt: number;
  readonly lastAt: number;
}

/** What the heartbeats of one host say together. */
export interface HostHeartbeats {
  readonly host: string;
  readonly latest: Heartbeat;
  /** Of the latest one, in wall-clock milliseconds. */
  readonly heartbeatAt: number;
  /** The earliest heartbeat since when this configuration was in effect without a break. */
  readonly configSince: number;
  /** More than one: see `isCloned`. */
  readonly machines: readonly Machine[];
}

/** Puts rows together, in whatever order they come. What cannot be read is left out. */
export function readHeartbeatRows(rows: Iterable<QueryRow>): ReadonlyMap<string, HostHeartbeats> {
  const hosts = new Map<string, Span[]>();
  for (const row of rows) {
    const span = spanOf(row);
    if (span === undefined) continue;
    const spans = hosts.get(span.host);
    if (spans === undefined) hosts.set(span.host, [span]);
    else spans.push(span);
  }
  return new Map([...hosts].map(([host, spans]) => [host, together(host, spans)]));
}

/** Whether two machines spoke under one id in turns, which one that was replaced never does. */
export function isCloned({ machines }: Pick<HostHeartbeats, "machines">): boolean {
  return machines.some((one, index) =>
    machines
      .slice(0, index)
      .some((other) => one.firstAt <= other.lastAt && other.firstAt <= one.lastAt),
  );
}

interface Span extends Machine {
  readonly host: string;
  readonly heartbeat: Heartbeat;
}

function spanOf(row: QueryRow): Span | undefined {
  const { host = "", machine = "", heartbeat: line = "" } = row;
  const [firstAt, lastAt] = [timeOf(row["firstAt"]), timeOf(row["lastAt"])];
  const heartbeat = parseHeartbeat(line);
  const isWhole = host !== "" && heartbeat !== undefined;
  if (!isWhole || firstAt === undefined || lastAt === undefined) return undefined;
  return { host, machine, firstAt, lastAt, heartbeat };
}

function together(host: string, spans: readonly Span[]): HostHeartbeats {
  const latest = spans.reduce((one, other) => (other.lastAt > one.lastAt ? other : one));
  const isSame = ({ heartbeat }: Span) => heartbeat.configHash === latest.heartbeat.configHash;
  const since = Math.min(...spans.filter(isSame).map(({ firstAt }) => firstAt));
  const hasBreak = spans.some((span) => !isSame(span) && span.lastAt >= since);
  const machines = Map.groupBy(spans, ({ machine }) => machine);
  return {
    host,
    latest: latest.heartbeat,
    heartbeatAt: latest.lastAt,
    configSince: hasBreak ? latest.lastAt : since,
    machines: [...machines].map(([machine, own]) => ({
      machine,
      firstAt: Math.min(...own.map(({ firstAt }) => firstAt)),
      lastAt: Math.max(...own.map(({ lastAt }) => lastAt)),
    })),
  };
}

/** The service gives times as milliseconds where they were computed, and as text where not, in UTC. */
function timeOf(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  const ms = Number(text);
  const time = Number.isNaN(ms) ? Date.parse(`${text.replace(" ", "T")}Z`) : ms;
  return Number.isNaN(time) ? undefined : time;
}
