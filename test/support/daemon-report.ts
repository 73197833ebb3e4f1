import type { DaemonView } from "../../src/agent/daemon-view.ts";
import type { DaemonReport } from "../../src/cli/daemon-status.ts";
import { VERSION } from "../../src/lib/version.ts";

/** When the daemon of these tests wrote down how it is; wall-clock milliseconds. */
export const WRITTEN_AT = Date.parse("2026-11-24T12:00:00.000Z");

/** What a daemon that is well says of itself, with changes. */
export function viewOf(changes: Partial<DaemonView> = {}): DaemonView {
  return {
    pid: 42,
    version: VERSION,
    fleet: "web",
    host: "host-1",
    stateDirectory: "/state",
    startedAt: WRITTEN_AT - 3_600_000,
    writtenAt: WRITTEN_AT,
    isStopping: false,
    configuration: configurationOf(),
    routes: [routeOf()],
    credentials: { source: "environment", expiresAt: undefined, failure: undefined },
    logs: { waiting: 0, dropped: 0 },
    ...changes,
  };
}

export function configurationOf(
  changes: Partial<DaemonView["configuration"]> = {},
): DaemonView["configuration"] {
  return {
    effectiveHash: "aaaaaaaaaaaa",
    desiredHash: "aaaaaaaaaaaa",
    cohort: "stable",
    refusal: undefined,
    unreachable: undefined,
    unreachableSince: undefined,
    readAt: WRITTEN_AT - 60_000,
    answeredAt: WRITTEN_AT - 60_000,
    nextPollAt: WRITTEN_AT + 60_000,
    ...changes,
  };
}

export function routeOf(
  changes: Partial<DaemonView["routes"][number]> = {},
): DaemonView["routes"][number] {
  return {
    route: "default",
    directory: "/var/spool/s3-offload",
    nextSweepAt: WRITTEN_AT + 60_000,
    isSweeping: false,
    isLate: false,
    failure: undefined,
    lastSweep: undefined,
    ...changes,
  };
}

/** A daemon that runs. */
export function running(changes: Partial<DaemonView> = {}): DaemonReport {
  return { view: viewOf(changes), liveness: { kind: "running" }, unreadable: undefined };
}

/** A daemon that is there no longer. */
export function gone(changes: Partial<DaemonView> = {}): DaemonReport {
  return { view: viewOf(changes), liveness: { kind: "gone" }, unreadable: undefined };
}
