import { formatBytes } from "../lib/units.ts";
import type { DaemonState } from "./daemon-state.ts";
import type { LaneReport } from "./lane.ts";

/** So much of a reason is shown, that what the daemon does has room beside it in one line. */
const REASON_LENGTH_MAX = 120;

/** A sweep begins within a second of its time; what is late by more waits for something. */
const DUE_MS = 2_000;

/**
 * What `systemctl status` shows of a daemon, in one line: what is wrong comes first, and then what
 * it does. It names no file, and no secret is in what it is made of. Pure.
 */
export function serviceStatus(state: DaemonState): string {
  if (state.isStopping) return stoppingText(state);
  const { config, refresh, credentials } = state;
  if (config === undefined) {
    const reason = refresh.refusal ?? credentials.failure ?? refresh.unreachable?.message;
    const what = reason === undefined ? askedText(state) : short(reason);
    return `waiting for the first configuration: ${what}`;
  }
  return [...troubles(state), activityText(state)].join("; ");
}

function stoppingText({ lanes, logs }: DaemonState): string {
  const files = sum(lanes, ({ underWay }) => underWay?.filesInFlight ?? 0);
  if (files > 0) return `stopping: ${counted(files, "file")} in flight`;
  if (lanes.some(({ isSweeping }) => isSweeping)) return "stopping: a sweep ends";
  return `stopping: ${counted(logs.waiting, "log record")} to send`;
}

function askedText({ refresh, now }: DaemonState): string {
  if (refresh.nextPollAt === undefined) return "the Parameter Store is asked";
  return `the Parameter Store is asked ${inText(refresh.nextPollAt - now)}`;
}

function troubles({ refresh, credentials, lanes }: DaemonState): readonly string[] {
  const failed = lanes.filter(({ failure }) => failure !== undefined);
  const isOnly = lanes.length === 1;
  const found = [
    credentials.failure,
    ...failed.map(({ route, failure = "" }) => (isOnly ? failure : `route ${route}: ${failure}`)),
    refresh.refusal && `configuration refused: ${refresh.refusal}`,
    refresh.unreachable && `parameters cannot be read: ${refresh.unreachable.message}`,
  ].filter((text) => text !== undefined);
  const [first] = found;
  if (first === undefined) return [];
  return [short(first), ...(found.length > 1 ? [`${found.length - 1} more`] : [])];
}

function activityText({ lanes, now }: DaemonState): string {
  if (lanes.length === 0) return "no directory to sweep";
  const sweeping = lanes.filter(({ isSweeping }) => isSweeping);
  const done = sum(sweeping, ({ underWay }) => underWay?.filesDone ?? 0);
  const inFlight = sum(sweeping, ({ underWay }) => underWay?.filesInFlight ?? 0);
  const what =
    sweeping.length > 0
      ? `sweeping${routesText(sweeping, lanes)}: ${counted(done, "file")} done, ${inFlight} in flight`
      : nextText(lanes, now);
  return [what, ...leftText(lanes)].join(", ");
}

function routesText(sweeping: readonly LaneReport[], all: readonly LaneReport[]): string {
  return all.length === 1 ? "" : ` ${sweeping.length} of ${all.length} routes`;
}

function nextText(lanes: readonly LaneReport[], now: number): string {
  const times = lanes.flatMap(({ nextSweepAt }) => nextSweepAt ?? []);
  return times.length === 0
    ? "no sweep is due yet"
    : `next sweep ${inText(Math.min(...times) - now)}`;
}

/** What the last sweeps have left. */
function leftText(lanes: readonly LaneReport[]): readonly string[] {
  const of = (count: (sweep: NonNullable<LaneReport["lastSweep"]>) => number) =>
    sum(lanes, ({ lastSweep }) => (lastSweep === undefined ? 0 : count(lastSweep)));
  const waiting = of(({ filesWaiting }) => filesWaiting);
  const backlog = of(({ backlogFiles }) => backlogFiles);
  const bytes = of(({ backlogBytes }) => backlogBytes);
  const quarantined = of(({ filesInQuarantine }) => filesInQuarantine);
  return [
    `${counted(waiting, "file")} waiting`,
    ...(backlog > 0 ? [`${backlog} in the backlog (${formatBytes(bytes)})`] : []),
    ...(quarantined > 0 ? [`${quarantined} in quarantine`] : []),
    ...(lanes.some(({ isLate }) => isLate) ? ["LATE"] : []),
  ];
}

/** Coarse, so that a line that is a few seconds old is still right. */
function inText(ms: number): string {
  if (ms <= DUE_MS) return "now";
  const seconds = Math.round(ms / 1_000);
  if (seconds < 90) return `in ${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `in ${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `in ${hours} h` : `in ${Math.round(hours / 24)} days`;
}

function short(reason: string): string {
  const characters = [...reason.replace(/\s+/g, " ").trim().replace(/\.$/, "")];
  if (characters.length <= REASON_LENGTH_MAX) return characters.join("");
  return `${characters.slice(0, REASON_LENGTH_MAX - 1).join("")}…`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function sum(lanes: readonly LaneReport[], of: (lane: LaneReport) => number): number {
  return lanes.reduce((total, lane) => total + of(lane), 0);
}
