import type { QueryRow } from "../../src/fleet/log-queries.ts";

/** The moment at which pure tests look at a fleet. */
export const NOW = Date.parse("2026-11-24T12:00:00Z");

/** A healthy host's heartbeat, as its agent writes it. @param more in its place or on top */
export function heartbeatRecord(
  host: string,
  at: number,
  more: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  const time = new Date(at).toISOString();
  return {
    level: "info",
    time,
    host,
    fleet: "web",
    version: "0.1.0",
    event: "agent.heartbeat",
    cohort: "stable",
    machine: "0123456789ab",
    slot: new Date(Math.floor(at / 300_000) * 300_000).toISOString(),
    configHash: "aaaaaaaaaaaa",
    desiredHash: "aaaaaaaaaaaa",
    configReadAt: new Date(at - 60_000).toISOString(),
    lastSweepAt: new Date(at - 120_000).toISOString(),
    filesWaiting: 1,
    filesFailed: 0,
    isLate: false,
    filesQuarantined: 0,
    filesInQuarantine: 0,
    filesUndeletable: 0,
    backlogFiles: 0,
    backlogBytes: 0,
    oldestSettledAgeSeconds: 0,
    refreshIntervalSeconds: 600,
    credentialsSource: "environment",
    ...more,
  };
}

/** A row of the heartbeat query: a host that has been well for an hour. */
export function heartbeatRow(
  host: string,
  {
    firstAt = NOW - 3_600_000,
    lastAt = NOW - 60_000,
    ...more
  }: { firstAt?: number; lastAt?: number; [member: string]: unknown } = {},
): QueryRow {
  const record = heartbeatRecord(host, lastAt, more);
  return {
    host,
    machine: String(record["machine"]),
    configHash: String(record["configHash"]),
    heartbeat: JSON.stringify(record),
    firstAt: String(firstAt),
    lastAt: String(lastAt),
  };
}
