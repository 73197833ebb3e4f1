import { cohortOf } from "../config/canary.ts";
import { fleetFacts } from "../config/fleet-facts.ts";
import { settingsSchema } from "../config/schema.ts";
import { parseDuration } from "../lib/units.ts";
import { affectedHosts, percentOf } from "./affected.ts";
import { type Change, differenceOf, type Target } from "./difference.ts";
import { endedRoutes, type Judgement, judgeFleet, problemText, resolveAs } from "./judge.ts";
import {
  CANARY,
  type FleetPlace,
  fleetPath,
  hostKey,
  hostsPath,
  nameOf,
  REVISION,
  readKey,
} from "./keys.ts";
import { limitProblems } from "./limits.ts";
import type { LiveHost } from "./live-hosts.ts";
import { type FleetState, leavesOf, releaseOf, revisionOf, stateAfter } from "./read-fleet.ts";
import { changesBetween, durationText, type ReleaseChange, readRelease } from "./release.ts";
import { intervalMs, pagesOf, spreadMs } from "./spread.ts";

/** What marks a file as a saved plan; another number is another shape. */
export const PLAN_FORMAT = "s3-offload-agent fleet plan 1";

/** Everything that applying it takes: it can be saved, looked at, and applied exactly so. */
export interface FleetPlan {
  readonly format: typeof PLAN_FORMAT;
  readonly region: string;
  readonly place: FleetPlace;
  /** The one host that this is about; null: the fleet. */
  readonly host: string | null;
  readonly note: string | null;
  readonly changes: readonly Change[];
  /** In the Parameter Store, not in the file, and staying. */
  readonly kept: readonly { readonly key: string; readonly value: string }[];
  /** The versions of all parameters that this was planned on, by their names. */
  readonly seen: Readonly<Record<string, number>>;
  /** Every value after it, by key: what the release will hold. */
  readonly leaves: Readonly<Record<string, string>>;
  /** Written last. */
  readonly revision: { readonly name: string; readonly version: number | null };
  /** Whether a release is to be recorded though no parameter changes, and why. */
  readonly recording: "changes" | "first" | "drift" | "none";
  /** What was changed since the last release by something else than these commands. */
  readonly drift: readonly ReleaseChange[];
  /** Over how long hosts spread the reading; null: nobody knows how many, so over their interval. */
  readonly spreadMs: number | null;
  readonly hosts: PlannedHosts;
  readonly warnings: readonly string[];
  /** What must be mended before it can be applied. */
  readonly problems: readonly string[];
}

export interface PlannedHosts {
  /** How many send heartbeats; null: nobody could be asked. */
  readonly live: number | null;
  /** How many of those get another configuration. */
  readonly affected: number | null;
  /** Those with parameters of their own that get another configuration, live or not. */
  readonly own: readonly string[];
}

export interface PlanOptions {
  readonly state: FleetState;
  readonly target: Target;
  readonly region: string;
  /** Undefined: nobody could be asked. */
  readonly live: readonly LiveHost[] | undefined;
  /** Hosts whose own parameters belong to the fleet's releases. */
  readonly hosts: ReadonlySet<string>;
  /** The one host that this is about; undefined: the fleet. */
  readonly host?: string;
  /** The target tells all that there is to be: what it does not name is kept, and told. */
  readonly isWhole?: boolean;
  /** Where values come from, for what is wrong with them. */
  readonly source?: { readonly file: string; readonly lines: ReadonlyMap<string, number> };
  readonly note?: string | undefined;
  readonly warnings?: readonly string[];
}

/** Works out what is to be done to make the target true, and what that does to the hosts. */
export function planFleet(options: PlanOptions): FleetPlan {
  const { state, target, live, source } = options;
  const { place } = state;
  const leaves = leavesOf(state);
  const changes = differenceOf(leaves, target, place);
  const after = stateAfter(state, changes);
  const isOurs = (key: string) => {
    const { host } = readKey(key);
    if (options.host !== undefined) return host === options.host;
    return host === undefined || options.hosts.has(host);
  };
  const owners = ownersOf(after, options);
  const judgement = judgeFleet(after, owners, { isHostsOnly: options.host !== undefined });
  const before = judgeFleet(state, []);
  const problems = [
    ...judgement.problems.map((problem) => problemText(problem, place, source)),
    ...limitProblems(changes, countOf(state)).map((problem) =>
      problemText({ ...problem, of: "SSM" }, place, source),
    ),
  ];
  const size = sizeOf(after, live, owners);
  const kept = (options.isWhole === true ? [...leaves] : [])
    .filter(([key]) => isOurs(key) && !target.wanted.has(key) && !target.dropped.has(key))
    .map(([key, { value }]) => ({ key, value }));
  const release = options.host === undefined ? releaseOf(state) : ownRelease(state, options.host);
  const now = textsOf(leaves, isOurs);
  const drift = release === undefined ? [] : changesBetween(release.leaves, now);
  return {
    format: PLAN_FORMAT,
    region: options.region,
    place,
    host: options.host ?? null,
    note: options.note ?? null,
    changes,
    kept,
    seen: seenOf(state, isSeen(options)),
    leaves: Object.fromEntries(textsOf(leavesOf(after), isOurs)),
    revision: revisionPlan(state, options.host),
    recording: recordingOf(changes, release === undefined && now.size > 0, drift),
    drift,
    spreadMs: spreadOf(options, size),
    hosts: plannedHosts(state, after, options, owners),
    warnings: [
      ...(options.warnings ?? []),
      ...(options.host === undefined
        ? fleetEnds(before, judgement)
        : hostEnds(state, after, options.host)),
      ...intervalWarnings(judgement.stable?.settings["refresh-interval"], size.hosts),
      ...(live === undefined && options.host === undefined ? [uncounted(size.hosts)] : []),
      ...judgement.warnings,
    ],
    problems,
  };
}

function countOf({ fleet, hosts, parts }: FleetState): number {
  return fleet.length + parts.length + [...hosts.values()].flat().length;
}

/** Whether there is anything to write at all. */
export function isDue(plan: FleetPlan): boolean {
  return plan.recording !== "none";
}

/** The versions of what a plan rests on. @param hosts whose own parameters count */
export function seenOf(
  { fleet, hosts, parts }: FleetState,
  isHost: (host: string) => boolean,
): Record<string, number> {
  const own = [...hosts].flatMap(([host, parameters]) => (isHost(host) ? parameters : []));
  return Object.fromEntries(
    [...fleet, ...own, ...parts].map(({ name, version }) => [name, version]),
  );
}

function isSeen({ host, hosts }: PlanOptions): (id: string) => boolean {
  return (id) => (host === undefined ? hosts.has(id) : id === host);
}

function revisionParameter(state: FleetState, host: string | undefined) {
  if (host === undefined) return revisionOf(state);
  const name = nameOf(hostKey(host, REVISION), state.place);
  return state.hosts.get(host)?.find((parameter) => parameter.name === name);
}

/** What these commands gave a host last. It is never in parts. */
function ownRelease(state: FleetState, host: string) {
  return readRelease(revisionParameter(state, host)?.value ?? "", () => undefined);
}

function revisionPlan(state: FleetState, host: string | undefined): FleetPlan["revision"] {
  const key = host === undefined ? REVISION : hostKey(host, REVISION);
  const found = revisionParameter(state, host);
  return { name: nameOf(key, state.place), version: found?.version ?? null };
}

function recordingOf(
  changes: readonly Change[],
  isFirst: boolean,
  drift: readonly ReleaseChange[],
): FleetPlan["recording"] {
  if (changes.length > 0) return "changes";
  if (isFirst) return "first";
  return drift.length > 0 ? "drift" : "none";
}

function textsOf(
  leaves: ReadonlyMap<string, { readonly value: string }>,
  isOurs: (key: string) => boolean,
): Map<string, string> {
  const ours = [...leaves].filter(([key]) => isOurs(key));
  return new Map(ours.map(([key, { value }]) => [key, value]));
}

/** The hosts of this fleet with parameters of their own, as far as anybody knows. */
function ownersOf(after: FleetState, { host, hosts, live = [] }: PlanOptions): string[] {
  if (host !== undefined) return [host];
  const ours = new Set([...hosts, ...live.map((one) => one.host)]);
  return [...after.hosts.keys()].filter((id) => ours.has(id)).sort();
}

/** How large the fleet is: those that are down now will come back. */
function sizeOf(
  after: FleetState,
  live: readonly LiveHost[] | undefined,
  owners: readonly string[],
): { readonly hosts: number; readonly pages: number } {
  const expected = fleetFacts(after.fleet, fleetPath(after.place)).expectedHosts ?? 0;
  const most = Math.max(0, ...owners.map((host) => after.hosts.get(host)?.length ?? 0));
  return {
    hosts: Math.max(live?.length ?? 0, expected),
    pages: pagesOf(after.fleet.length, most),
  };
}

function spreadOf(
  { host }: PlanOptions,
  { hosts, pages }: { readonly hosts: number; readonly pages: number },
): number | null {
  if (host !== undefined) return 0;
  return hosts === 0 ? null : spreadMs(pages, hosts);
}

function uncounted(hosts: number): string {
  const spread =
    hosts === 0
      ? "hosts spread the reading over their refresh interval; expected-hosts would tell how many there are"
      : "the spread is computed from expected-hosts";
  return `The live hosts could not be counted: ${spread}.`;
}

function plannedHosts(
  before: FleetState,
  after: FleetState,
  { live }: PlanOptions,
  owners: readonly string[],
): PlannedHosts {
  const own = affectedHosts(before, after, owners);
  if (live === undefined) return { live: null, affected: null, own };
  const ids = live.map(({ host }) => host);
  return { live: ids.length, affected: affectedHosts(before, after, ids).length, own };
}

function intervalWarnings(interval: number | undefined, hosts: number): readonly string[] {
  const needed = intervalMs(hosts);
  const shortest = parseDuration(settingsSchema["refresh-interval"].default) ?? 0;
  if (interval === undefined || interval >= needed || needed <= shortest) return [];
  return [
    `refresh-interval is ${durationText(interval)}, too short for ${hosts} hosts: set it to ${durationText(needed)}, or they ask for more than SSM's 40 requests a second leave room for.`,
  ];
}

/** The routes that end on all hosts, and those that end on the canary hosts only. */
function fleetEnds(before: Judgement, after: Judgement): readonly string[] {
  const ends = endedRoutes(before.stable, after.stable);
  const canaryEnds = endedRoutes(before.canary ?? before.stable, after.canary);
  const own = canaryEnds.filter((one) => !ends.includes(one));
  return [...ends, ...own.map((one) => `On the canary hosts: ${one}`)];
}

function hostEnds(before: FleetState, after: FleetState, host: string): readonly string[] {
  const configOf = (state: FleetState) => {
    const resolved = resolveAs(state, host, cohortOf(host, percentOf(state)));
    return "config" in resolved ? resolved.config : undefined;
  };
  return endedRoutes(configOf(before), configOf(after));
}

/** The hosts whose own parameters belong to the fleet's releases: those of the file and the last one. */
export function hostsOfReleases(state: FleetState, named: readonly string[]): Set<string> {
  const release = releaseOf(state);
  const recorded = [...(release?.leaves.keys() ?? [])].flatMap((key) => readKey(key).host ?? []);
  return new Set([...named, ...recorded]);
}

/** Whether a trial on some hosts is under way. */
export function hasCanary(state: FleetState): boolean {
  return [...leavesOf(state).keys()].some((key) => key.startsWith(CANARY));
}

/** Where the parameters of a plan are, for messages. */
export function pathText({ place, host }: FleetPlan): string {
  return host === null ? fleetPath(place) : `${hostsPath(place)}/${host}`;
}
