import { secondsSince, timeText } from "../lib/time-text.ts";
import { fleetMetrics } from "../logs/emf.ts";
import type { FieldsOf } from "../logs/events.ts";
import type { DaemonState } from "./daemon-state.ts";
import type { LaneReport } from "./lane.ts";
import type { SweepCounts } from "./sweep-counts.ts";

export interface HeartbeatSource extends DaemonState {
  /** When the slot began, in wall-clock milliseconds. */
  readonly slotAt: number;
  /** Since the last heartbeat. */
  readonly sweeps: SweepCounts;
  /** The least of the state directory and the watched ones. Undefined: not known. */
  readonly freePercent: number | undefined;
}

/**
 * The members of a heartbeat: enough to see, host by host, whether it works and by which
 * configuration. That it is written shows that the process lives; `lastSweepAt` and `isLate` show
 * whether it works.
 */
export function heartbeatFields(source: HeartbeatSource): FieldsOf<"agent.heartbeat"> {
  const { refresh, lanes, config, credentials, now, freePercent } = source;
  const sweeps = lanes.flatMap(({ lastSweep }) => lastSweep ?? []);
  const sum = (of: (sweep: (typeof sweeps)[number]) => number) =>
    sweeps.reduce((total, sweep) => total + of(sweep), 0);
  const endedAt = sweeps.map(({ startedAt, durationMs }) => startedAt + durationMs);
  const failure = lanes.find((lane) => lane.failure !== undefined)?.failure;
  const isLate = lanes.some((lane) => lane.isLate);
  const filesWaiting = sum((sweep) => sweep.filesWaiting);
  const filesInQuarantine = sum((sweep) => sweep.filesInQuarantine);
  const filesUndeletable = sum((sweep) => sweep.filesUndeletable);
  const backlogFiles = sum((sweep) => sweep.backlogFiles);
  const backlogBytes = sum((sweep) => sweep.backlogBytes);
  const oldestSettledAgeSeconds = Math.max(0, ...lanes.map(oldestAgeOf));
  const credentialsLifeSeconds =
    credentials.expiresAt === undefined ? undefined : secondsSince(now, credentials.expiresAt);
  const metrics = {
    Heartbeats: 1,
    ExpectedHosts: config?.expectedHosts,
    HostsLate: Number(isLate),
    HostsBehind: Number(config === undefined || refresh.desiredHash !== refresh.effectiveHash),
    HostsRefusing: Number(refresh.refusal !== undefined),
    HostsCutOff: Number(refresh.unreachable !== undefined),
    HostsLosingCredentials: Number(credentials.failure !== undefined),
    CredentialsLifeSeconds: credentialsLifeSeconds,
    ConfigAgeSeconds: config && secondsSince(config.readAt, now),
    SweepsStarted: source.sweeps.started,
    SweepsCompleted: source.sweeps.completed,
    SweepsFailed: source.sweeps.failed,
    SweepsOverran: source.sweeps.overran,
    SweepsMissed: source.sweeps.missed,
    FilesWaiting: filesWaiting,
    FilesInQuarantine: filesInQuarantine,
    FilesUndeletable: filesUndeletable,
    BacklogFiles: backlogFiles,
    BacklogBytes: backlogBytes,
    OldestSettledAgeSeconds: oldestSettledAgeSeconds,
    FreePercent: freePercent,
    LogEventsWaiting: source.logs.waiting,
  };
  return {
    slot: timeText(source.slotAt),
    startedAt: timeText(source.startedAt),
    cohort: config?.cohort,
    machine: source.machine,
    configHash: refresh.effectiveHash,
    desiredHash: refresh.desiredHash,
    refusal: refresh.refusal,
    unreachable: refresh.unreachable?.message,
    configReadAt: timeText(config?.readAt),
    // Of several routes, the one whose last sweep is longest ago: it is what stands still.
    lastSweepAt:
      sweeps.length === 0 || sweeps.length < lanes.length
        ? undefined
        : timeText(Math.min(...endedAt)),
    isLate,
    sweepFailure: failure,
    routesSwept: lanes.length,
    filesWaiting,
    filesFailed: sum((sweep) => sweep.filesFailed),
    filesQuarantined: sum((sweep) => sweep.filesQuarantined),
    filesInQuarantine,
    filesUndeletable,
    backlogFiles,
    backlogBytes,
    oldestSettledAgeSeconds,
    freePercent,
    refreshIntervalSeconds:
      config === undefined ? undefined : config.settings["refresh-interval"] / 1_000,
    credentialsSource: credentials.source,
    credentialsExpireAt: timeText(credentials.expiresAt),
    credentialsLifeSeconds,
    credentialsFailure: credentials.failure,
    logEventsDropped: source.logs.dropped,
    logEventsWaiting: source.logs.waiting,
    ...fleetMetrics(source.fleet, metrics, now),
  };
}

/** A file that stays grows older between two sweeps too. */
function oldestAgeOf({ lastSweep, sinceSweepMs = 0 }: LaneReport): number {
  if (lastSweep === undefined || lastSweep.backlogFiles === 0) return 0;
  return lastSweep.oldestSettledAgeSeconds + Math.round(sinceSweepMs / 1_000);
}
