import { SLOT_MS } from "../../agent/heartbeats.ts";
import { formatDuration } from "../../lib/units.ts";
import { VERSION } from "../../lib/version.ts";
import { type DaemonReport, daemonNeeds } from "../daemon-status.ts";
import { ok, problem, type Verdict, warning } from "./check.ts";

/** Whether the daemon is at work, and sweeps in time. Pure. @param now wall-clock milliseconds */
export function daemonVerdict(report: DaemonReport, now: number): Verdict {
  const { view, liveness, unreadable } = report;
  if (view === undefined) {
    if (unreadable === undefined) return ok("none has told of itself");
    return warning(
      `What it tells of itself cannot be read: ${unreadable}.`,
      "Run doctor as the agent's user or as root.",
    );
  }
  const needs = daemonNeeds(report, now);
  if (needs.length > 0) {
    return problem(needs.join(" "), "See s3-offload-agent status.");
  }
  if (liveness.kind === "held") {
    return ok(`process ${liveness.by} is at work, and has not told of itself`);
  }
  if (liveness.kind === "gone") {
    return ok(`stopped ${formatDuration(now - view.writtenAt)} ago`);
  }
  const since = view.startedAt === undefined ? "" : ` for ${formatDuration(now - view.startedAt)}`;
  if (view.version !== VERSION) {
    return warning(
      `Version ${view.version ?? "unknown"} is running, and ${VERSION} is installed.`,
      "Restart it: systemctl restart s3-offload-agent.",
    );
  }
  return ok(`running${since}, process ${view.pid}, version ${VERSION}`);
}

/** Three periods without a heartbeat raise the alarm of silence. */
const SILENT_MS_MAX = 3 * SLOT_MS;

/**
 * Whether the daemon's last heartbeat is as young as it must be. Pure.
 * @param lastSlot the number of the slot of the last one; undefined: none is known
 */
export function heartbeatVerdict(
  { view, liveness }: DaemonReport,
  lastSlot: number | undefined,
  now: number,
): Verdict {
  const lastAt = lastSlot === undefined ? undefined : lastSlot * SLOT_MS;
  const told = lastAt === undefined ? "none yet" : `the last in the period from ${isoOf(lastAt)}`;
  if (liveness.kind === "held") return ok(`${told}; process ${liveness.by} is at work`);
  if (liveness.kind === "gone") return ok(`${told}; no daemon is at work`);
  const since = Math.max(lastAt ?? 0, view?.startedAt ?? 0);
  if (now - since > SILENT_MS_MAX) {
    return problem(
      `There was none for ${formatDuration(now - since)}: ${told}.`,
      "See the daemon's log (journalctl -u s3-offload-agent), and whether the state directory can be written.",
    );
  }
  return ok(told);
}

/** Whether records get to CloudWatch Logs, as the daemon tells it. Pure. */
export function recordsVerdict({ view, liveness }: DaemonReport): Verdict {
  if (view === undefined || liveness.kind !== "running") return ok("no daemon tells of them");
  const { waiting = 0, dropped = 0 } = view.logs;
  const told = `${waiting} wait, ${dropped} were dropped since the daemon's start`;
  if (dropped === 0) return ok(told);
  return warning(
    `Log records were lost: ${told}.`,
    "See why: journalctl -u s3-offload-agent | grep -e logs.unavailable -e logs.dropped -e logs.rejected; log-spool-limit gives them more room.",
  );
}

/** What a damaged file may hold is no time. */
function isoOf(ms: number): string {
  const time = new Date(ms);
  return Number.isNaN(time.getTime()) ? "an unknown time" : time.toISOString();
}
