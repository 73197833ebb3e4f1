import { SPREAD_MS_MAX } from "../config/fleet-facts.ts";

/** GetParametersByPath gives at most this many a page (API reference, MaxResults). */
const PAGE_PARAMETERS_MAX = 10;

/**
 * How many requests a second a whole fleet may make. The account's limit is 40 for all three Gets
 * together (Parameter Store quotas), and others live there too.
 */
const REQUESTS_PER_SECOND = 10;

const INTERVAL_MS_MIN = 600_000;

/** How many requests a host needs to read everything: at least one for each of its two paths. */
export function pagesOf(fleetParameters: number, hostParameters: number): number {
  const pages = (count: number) => Math.max(1, Math.ceil(count / PAGE_PARAMETERS_MAX));
  return pages(fleetParameters) + pages(hostParameters);
}

/** Over how long so many hosts spread the reading of a change: W = p·N/10 seconds, at most 6 h. */
export function spreadMs(pages: number, hosts: number): number {
  return Math.min(SPREAD_MS_MAX, Math.ceil((pages * hosts) / REQUESTS_PER_SECOND) * 1_000);
}

/** How long a refresh interval so many hosts need: T = N/10 seconds, at least 10 minutes. */
export function intervalMs(hosts: number): number {
  const minutes = Math.ceil(hosts / REQUESTS_PER_SECOND / 60);
  return Math.max(INTERVAL_MS_MIN, minutes * 60_000);
}
