import { parseDuration } from "../lib/units.ts";
import type { ParameterProblem } from "./merge.ts";
import type { Parameter } from "./parameters.ts";
import { shown } from "./validate.ts";

/** What a fleet's parameters say that sets nothing on a host by itself. */
export interface FleetFacts {
  /** How many percent of the hosts are canaries, 0 to 100. */
  readonly canaryPercent: number;
  /** How many hosts there should be; undefined: nobody says. */
  readonly expectedHosts: number | undefined;
  readonly problems: readonly ParameterProblem[];
}

/** @param path the fleet's, without a slash at the end */
export function fleetFacts(parameters: readonly Parameter[], path: string): FleetFacts {
  const problems: ParameterProblem[] = [];
  const read = (leaf: string, most: number, expects: string, pattern: RegExp) => {
    const parameter = `${path}/${leaf}`;
    const value = parameters.find(({ name }) => name === parameter)?.value.trim();
    if (value === undefined || value === "none") return undefined;
    const number = pattern.test(value) ? Number(value) : Number.NaN;
    if (number <= most) return number;
    problems.push({ parameter, reason: `must be ${expects}: value was ${shown(value)}` });
    return undefined;
  };
  const percent = read("canary/percent", 100, "a number from 0 to 100", /^\d{1,3}(\.\d{1,6})?$/);
  const hosts = read("expected-hosts", 10_000_000, "a whole number of hosts, or none", /^\d{1,8}$/);
  return { canaryPercent: percent ?? 0, expectedHosts: hosts, problems };
}

/** A change is taken when its newest parameter has been left alone for so long. */
export const CHANGE_SETTLE_MS = 30_000;

/** A change is spread over at most this, whatever it or the refresh interval says, in milliseconds. */
export const SPREAD_MS_MAX = 6 * 3_600_000;

/** What an operator's tools write down with a change. Hosts read only `spread`. */
export interface Revision {
  /** Over how long the hosts spread the reading of it, in milliseconds; undefined: nobody says. */
  readonly spreadMs: number | undefined;
}

/** Reads a revision. Whatever it holds, it is one: only its version matters. */
export function parseRevision(value: string): Revision {
  let spread: unknown;
  try {
    const read: unknown = JSON.parse(value);
    spread =
      typeof read === "object" && read !== null && "spread" in read ? read.spread : undefined;
  } catch {
    // A person may write anything to make the hosts read.
  }
  const ms = typeof spread === "string" ? parseDuration(spread) : undefined;
  return { spreadMs: ms === undefined ? undefined : Math.min(ms, SPREAD_MS_MAX) };
}
