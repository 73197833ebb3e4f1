import { type Cohort, cohortOf } from "../config/canary.ts";
import { configHash } from "../config/config-hash.ts";
import { fleetFacts } from "../config/fleet-facts.ts";
import { fleetPath } from "./keys.ts";
import { type FleetState, parametersOf } from "./read-fleet.ts";

/** A hash for each host of what the parameters say for it, as the host itself makes it. */
export type HashOf = (host: string, cohort?: Cohort) => string;

/** Hosts without parameters of their own share one hash a cohort, so that a large fleet is cheap. */
export function hasher(state: FleetState): HashOf {
  const percent = percentOf(state);
  const shared = new Map<Cohort, string>();
  const make = (host: string, cohort: Cohort) => {
    const { set, paths } = parametersOf(state, host);
    return configHash(set, paths, cohort);
  };
  return (host, cohort = cohortOf(host, percent)) => {
    if (state.hosts.has(host)) return make(host, cohort);
    const hash = shared.get(cohort) ?? make(host, cohort);
    shared.set(cohort, hash);
    return hash;
  };
}

/** How many percent of the hosts are canaries. */
export function percentOf(state: FleetState): number {
  return fleetFacts(state.fleet, fleetPath(state.place)).canaryPercent;
}

/** Those of the hosts for which the parameters say something else than before. */
export function affectedHosts(
  before: FleetState,
  after: FleetState,
  hosts: readonly string[],
): readonly string[] {
  const [hashBefore, hashAfter] = [hasher(before), hasher(after)];
  return hosts.filter((host) => hashBefore(host) !== hashAfter(host));
}
