import { nearest } from "../lib/nearest.ts";
import type { Cohort } from "./canary.ts";
import type { Parameter, ParameterPaths, ParameterSet } from "./parameters.ts";
import {
  FLEET_PARAMETERS,
  isRouteSettingName,
  isSettingName,
  SETTING_NAMES,
  type SettingName,
  settingsSchema,
} from "./schema.ts";
import type { RawValue, RawValues } from "./validate.ts";

/** What a value comes from; a later one wins. */
export const LAYERS = ["default", "fleet", "canary", "host"] as const;
export type Layer = (typeof LAYERS)[number];

/** Where a setting's value comes from. */
export interface Origin {
  readonly layer: Layer;
  /** The whole name of the parameter; undefined: the schema's default. */
  readonly parameter: string | undefined;
}

/** What is wrong with one parameter, or would be. */
export interface ParameterProblem {
  /** The whole name of the parameter. */
  readonly parameter: string;
  readonly reason: string;
}

/** Values of one place (the top level or a route) with the origin of each. */
export interface MergedValues {
  readonly values: RawValues;
  readonly origins: Readonly<Partial<Record<SettingName, Origin>>>;
}

/** What all layers together say. */
export interface MergedParameters {
  readonly top: MergedValues;
  /** What each named route says itself, by its name, sorted. */
  readonly routes: ReadonlyMap<string, MergedValues>;
  /** Parameters that mean nothing to this version of the agent. */
  readonly unknown: readonly ParameterProblem[];
  /** Parameters that make the whole refused. */
  readonly problems: readonly ParameterProblem[];
}

/** One parameter with the place that its name gives it. */
export type Place =
  | {
      readonly kind: "setting";
      readonly isCanary: boolean;
      readonly route: string;
      readonly setting: SettingName;
    }
  | { readonly kind: "fleet"; readonly name: keyof typeof FLEET_PARAMETERS }
  | { readonly kind: "unknown"; readonly reason: string }
  | { readonly kind: "wrong"; readonly isCanary: boolean; readonly reason: string };

/** The place of what has no route in its name. */
export const TOP = "";

/** Part of metric dimensions and of log records, so it is short and plain. */
const ROUTE_NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;
const ROUTE_EXPECTS =
  "a route's name must be 1 to 32 lower-case letters, digits and hyphens, and `default` is the top level's";

/** The name of the route that the top level is. */
export const DEFAULT_ROUTE = "default";

/** As many routes as one process can sweep well side by side. */
const ROUTES_MAX = 32;

/** Far more than a fleet needs; a host's memory does not depend on what somebody wrote into SSM. */
export const PARAMETERS_MAX = 1_000;

/**
 * Lays the layers over each other, the later one winning setting by setting: fleet, `canary/`
 * where the host is a canary, host. A route's own value wins over the top level's of any layer.
 * Nothing below `canary/` refuses the configuration of a host that is none.
 */
export function mergeParameters(
  { fleet, host }: ParameterSet,
  paths: ParameterPaths,
  cohort: Cohort,
): MergedParameters {
  const routes = new Map<string, Mutable>();
  const top: Mutable = { values: {}, origins: {} };
  const unknown: ParameterProblem[] = [];
  const problems: ParameterProblem[] = [];
  const place = (route: string): Mutable => {
    if (route === TOP) return top;
    const known = routes.get(route) ?? { values: {}, origins: {} };
    routes.set(route, known);
    return known;
  };
  const lay = (parameter: Parameter, layer: Layer, found: Place) => {
    if (found.kind === "unknown") unknown.push({ parameter: parameter.name, reason: found.reason });
    if (found.kind === "wrong") problems.push({ parameter: parameter.name, reason: found.reason });
    const wrongType = found.kind === "unknown" ? undefined : typeProblem(parameter);
    if (wrongType !== undefined) problems.push({ parameter: parameter.name, reason: wrongType });
    if (found.kind !== "setting") return;
    const { values, origins } = place(found.route);
    values[found.setting] = rawValue(parameter, found.setting);
    origins[found.setting] = { layer, parameter: parameter.name };
  };

  for (const [path, parameters] of [
    [paths.fleet, fleet],
    [paths.host, host],
  ] as const) {
    if (parameters.length > PARAMETERS_MAX) {
      problems.push({ parameter: path, reason: `holds more than ${PARAMETERS_MAX} parameters` });
    }
  }
  const placed = fleet.slice(0, PARAMETERS_MAX).map((parameter) => {
    return { parameter, found: placeOf(parameter.name.slice(paths.fleet.length + 1), "fleet") };
  });
  const isCanary = (found: Place) => "isCanary" in found && found.isCanary;
  for (const { parameter, found } of placed) {
    if (!isCanary(found)) lay(parameter, "fleet", found);
  }
  for (const { parameter, found } of placed) {
    if (!isCanary(found)) continue;
    if (cohort === "canary") lay(parameter, "canary", found);
    else if (found.kind === "wrong")
      unknown.push({ parameter: parameter.name, reason: found.reason });
  }
  for (const parameter of host.slice(0, PARAMETERS_MAX)) {
    const leaf = parameter.name.slice(paths.host.length + 1);
    lay(parameter, "host", placeOf(leaf, "host"));
  }
  if (routes.size > ROUTES_MAX) {
    problems.push({
      parameter: `${paths.fleet}/routes`,
      reason: `must be at most ${ROUTES_MAX} routes: there are ${routes.size}`,
    });
  }
  const sorted = [...routes].sort(byName).slice(0, ROUTES_MAX);
  return { top, routes: new Map(sorted), unknown, problems };
}

type Mutable = {
  readonly values: Partial<Record<SettingName, RawValue>>;
  readonly origins: Partial<Record<SettingName, Origin>>;
};

function byName([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one < other ? -1 : 1;
}

/**
 * What a parameter's name below its path means.
 * @param leaf such as `prefix`, `routes/raw/prefix`, `canary/prefix`, `canary/routes/raw/prefix`
 */
export function placeOf(leaf: string, path: "fleet" | "host"): Place {
  if (Object.hasOwn(FLEET_PARAMETERS, leaf)) {
    const name = leaf as keyof typeof FLEET_PARAMETERS;
    if (path === "fleet" || name === "revision") return { kind: "fleet", name };
    return { kind: "unknown", reason: "is a fleet's, and means nothing below a host" };
  }
  if (path === "fleet" && leaf.startsWith("canary/")) {
    const inner = settingPlace(leaf.slice("canary/".length), path);
    if (inner.kind === "unknown") return { ...inner, reason: unknownReason(leaf, path) };
    return { ...inner, isCanary: true };
  }
  return settingPlace(leaf, path);
}

function settingPlace(
  leaf: string,
  path: "fleet" | "host",
): Exclude<Place, { readonly kind: "fleet" }> {
  const [, route, setting = leaf] = /^routes\/([^/]*)\/(.+)$/s.exec(leaf) ?? [];
  if (!isSettingName(setting)) return { kind: "unknown", reason: unknownReason(leaf, path) };
  if (route === undefined) return { kind: "setting", isCanary: false, route: TOP, setting };
  if (!ROUTE_NAME.test(route) || route === DEFAULT_ROUTE) {
    return { kind: "wrong", isCanary: false, reason: ROUTE_EXPECTS };
  }
  if (!isRouteSettingName(setting)) {
    return {
      kind: "wrong",
      isCanary: false,
      reason: `is of the whole host: set ${setting} without routes/${route}/`,
    };
  }
  return { kind: "setting", isCanary: false, route, setting };
}

function unknownReason(leaf: string, path: "fleet" | "host"): string {
  const names = [...SETTING_NAMES, ...(path === "fleet" ? Object.keys(FLEET_PARAMETERS) : [])];
  const last = leaf.slice(leaf.lastIndexOf("/") + 1);
  const near = nearest(last, names) ?? nearest(leaf, names);
  return near === undefined
    ? "is not known to this version"
    : `is not known: did you mean ${near}?`;
}

/** SSM keeps a SecureString encrypted, and no setting is a secret. */
function typeProblem({ type }: Parameter): string | undefined {
  if (type !== "SecureString") return undefined;
  return "is a SecureString, which the agent does not decrypt: make it a String";
}

/** What is no list of globs reads its own text, commas and all. */
function rawValue({ type, value }: Parameter, setting: SettingName): RawValue {
  const isList = type === "StringList" && settingsSchema[setting].format === "globs";
  if (!isList || value.trim() === "none") return value;
  return value.split(",").map((glob) => glob.trim());
}
