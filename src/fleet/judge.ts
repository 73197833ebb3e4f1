import { normalize } from "node:path";
import { type Config, type Host, type Resolved, resolveParameters } from "../config/config.ts";
import { fleetFacts } from "../config/fleet-facts.ts";
import type { ParameterProblem } from "../config/merge.ts";
import type { Parameter } from "../config/parameters.ts";
import { settingsSchema } from "../config/schema.ts";
import { parseDuration } from "../lib/units.ts";
import { CANARY, type FleetPlace, fleetPath, keyOf, nameOf } from "./keys.ts";
import { type FleetState, parametersOf } from "./read-fleet.ts";

/** What hosts would make of a fleet's parameters. */
export interface Judgement {
  /** What makes some host refuse them. */
  readonly problems: readonly FoundProblem[];
  /** What is right, but not what anybody wants. */
  readonly warnings: readonly string[];
  /** The configuration of a host without parameters of its own; undefined: it is refused. */
  readonly stable: Config | undefined;
  /** The same for a canary; undefined also where there are no canaries. */
  readonly canary: Config | undefined;
}

/** A problem with the hosts that have it. */
export interface FoundProblem extends ParameterProblem {
  readonly of: string;
}

/** A host that there is none of, and whose bootstrap file allows everything. */
const NOBODY = "host";

/**
 * Makes every configuration that hosts would have of the parameters, with the code of the hosts
 * themselves. What their bootstrap files forbid is not known here.
 * @param hosts those of this fleet that have parameters of their own
 * @param options.isHostsOnly only what is wrong with those is told
 */
export function judgeFleet(
  state: FleetState,
  hosts: readonly string[],
  { isHostsOnly = false }: { readonly isHostsOnly?: boolean } = {},
): Judgement {
  const { place } = state;
  const facts = fleetFacts(state.fleet, fleetPath(place));
  const problems: FoundProblem[] = [];
  const warnings = new Set<string>();
  const add = (resolved: Resolved, of: string) => {
    if ("config" in resolved) {
      for (const warning of guardWarnings(resolved.config)) warnings.add(warning);
    } else {
      for (const problem of resolved.problems) {
        const isKnown = problems.some(
          ({ parameter, reason }) => parameter === problem.parameter && reason === problem.reason,
        );
        if (!isKnown) problems.push({ ...problem, of });
      }
    }
    const unknown = "config" in resolved ? resolved.config.unknown : resolved.unknown;
    for (const { parameter, reason } of unknown) warnings.add(`${parameter} ${reason}`);
    return "config" in resolved ? resolved.config : undefined;
  };

  for (const problem of facts.problems) problems.push({ ...problem, of: "the fleet" });
  const stable = add(resolveAs(state, NOBODY, "stable"), "every host");
  const hasCanaries =
    facts.canaryPercent > 0 ||
    state.fleet.some(({ name }) => (keyOf(name, place) ?? "").startsWith(CANARY));
  const canary = hasCanaries
    ? add(resolveAs(state, NOBODY, "canary"), "the canary hosts")
    : undefined;
  if (isHostsOnly) {
    problems.length = 0;
    warnings.clear();
  }
  for (const host of hosts) {
    if (!state.hosts.has(host)) continue;
    add(resolveAs(state, host, "stable"), `host ${host}`);
    if (hasCanaries) add(resolveAs(state, host, "canary"), `host ${host} as a canary`);
  }
  return { problems, warnings: [...warnings], stable, canary };
}

/** What a host makes of the parameters when it is in this cohort, whatever its place is. */
export function resolveAs(state: FleetState, host: string, cohort: "stable" | "canary"): Resolved {
  const { paths, set } = parametersOf(state, host);
  const about: Host = {
    hostId: host,
    paths,
    allowedBuckets: undefined,
    allowOverwrite: true,
    minAgeFloorMs: 0,
  };
  const percent: Parameter = {
    name: nameOf(`${CANARY}percent`, state.place),
    type: "String",
    value: cohort === "canary" ? "100" : "0",
    version: 0,
    lastModifiedAt: 0,
  };
  const fleet = [...set.fleet.filter(({ name }) => name !== percent.name), percent];
  return resolveParameters({ ...set, fleet }, about, 0);
}

const MIN_AGE_MS = parseDuration(settingsSchema["min-age"].default) ?? 0;

/** What a host's bootstrap file forbids unless it says otherwise. */
function* guardWarnings({ routes }: Config): Generator<string> {
  for (const { name, settings } of routes) {
    const of = name === "default" ? "" : ` of route ${name}`;
    if (settings["min-age"] < MIN_AGE_MS) {
      yield `min-age${of} is below ${settingsSchema["min-age"].default}: only hosts whose bootstrap file has a lower minAgeFloor take it, all others refuse the whole configuration`;
    }
    if (settings["on-conflict"] === "overwrite") {
      yield `on-conflict${of} is overwrite: only hosts whose bootstrap file says allowOverwrite take it, all others refuse the whole configuration`;
    }
  }
}

/** The directories that hosts no longer take files from, in sentences. */
export function endedRoutes(
  before: Config | undefined,
  after: Config | undefined,
): readonly string[] {
  if (before === undefined || after === undefined) return [];
  const directories = new Set(after.routes.map(({ settings }) => folder(settings.directory)));
  return before.routes
    .filter(({ settings }) => !directories.has(folder(settings.directory)))
    .map(({ name, settings, isImplied }) => {
      const { directory } = settings;
      if (isImplied) {
        return `The implied route default ends: files in ${directory} stay where they are. A \`directory\` in the settings keeps it.`;
      }
      const moved = after.routes.find((route) => route.name === name);
      if (moved === undefined) {
        return `Route ${name} ends: files in ${directory} stay where they are.`;
      }
      return `Route ${name} leaves ${directory} for ${moved.settings.directory}: files that are still in the old one stay there.`;
    });
}

function folder(directory: string): string {
  return normalize(`${directory}/`);
}

/** A problem as an operator reads it. @param lines of the fleet file, by key */
export function problemText(
  { parameter, reason, of }: FoundProblem,
  place: FleetPlace,
  source: { readonly file: string; readonly lines: ReadonlyMap<string, number> } | undefined,
): string {
  const key = keyOf(parameter, place) ?? parameter;
  const line = source?.lines.get(key);
  const where = line === undefined ? parameter : `${source?.file}:${line}: ${key}`;
  return `${where} ${reason} (${of})`;
}
