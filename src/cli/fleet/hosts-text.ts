import {
  countBy,
  type Filter,
  type HostStatus,
  type HostVerdict,
} from "../../fleet/hosts/verdict.ts";
import type { Palette } from "../../lib/palette.ts";
import { timeText } from "../../lib/time-text.ts";
import { formatBytes, formatDuration } from "../../lib/units.ts";
import { printable, table } from "../text.ts";

/** What `fleet hosts` found out. */
export interface HostsReport {
  readonly fleet: string;
  readonly group: string;
  /** Wall-clock milliseconds. */
  readonly now: number;
  readonly verdicts: readonly HostVerdict[];
  /** Of these, what was asked for. */
  readonly shown: readonly HostVerdict[];
  readonly filters: readonly Filter[];
  /** How many hosts there are, about, if they are too many to list. */
  readonly hostsInAll: number | undefined;
  /** Hosts with a heartbeat that is not older than a silent one's. */
  readonly hostsHeard: number;
  /** What the parameter `expected-hosts` says. */
  readonly expectedHosts: number | undefined;
  readonly notes: readonly string[];
}

const COLUMNS = [
  "host",
  "status",
  "heartbeat",
  "version",
  "configuration",
  "last sweep",
  "waiting",
];

/** A table, the worst hosts first, and counts of all hosts below it. */
export function hostsText(report: HostsReport, palette: Palette): string {
  const { shown, verdicts, filters, now, fleet, group } = report;
  const lines = [COLUMNS, ...shown.map((verdict) => cellsOf(verdict, now))];
  const [header = "", ...rows] = table([...lines.map((cells) => cells.map(printable))])
    .trimEnd()
    .split("\n");
  const body = rows.map((row, index) => painterOf(shown[index]?.status, palette)(row));
  const parts: string[] = [];
  if (shown.length > 0) parts.push([header, ...body, ""].join("\n"));
  if (verdicts.length === 0) {
    parts.push(`No host of fleet ${fleet} has sent a heartbeat in the last two hours (${group}).`);
  } else if (shown.length === 0) {
    parts.push(`No host of fleet ${fleet} is ${filters.join(" or ")}.`);
  }
  if (verdicts.length > 0) parts.push(...summaryOf(report));
  parts.push(...report.notes.map((note) => `note: ${printable(note)}`));
  return `${parts.join("\n")}\n`;
}

function cellsOf({ host, status, problems, heartbeats }: HostVerdict, now: number): string[] {
  const why = problems.map(({ text }) => text).join("; ");
  if (heartbeats === undefined) return [host, status, "-", "-", "-", "-", "-", why];
  const { latest, heartbeatAt } = heartbeats;
  const { lastSweepAt, backlogFiles, backlogBytes, filesWaiting, cohort } = latest;
  const waiting = backlogFiles === 0 ? "" : ` (${formatBytes(backlogBytes)})`;
  return [
    host,
    status,
    ago(heartbeatAt, now),
    latest.version,
    configText(latest.configHash, cohort),
    lastSweepAt === undefined ? "-" : ago(lastSweepAt, now),
    `${backlogFiles + filesWaiting}${waiting}`,
    why,
  ];
}

function configText(hash: string, cohort: string): string {
  const known = hash === "" ? "none" : hash;
  return cohort === "canary" ? `${known} canary` : known;
}

/** A host's clock may be before ours. */
function ago(at: number, now: number): string {
  return `${formatDuration(Math.max(0, now - at))} ago`;
}

const COLOURS: Readonly<Partial<Record<HostStatus, keyof Palette>>> = {
  silent: "red",
  absent: "red",
  refused: "red",
  failing: "red",
  cloned: "red",
  backlog: "yellow",
  behind: "yellow",
  starting: "dim",
  gone: "dim",
};

function painterOf(status: HostStatus | undefined, palette: Palette): (line: string) => string {
  const colour = status === undefined ? undefined : COLOURS[status];
  return colour === undefined ? (line) => line : palette[colour];
}

function* summaryOf(report: HostsReport): Generator<string> {
  const { verdicts, hostsInAll, expectedHosts, hostsHeard } = report;
  const counts = countBy(verdicts, ({ status }) => status);
  yield `${verdicts.length} hosts: ${list(counts)}`;
  if (hostsInAll !== undefined) {
    yield `${verdicts.length} of about ${hostsInAll} shown: the others are too many for the service to list`;
  }
  if (expectedHosts !== undefined && hostsHeard !== expectedHosts) {
    yield `expected-hosts says ${expectedHosts}; ${hostsHeard} sent a heartbeat in the last 15 minutes`;
  }
  const unexpected = verdicts.filter(({ isExpected }) => isExpected === false).length;
  if (unexpected > 0) yield `${unexpected} hosts sent heartbeats and are not expected`;
  const { versions, configurations } = tallies(verdicts);
  if (versions.size > 0) yield printable(`versions: ${list(versions)}`);
  const wanted = new Set(verdicts.map(({ desired }) => desired?.hash));
  const marked = [...configurations].map(([hash, count]) => {
    return [wanted.has(hash) ? `${hash} (wanted)` : hash, count] as const;
  });
  if (marked.length > 0) yield printable(`configurations in effect: ${list(marked)}`);
  for (const [refusal, count] of refusals(verdicts)) {
    yield printable(`what the parameters say now is no good for ${count} hosts: ${refusal}`);
  }
}

function tallies(verdicts: readonly HostVerdict[]) {
  const latest = verdicts.flatMap(({ heartbeats }) => heartbeats?.latest ?? []);
  return {
    versions: countBy(latest, ({ version }) => version),
    configurations: countBy(latest, ({ configHash }) => configHash || "none"),
  };
}

function refusals(verdicts: readonly HostVerdict[]): ReadonlyMap<string, number> {
  return countBy(
    verdicts.flatMap(({ desired }) => desired?.refusal ?? []),
    (refusal) => refusal,
  );
}

function list(counts: Iterable<readonly [string, number]>): string {
  return [...counts].map(([what, count]) => `${count} ${what}`).join(", ");
}

/** The same as one JSON object, which `--expect` takes as a list of hosts. */
export function hostsJson(report: HostsReport): string {
  const { fleet, now, shown, verdicts, hostsInAll, expectedHosts, hostsHeard, notes } = report;
  const { versions, configurations } = tallies(verdicts);
  const answer = {
    fleet,
    at: timeText(now),
    isComplete: hostsInAll === undefined,
    hostsInAll: hostsInAll ?? verdicts.length,
    hostsHeard,
    expectedHosts: expectedHosts ?? null,
    counts: Object.fromEntries(countBy(verdicts, ({ status }) => status)),
    versions: Object.fromEntries(versions),
    configurations: Object.fromEntries(configurations),
    notes,
    hosts: shown.map(hostJson),
  };
  return `${JSON.stringify(answer)}\n`;
}

function hostJson({ host, status, problems, heartbeats, desired, isExpected }: HostVerdict) {
  const known = {
    host,
    status,
    problems,
    ...(isExpected === undefined ? {} : { isExpected }),
    ...(desired === undefined ? {} : { wantedHash: desired.hash }),
  };
  if (heartbeats === undefined) return { ...known, heartbeatAt: null };
  const { latest, heartbeatAt, configSince, machines } = heartbeats;
  return {
    ...known,
    ...latest,
    heartbeatAt: timeText(heartbeatAt),
    configSince: timeText(configSince),
    configReadAt: timeText(latest.configReadAt),
    lastSweepAt: timeText(latest.lastSweepAt),
    credentialsExpireAt: timeText(latest.credentialsExpireAt),
    machines: machines.map(({ machine, firstAt, lastAt }) => ({
      machine,
      firstAt: timeText(firstAt),
      lastAt: timeText(lastAt),
    })),
  };
}
