import { cohortOf } from "../config/canary.ts";
import type { Config } from "../config/config.ts";
import { CHANGE_SETTLE_MS } from "../config/fleet-facts.ts";
import { stableFraction } from "../lib/stable-fraction.ts";
import { nextRun } from "../schedule/schedule.ts";
import { hasher, percentOf } from "./affected.ts";
import { HEARTBEAT_WINDOW_MS } from "./hosts/heartbeat-query.ts";
import { resolveAs } from "./judge.ts";
import { CANARY, keyOf } from "./keys.ts";
import type { LiveHost } from "./live-hosts.ts";
import { type FleetState, releaseOf } from "./read-fleet.ts";

/** How far a canary host has come. */
export type CanaryProgress =
  /** It has the new configuration. */
  | "new"
  /** It refuses the new configuration. */
  | "refused"
  /** It does not know of the new configuration yet, or is between two sweeps. */
  | "behind";

export interface CanaryHost {
  readonly host: string;
  readonly progress: CanaryProgress;
  /** Every route was swept twice since the host has had the new configuration. */
  readonly isSweptTwice: boolean;
  readonly failed: number;
  readonly refusal: string | undefined;
}

/** How a trial goes. */
export interface CanaryReport {
  readonly percent: number;
  /** When the trial's values were written last, in wall-clock milliseconds. */
  readonly since: number;
  /** Those of the cohort that send heartbeats. */
  readonly hosts: readonly CanaryHost[];
  readonly counts: Readonly<Record<CanaryProgress, number>>;
  readonly failing: number;
  /** The others, to compare with. */
  readonly stable: { readonly hosts: number; readonly failing: number };
  /** What speaks against promoting it; nothing: it may be promoted. */
  readonly objections: readonly string[];
}

/** So much of the cohort must have the new configuration; some hosts are always down. */
const NEW_SHARE_MIN = 0.95;

/** Each host sends a heartbeat in each slot of so long. */
const HEARTBEAT_SLOT_MS = 300_000;

/** A poll comes up to a tenth of its interval late. */
const POLL_JITTER = 1.1;

/** Judges a trial by the latest heartbeats. */
export function reportCanary(state: FleetState, live: readonly LiveHost[]): CanaryReport {
  const percent = percentOf(state);
  const hashOf = hasher(state);
  const since = trialSince(state);
  const shared = configOf(state, "host");
  const cohort = live.filter(({ host }) => cohortOf(host, percent) === "canary");
  const others = live.filter(({ host }) => cohortOf(host, percent) === "stable");

  const hosts = cohort.map((one): CanaryHost => {
    const expected = hashOf(one.host, "canary");
    const config = state.hosts.has(one.host) ? configOf(state, one.host) : shared;
    const takenAt = takenAtOf(one, takenBy(state, since, config));
    return {
      host: one.host,
      progress: progressOf(one, expected),
      isSweptTwice: config !== undefined && isSweptTwice(config, one, Math.max(since, takenAt)),
      failed: one.failed,
      refusal: one.refusal,
    };
  });
  const count = (progress: CanaryProgress) =>
    hosts.filter((host) => host.progress === progress).length;
  const counts = { new: count("new"), behind: count("behind"), refused: count("refused") };
  const failing = cohort.filter(({ failed }) => failed > 0).length;
  const stable = {
    hosts: others.length,
    failing: others.filter(({ failed }) => failed > 0).length,
  };
  const report = { percent, since, hosts, counts, failing, stable };
  return { ...report, objections: [...objectionsTo(report)] };
}

function* objectionsTo(report: Omit<CanaryReport, "objections">): Generator<string> {
  const { hosts, counts, failing, stable, percent } = report;
  if (percent === 0) yield "canary/percent is not set or 0: no host tries anything";
  if (hosts.length === 0) {
    yield "no canary host sends heartbeats";
    return;
  }
  if (counts.refused > 0) {
    const first = hosts.find(({ progress }) => progress === "refused");
    yield `${counts.refused} of ${hosts.length} canary hosts refuse it: ${first?.host}: ${first?.refusal ?? "no reason given"}`;
  }
  if (counts.new < NEW_SHARE_MIN * hosts.length) {
    yield `${counts.new} of ${hosts.length} canary hosts have it: 95 % must`;
  }
  const unswept = hosts.filter((host) => host.progress === "new" && !host.isSweptTwice).length;
  if (unswept > 0) yield `${unswept} canary hosts have not swept twice with it`;
  const stableShare = stable.hosts === 0 ? 0 : stable.failing / stable.hosts;
  if (failing / hosts.length > stableShare) {
    yield `${failing} of ${hosts.length} canary hosts had failures in the last sweep, and ${stable.failing} of ${stable.hosts} others`;
  }
}

function progressOf(
  { configHash, desiredHash, refusal }: LiveHost,
  expected: string,
): CanaryProgress {
  if (configHash === expected) return "new";
  return desiredHash === expected && refusal !== undefined ? "refused" : "behind";
}

/**
 * Whether each route came due twice since. Of several routes, a heartbeat tells the sweep that is
 * longest ago. An implied route is swept only where its directory exists.
 */
function isSweptTwice(
  { routes }: Config,
  { host, lastSweepAt }: LiveHost,
  takenAt: number,
): boolean {
  if (lastSweepAt === undefined) return false;
  const fraction = stableFraction(host, "sweep");
  return routes.every(({ schedule, isImplied }) => {
    if (isImplied) return true;
    const first = nextRun(schedule, takenAt, fraction);
    return nextRun(schedule, first, fraction) <= lastSweepAt;
  });
}

/**
 * When a host has taken the change, as far as its heartbeats tell. What was so all the time that is
 * looked at was so before, too: since when hosts that are well have it. Otherwise routes that are
 * swept only a few times a day would never be seen swept twice.
 */
function takenAtOf({ configSince, heartbeatAt }: LiveHost, takenByAt: number): number {
  if (configSince === undefined) return takenByAt;
  const isOlder = configSince <= heartbeatAt - HEARTBEAT_WINDOW_MS + 2 * HEARTBEAT_SLOT_MS;
  return isOlder ? Math.min(configSince, takenByAt) : configSince;
}

/** When the last of the hosts that are well has taken the change. */
function takenBy(state: FleetState, since: number, config: Config | undefined): number {
  const intervalMs = config?.settings["refresh-interval"] ?? 0;
  const spread = releaseOf(state)?.spreadMs ?? intervalMs;
  return since + intervalMs * POLL_JITTER + spread + CHANGE_SETTLE_MS;
}

function configOf(state: FleetState, host: string): Config | undefined {
  const resolved = resolveAs(state, host, "canary");
  return "config" in resolved ? resolved.config : undefined;
}

function trialSince({ place, fleet }: FleetState): number {
  const times = fleet
    .filter(({ name }) => (keyOf(name, place) ?? "").startsWith(CANARY))
    .map(({ lastModifiedAt }) => lastModifiedAt);
  return Math.max(0, ...times);
}
