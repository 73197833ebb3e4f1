import type { Cohort } from "../config/canary.ts";

/** What the latest heartbeat of a host says. Times are wall-clock milliseconds. */
export interface LiveHost {
  readonly host: string;
  /** Of the agent. */
  readonly version: string;
  readonly cohort: Cohort;
  /** Of the configuration in effect, see `configHash`. */
  readonly configHash: string;
  /** Of what the parameters say, whether the host took it or refused it. */
  readonly desiredHash: string;
  /** Why the host refused what the parameters say; absent: it did not. */
  readonly refusal?: string;
  readonly heartbeatAt: number;
  /**
   * When the last sweep was completed, of several routes the one that is longest ago; undefined: a
   * route was not swept since the start.
   */
  readonly lastSweepAt: number | undefined;
  /** Files that are not settled or not uploaded yet. */
  readonly waiting: number;
  /** Age of the oldest settled file that waits, in seconds. */
  readonly oldestSeconds: number;
  /** Files that failed in the last sweep. */
  readonly failed: number;
  readonly refreshIntervalSeconds?: number;
  /**
   * The first heartbeat, of those that were looked at, since when the host has had this
   * `configHash` without a break: it was in effect by then. Absent: nobody looked that far back.
   */
  readonly configSince?: number;
}

/** Reads the latest heartbeats. Implemented in `aws/`. */
export interface HeartbeatSource {
  /**
   * The hosts of a fleet that have sent a heartbeat lately, each once, with their latest.
   * @throws ServiceError if the service is out of reach or refuses; the signal's reason
   */
  liveHosts(fleet: string, signal: AbortSignal): Promise<readonly LiveHost[]>;
}
