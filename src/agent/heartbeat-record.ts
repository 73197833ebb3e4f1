import { timeText } from "../lib/time-text.ts";
import { emfFields, type Metrics } from "../logs/emf.ts";
import type { FieldsOf } from "../logs/events.ts";
import type { DaemonState } from "./daemon-state.ts";

/**
 * The members of a heartbeat: enough to see, host by host, whether it works and by which
 * configuration. That it is written shows that the process lives; `lastSweepAt` shows that it works.
 */
export function heartbeatFields(
  source: DaemonState & { readonly slotAt: number },
): FieldsOf<"agent.heartbeat"> {
  const { refresh, lanes, config, now } = source;
  const sweeps = lanes.flatMap(({ lastSweep }) => lastSweep ?? []);
  const sum = (of: (sweep: (typeof sweeps)[number]) => number) =>
    sweeps.reduce((total, sweep) => total + of(sweep), 0);
  const endedAt = sweeps.map(({ startedAt, durationMs }) => startedAt + durationMs);
  const failure = lanes.find((lane) => lane.failure !== undefined)?.failure;
  const isBehind = refresh.desiredHash !== refresh.effectiveHash || config === undefined;
  const metrics: Metrics = {
    Heartbeats: [1, "Count"],
    HostsBehind: [isBehind ? 1 : 0, "Count"],
    HostsRefusing: [refresh.refusal === undefined ? 0 : 1, "Count"],
    ...(config?.expectedHosts === undefined
      ? {}
      : { ExpectedHosts: [config.expectedHosts, "Count"] as const }),
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
    sweepFailure: failure,
    routesSwept: lanes.length,
    filesWaiting: sum((sweep) => sweep.filesWaiting),
    filesFailed: sum((sweep) => sweep.filesFailed),
    filesQuarantined: sum((sweep) => sweep.filesQuarantined),
    filesUndeletable: sum((sweep) => sweep.filesUndeletable),
    backlogFiles: sum((sweep) => sweep.backlogFiles),
    backlogBytes: sum((sweep) => sweep.backlogBytes),
    oldestSettledAgeSeconds: Math.max(0, ...sweeps.map((one) => one.oldestSettledAgeSeconds)),
    refreshIntervalSeconds:
      config === undefined ? undefined : config.settings["refresh-interval"] / 1_000,
    credentialsSource: source.credentials.source,
    credentialsExpireAt: timeText(source.credentials.expiresAt),
    credentialsFailure: source.credentials.failure,
    logEventsDropped: source.logs.dropped,
    ...emfFields(metrics, { Fleet: source.fleet, Cohort: config?.cohort ?? "stable" }, now),
  };
}
