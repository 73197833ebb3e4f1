import { stableFraction } from "../lib/stable-fraction.ts";

/** The part of a fleet that a host belongs to while a change is tried on some hosts first. */
export type Cohort = "stable" | "canary";

/**
 * Whether a host is among the `percent` of the hosts that try a change first. Every host has its
 * place between 0 and 100, the first six bytes of SHA-256(`<host-id>:canary`) divided by 2^48 and
 * times 100; those below `percent` are canaries. So the same hosts are for the same percent in
 * every fleet and at every time, and a larger percent only adds hosts.
 * @param percent 0 to 100
 */
export function cohortOf(hostId: string, percent: number): Cohort {
  return stableFraction(hostId, "canary") * 100 < percent ? "canary" : "stable";
}
