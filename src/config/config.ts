import { isAbsolute, posix } from "node:path";
import { configurationError, messageOf } from "../lib/errors.ts";
import { formatDuration } from "../lib/units.ts";
import { parseSchedule, type Schedule } from "../schedule/schedule.ts";
import { type Cohort, cohortOf } from "./canary.ts";
import { configHash } from "./config-hash.ts";
import { fleetFacts } from "./fleet-facts.ts";
import {
  DEFAULT_ROUTE,
  type MergedParameters,
  type MergedValues,
  mergeParameters,
  type Origin,
  type ParameterProblem,
} from "./merge.ts";
import type { ParameterPaths, ParameterSet } from "./parameters.ts";
import {
  HOST_SETTING_NAMES,
  type HostSettingName,
  type HostSettings,
  ROUTE_SETTING_NAMES,
  type RouteSettingName,
  type RouteSettings,
  type SettingName,
  type Settings,
  settingsSchema,
} from "./schema.ts";
import { type SettingProblem, shown, validateSettings } from "./validate.ts";

/** A watched directory and its destination, as configured. */
export interface RouteConfig {
  readonly name: string;
  readonly settings: RouteSettings;
  readonly schedule: Schedule;
  readonly origins: Readonly<Record<RouteSettingName, Origin>>;
  /**
   * The top level beside named routes, when nobody wrote its `directory` down: it is swept where
   * that directory exists, so that a route that is added never ends another.
   */
  readonly isImplied: boolean;
}

/** A configuration that has been validated as a whole. It never changes; a refresh makes another. */
export interface Config {
  /** At least one; `default` first, then by name. */
  readonly routes: readonly RouteConfig[];
  readonly settings: HostSettings;
  readonly origins: Readonly<Record<HostSettingName, Origin>>;
  readonly cohort: Cohort;
  readonly expectedHosts: number | undefined;
  /** See `configHash`. */
  readonly hash: string;
  readonly unknown: readonly ParameterProblem[];
  /** When the parameters were read, in wall-clock milliseconds. */
  readonly readAt: number;
}

/** Whose configuration it is, and what his bootstrap file forbids, whatever the parameters say. */
export interface Host {
  readonly hostId: string;
  readonly paths: ParameterPaths;
  /** Undefined: any. */
  readonly allowedBuckets: readonly string[] | undefined;
  readonly allowOverwrite: boolean;
  /** Milliseconds. */
  readonly minAgeFloorMs: number;
}

/** What was made of a host's parameters. */
export type Resolved = {
  /** Of the desired configuration, good or not. */
  readonly hash: string;
  readonly cohort: Cohort;
} & (
  | { readonly config: Config }
  | {
      readonly problems: readonly ParameterProblem[];
      readonly unknown: readonly ParameterProblem[];
    }
);

/**
 * Makes the configuration of a host of its parameters, or tells everything that is wrong with them.
 * @param readAt wall-clock milliseconds
 */
export function resolveParameters(set: ParameterSet, host: Host, readAt: number): Resolved {
  const { paths } = host;
  const { canaryPercent, expectedHosts, problems: wrong } = fleetFacts(set.fleet, paths.fleet);
  const cohort = cohortOf(host.hostId, canaryPercent);
  const merged = mergeParameters(set, paths, cohort);
  const hash = configHash(set, paths, cohort);
  const problems: ParameterProblem[] = [];
  const told = new Set<string>();
  // Every route inherits what is wrong with the top level: each parameter is told once.
  const tell = (problem: ParameterProblem) => {
    if (!told.has(problem.parameter)) problems.push(problem);
    told.add(problem.parameter);
  };
  for (const problem of [...merged.problems, ...wrong]) tell(problem);

  const routes: RouteConfig[] = [];
  let top: Settings | undefined;
  for (const { name, place, isImplied } of placesOf(merged)) {
    const resolved = resolvePlace(place, host);
    if ("problems" in resolved) {
      for (const { setting, reason } of resolved.problems) {
        const asked = name === DEFAULT_ROUTE ? setting : `routes/${name}/${setting}`;
        const parameter =
          place.origins[setting as SettingName]?.parameter ?? `${paths.fleet}/${asked}`;
        tell({ parameter, reason });
      }
      continue;
    }
    const { settings, schedule } = resolved;
    top ??= settings;
    const origins = originsOf(ROUTE_SETTING_NAMES, place);
    const own = pick(ROUTE_SETTING_NAMES, settings) as RouteSettings;
    routes.push({ name, settings: own, schedule, origins, isImplied });
  }
  for (const problem of overlaps(routes, paths)) tell(problem);
  if (problems.length > 0 || top === undefined) {
    return { hash, cohort, problems, unknown: merged.unknown };
  }
  const config: Config = {
    routes,
    settings: pick(HOST_SETTING_NAMES, top) as HostSettings,
    origins: originsOf(HOST_SETTING_NAMES, merged.top),
    cohort,
    expectedHosts,
    hash,
    unknown: merged.unknown,
    readAt,
  };
  return { hash, cohort, config };
}

/** So many of the things that are wrong are in a message; there may be thousands. */
const TOLD_MAX = 20;

/**
 * The configuration, or an error for a person.
 * @throws AgentError (exit code 2) that names every refused parameter with its reason
 */
export function configOf(resolved: Resolved): Config {
  if ("config" in resolved) return resolved.config;
  throw configurationError(
    refusalText(resolved.problems),
    "Put a right value with `aws ssm put-parameter --overwrite`; the README lists every parameter.",
  );
}

/** What is wrong with a configuration, in one sentence. */
export function refusalText(problems: readonly ParameterProblem[]): string {
  const told = problems.slice(0, TOLD_MAX).map(({ parameter, reason }) => `${parameter} ${reason}`);
  const left = problems.length - told.length;
  const more = left > 0 ? `; and ${left} more` : "";
  return `The configuration is refused: ${told.join("; ")}${more}.`;
}

interface RoutePlace {
  readonly name: string;
  readonly place: MergedValues;
  readonly isImplied: boolean;
}

/** The routes that there are, with all that each says and inherits. */
function placesOf({ top, routes }: MergedParameters): RoutePlace[] {
  const named = [...routes].map(([name, own]) => ({
    name,
    isImplied: false,
    place: {
      values: { ...top.values, ...own.values },
      origins: { ...top.origins, ...own.origins },
    },
  }));
  const isImplied = named.length > 0 && top.values.directory === undefined;
  if (isImplied) {
    // Where every route has a bucket of its own, the top level need not be one; and it gives way
    // to routes that share out its directory among themselves.
    if (top.values.bucket === undefined) return named;
    const directories = named.map(({ place }) => place.values.directory);
    const isShared = directories.some(
      (one) => typeof one === "string" && doOverlap(one, settingsSchema.directory.default),
    );
    if (isShared) return named;
  }
  return [{ name: DEFAULT_ROUTE, place: top, isImplied }, ...named];
}

function resolvePlace(
  { values }: MergedValues,
  host: Host,
):
  | { readonly settings: Settings; readonly schedule: Schedule }
  | { readonly problems: readonly SettingProblem[] } {
  const validated = validateSettings(values);
  const good = "good" in validated ? validated.good : validated.settings;
  const problems = [
    ...("good" in validated ? validated.problems : []),
    ...guardProblems(good, host),
  ];
  const schedule = readSchedule(good);
  if (typeof schedule === "string") problems.push({ setting: "splay", reason: schedule });
  else if ("settings" in validated && schedule !== undefined && problems.length === 0) {
    return { settings: validated.settings, schedule };
  }
  return { problems };
}

/** @returns undefined: something of it is wrong by itself; a text: why its parts do not go together */
function readSchedule(good: Partial<Settings>): Schedule | string | undefined {
  const { schedule, timezone, splay } = good;
  if (schedule === undefined || timezone === undefined || splay === undefined) return undefined;
  try {
    return parseSchedule(schedule, { timezone, splayMs: splay === "auto" ? undefined : splay });
  } catch (error) {
    const value = splay === "auto" ? splay : formatDuration(splay);
    return `does not go with the schedule ${shown(schedule)}: ${messageOf(error)}: value was ${value}`;
  }
}

/** What the bootstrap file forbids, whatever the parameters say. */
function guardProblems(settings: Partial<Settings>, host: Host): SettingProblem[] {
  const { bucket, "min-age": minAgeMs, "on-conflict": onConflict } = settings;
  const problems: SettingProblem[] = [];
  if (minAgeMs !== undefined && minAgeMs < host.minAgeFloorMs) {
    problems.push({
      setting: "min-age",
      reason: `must be at least ${formatDuration(host.minAgeFloorMs)}, the bootstrap file's minAgeFloor: value was ${formatDuration(minAgeMs)}`,
    });
  }
  if (onConflict === "overwrite" && !host.allowOverwrite) {
    problems.push({
      setting: "on-conflict",
      reason: `must be suffix, since the bootstrap file does not say allowOverwrite: value was "overwrite"`,
    });
  }
  if (bucket !== undefined && host.allowedBuckets?.includes(bucket) === false) {
    problems.push({
      setting: "bucket",
      reason: `is not among the bootstrap file's allowedBuckets: value was ${shown(bucket)}`,
    });
  }
  return problems;
}

/** Two routes that would take the same files from one another. */
function* overlaps(
  routes: readonly RouteConfig[],
  paths: ParameterPaths,
): Generator<ParameterProblem> {
  for (const [index, route] of routes.entries()) {
    for (const other of routes.slice(0, index)) {
      const [one, two] = [route.settings.directory, other.settings.directory];
      if (!doOverlap(one, two)) continue;
      yield {
        parameter: directoryParameter(route, paths),
        reason: `must not be the directory of another route, nor lie in it or around it: ${shown(one)} of ${route.name} and ${shown(two)} of ${other.name}`,
      };
    }
  }
}

/** The one that gives a route a directory of its own, whether it is there or not. */
function directoryParameter({ name, origins }: RouteConfig, paths: ParameterPaths): string {
  const leaf = name === DEFAULT_ROUTE ? "directory" : `routes/${name}/directory`;
  const { parameter } = origins.directory;
  return parameter?.endsWith(`/${leaf}`) === true ? parameter : `${paths.fleet}/${leaf}`;
}

/** As they are written; where links lead is seen when they are opened. */
function doOverlap(one: string, other: string): boolean {
  if (isAbsolute(one) !== isAbsolute(other)) return false;
  // `join` writes the working directory as `./`, and what lies in it without.
  const [a, b] = [one, other].map((path) => posix.join("/", path, "/")) as [string, string];
  return a.startsWith(b) || b.startsWith(a);
}

function originsOf<Name extends SettingName>(
  names: readonly Name[],
  { origins }: MergedValues,
): Record<Name, Origin> {
  const none: Origin = { layer: "default", parameter: undefined };
  return Object.fromEntries(names.map((name) => [name, origins[name] ?? none])) as Record<
    Name,
    Origin
  >;
}

function pick(names: readonly SettingName[], settings: Settings): Partial<Settings> {
  return Object.fromEntries(names.map((name) => [name, settings[name]]));
}
