import { type Cohort, cohortOf } from "../../config/canary.ts";
import { refusalText, resolveParameters } from "../../config/config.ts";
import { fleetFacts } from "../../config/fleet-facts.ts";
import { nextRun, type Schedule } from "../../schedule/schedule.ts";
import { fleetPath } from "../keys.ts";
import { type FleetState, parametersOf } from "../read-fleet.ts";

/** What a host's configuration should be now. */
export interface Desired {
  readonly hash: string;
  readonly cohort: Cohort;
  /** Why every host will refuse it; undefined: nothing speaks against it but a host's own file. */
  readonly refusal: string | undefined;
  /** The longest time between two sweeps of a directory, in milliseconds; undefined if refused. */
  readonly sweepIntervalMs: number | undefined;
}

/** What the Parameter Store says for the hosts of a fleet. */
export interface DesiredConfigs {
  of(hostId: string): Desired;
  /** How many hosts there should be; undefined: nobody says. */
  readonly expectedHosts: number | undefined;
}

/**
 * Lays the parameters over each other for one host after the other, as the hosts do it.
 * @param now wall-clock milliseconds
 */
export function desiredConfigs(state: FleetState, now: number): DesiredConfigs {
  const { canaryPercent, expectedHosts } = fleetFacts(state.fleet, fleetPath(state.place));

  const resolve = (hostId: string): Desired => {
    const { paths, set } = parametersOf(state, hostId);
    const anyHost = { allowedBuckets: undefined, allowOverwrite: true, minAgeFloorMs: 0 };
    const resolved = resolveParameters(set, { hostId, paths, ...anyHost }, now);
    const { hash, cohort } = resolved;
    if (!("config" in resolved)) {
      const refusal = refusalText(resolved.problems);
      return { hash, cohort, refusal, sweepIntervalMs: undefined };
    }
    const intervals = resolved.config.routes.map(({ schedule }) => longestInterval(schedule, now));
    return { hash, cohort, refusal: undefined, sweepIntervalMs: Math.max(...intervals) };
  };
  // Hosts without a word of their own are many, and differ by their cohort alone.
  const common = new Map<Cohort, Desired>();
  return {
    expectedHosts,
    of(hostId) {
      if (state.hosts.has(hostId)) return resolve(hostId);
      const cohort = cohortOf(hostId, canaryPercent);
      const known = common.get(cohort) ?? resolve(hostId);
      common.set(cohort, known);
      return known;
    },
  };
}

/** As many runs of a cron hold a weekend. */
const RUNS_LOOKED_AT = 10;

function longestInterval(schedule: Schedule, now: number): number {
  if (schedule.kind === "rate") return schedule.intervalMs;
  let [longestMs, at] = [0, nextRun(schedule, now, 0)];
  for (let run = 0; run < RUNS_LOOKED_AT; run += 1) {
    const next = nextRun(schedule, at, 0);
    longestMs = Math.max(longestMs, next - at);
    at = next;
  }
  return longestMs;
}
