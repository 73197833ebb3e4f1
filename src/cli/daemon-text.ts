import type { DaemonView } from "../agent/daemon-view.ts";
import { formatBytes, formatDuration } from "../lib/units.ts";
import { type DaemonReport, overdueMsOf } from "./daemon-status.ts";

/** A sweep begins within a second of its time; what is late by more is told. */
const LATE_MS_MIN = 60_000;

/** What `status` tells people of the daemon, a line each. Pure. @param now wall-clock milliseconds */
export function daemonLines(report: DaemonReport, now: number): readonly string[] {
  const { view, liveness } = report;
  const ago = (ms: number) => `${formatDuration(now - ms)} ago`;
  const held = liveness.kind === "held" ? [`process ${liveness.by} has the state directory`] : [];
  if (view === undefined) {
    const why =
      report.unreadable === undefined ? "" : `, or it cannot be read (${report.unreadable})`;
    return [
      `daemon        none has told of itself${why}${held.map((text) => `; ${text}`).join("")}`,
    ];
  }
  if (liveness.kind !== "running") {
    const how = view.isStopping ? "stopped" : "NOT RUNNING, last heard of";
    const by = held.map((text) => `; ${text}`).join("");
    return [`daemon        ${how} ${ago(view.writtenAt)}${by}`];
  }
  const since = view.startedAt === undefined ? "" : ` for ${formatDuration(now - view.startedAt)}`;
  return [
    `daemon        running${since}, process ${view.pid}, version ${view.version ?? "unknown"}`,
    ...configurationLines(view, now),
    ...credentialsLines(view, now),
    `log records   ${view.logs.waiting ?? 0} waiting, ${view.logs.dropped ?? 0} dropped since its start`,
  ];
}

function configurationLines({ configuration }: DaemonView, now: number): readonly string[] {
  const { effectiveHash, desiredHash, cohort, refusal, unreachable } = configuration;
  const { answeredAt, nextPollAt, unreachableSince } = configuration;
  const parts = [
    effectiveHash === undefined ? "none yet" : `${effectiveHash} in effect`,
    ...(cohort === undefined ? [] : [`cohort ${cohort}`]),
    ...(answeredAt === undefined ? [] : [`last answer ${formatDuration(now - answeredAt)} ago`]),
    ...(nextPollAt === undefined ? [] : [`next poll ${inText(nextPollAt - now)}`]),
  ];
  const isBehind = desiredHash !== undefined && desiredHash !== effectiveHash;
  const note = (text: string) => `              ${text}`;
  return [
    `configuration ${parts.join(", ")}`,
    ...(isBehind ? [note(`desired: ${desiredHash}`)] : []),
    ...(refusal === undefined ? [] : [note(`REFUSED: ${refusal}`)]),
    ...(unreachable === undefined
      ? []
      : [
          note(
            `UNREACHABLE for ${formatDuration(now - (unreachableSince ?? now))}: ${unreachable}`,
          ),
        ]),
  ];
}

function credentialsLines({ credentials }: DaemonView, now: number): readonly string[] {
  const { source, expiresAt, failure } = credentials;
  if (source === undefined && failure === undefined) return [];
  const life =
    expiresAt === undefined
      ? ""
      : expiresAt > now
        ? `, ${formatDuration(expiresAt - now)} left`
        : `, ended ${formatDuration(now - expiresAt)} ago`;
  return [
    `credentials   ${source ?? "none"}${life}`,
    ...(failure === undefined ? [] : [`              ${failure}`]),
  ];
}

/** What the daemon says of one route's sweeps. Pure. */
export function nextSweepLines(
  route: DaemonView["routes"][number],
  now: number,
): readonly string[] {
  const { nextSweepAt, isSweeping, isLate, failure } = route;
  const lines = failure === undefined ? [] : [`FAILED        ${failure}`];
  if (isSweeping) return [...lines, `next sweep    under way${isLate ? ", LATE" : ""}`];
  if (nextSweepAt === undefined) return lines;
  const lateMs = overdueMsOf(route, now);
  const text =
    lateMs > LATE_MS_MIN ? `OVERDUE by ${formatDuration(lateMs)}` : inText(nextSweepAt - now);
  return [...lines, `next sweep    ${text}`];
}

/** The last sweep as the daemon tells it, for who may not read the state directory. Pure. */
export function lastSweepLines(
  { lastSweep: sweep, directory }: DaemonView["routes"][number],
  now: number,
): readonly string[] {
  if (sweep === undefined) return ["no sweep has been completed yet"];
  const lines = [
    `last sweep    ${formatDuration(now - sweep.startedAt)} ago, of ${directory ?? "its directory"}, in ${formatDuration(sweep.durationMs)}`,
    `              ${sweep.filesRemoved} removed, ${sweep.filesFailed} failed, ${sweep.filesWaiting} waiting`,
  ];
  if (sweep.filesInQuarantine > 0 || sweep.filesUndeletable > 0) {
    lines.push(
      `              ${sweep.filesInQuarantine} in quarantine, ${sweep.filesUndeletable} not removable`,
    );
  }
  if (sweep.backlogFiles > 0) {
    const oldest = formatDuration(sweep.oldestSettledAgeSeconds * 1_000);
    lines.push(
      `              backlog ${sweep.backlogFiles} files (${formatBytes(sweep.backlogBytes)}), the oldest settled for ${oldest}`,
    );
  }
  return lines;
}

function inText(ms: number): string {
  return ms <= 0 ? "now" : `in ${formatDuration(ms)}`;
}
