import type { Config } from "../config/config.ts";
import { timeText } from "../lib/time-text.ts";
import type { RefreshReport } from "../refresh/refresh-log.ts";
import type { LaneReport } from "./lane.ts";

/** How a daemon is at one moment. Times are wall-clock milliseconds. */
export interface DaemonState {
  readonly fleet: string;
  readonly host: string;
  readonly version: string;
  readonly pid: number;
  readonly stateDirectory: string;
  readonly startedAt: number;
  readonly now: number;
  /** Tells this machine from another one under the same host id. */
  readonly machine: string | undefined;
  readonly config: Config | undefined;
  readonly refresh: RefreshReport;
  readonly lanes: readonly LaneReport[];
  readonly credentials: {
    readonly source?: string;
    readonly expiresAt?: number | undefined;
    readonly accessKeyId?: string;
    readonly failure: string | undefined;
  };
  /** Log records that wait to be sent, and that were lost because of a limit. */
  readonly logs: { readonly waiting: number; readonly dropped: number };
  readonly isStopping: boolean;
}

/**
 * What the daemon writes down of itself for `status`, as JSON. Times are ISO 8601; what is not
 * known is left out.
 */
export function daemonStatus(state: DaemonState) {
  const { config, refresh, lanes, logs } = state;
  return {
    version: state.version,
    pid: state.pid,
    fleet: state.fleet,
    host: state.host,
    machine: state.machine,
    stateDirectory: state.stateDirectory,
    startedAt: timeText(state.startedAt),
    writtenAt: timeText(state.now),
    isStopping: state.isStopping,
    configuration: {
      effectiveHash: refresh.effectiveHash,
      desiredHash: refresh.desiredHash,
      cohort: config?.cohort,
      refusal: refresh.refusal,
      unreachable: refresh.unreachable?.message,
      unreachableSince: timeText(refresh.unreachable?.since),
      readAt: timeText(config?.readAt),
      answeredAt: timeText(refresh.answeredAt),
      nextPollAt: timeText(refresh.nextPollAt),
      unknown: config?.unknown,
    },
    routes: lanes.map(
      ({ route, directory, nextSweepAt, isSweeping, isLate, lastSweep, failure }) => ({
        route,
        directory,
        nextSweepAt: timeText(nextSweepAt),
        isSweeping,
        isLate,
        failure,
        lastSweep: lastSweep && { ...lastSweep, startedAt: timeText(lastSweep.startedAt) },
      }),
    ),
    credentials: {
      ...state.credentials,
      expiresAt: timeText(state.credentials.expiresAt),
    },
    logs,
  };
}
