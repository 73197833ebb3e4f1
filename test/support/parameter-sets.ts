import {
  type Config,
  type Host,
  type Resolved,
  resolveParameters,
} from "../../src/config/config.ts";
import { type ParameterProblem, TOP } from "../../src/config/merge.ts";
import type { Parameter, ParameterPaths, ParameterSet } from "../../src/config/parameters.ts";
import type { RouteSettings } from "../../src/config/schema.ts";

export const PATHS: ParameterPaths = { fleet: "/root/fleets/web", host: "/root/hosts/h1" };

/** A host whose bootstrap file forbids no more than it must. */
export const HOST: Host = {
  hostId: "h1",
  paths: PATHS,
  allowedBuckets: undefined,
  allowOverwrite: false,
  minAgeFloorMs: 30_000,
};

/** Texts by leaf; one that is undefined is not there. */
export type Leaves = Readonly<Record<string, string | undefined>>;

/** What a person wrote: leaves below the fleet's and the host's path, with types that are not String. */
export interface Written {
  readonly fleet?: Leaves;
  readonly host?: Leaves;
  /** By `fleet/<leaf>` or `host/<leaf>`. */
  readonly types?: Readonly<Record<string, string>>;
}

export function parameterSet({ fleet = {}, host = {}, types = {} }: Written): ParameterSet {
  const parametersOf = (layer: "fleet" | "host", leaves: Leaves): Parameter[] =>
    Object.entries(leaves).flatMap(([leaf, value]) => {
      if (value === undefined) return [];
      const type = types[`${layer}/${leaf}`] ?? "String";
      return [{ name: `${PATHS[layer]}/${leaf}`, type, value, version: 1, lastModifiedAt: 0 }];
    });
  return { fleet: parametersOf("fleet", fleet), host: parametersOf("host", host) };
}

export function resolveWritten(written: Written, host: Partial<Host> = {}): Resolved {
  return resolveParameters(parameterSet(written), { ...HOST, ...host }, 0);
}

/** The configuration of what must be good. */
export function goodConfig(written: Written, host: Partial<Host> = {}): Config {
  const resolved = resolveWritten(written, host);
  if ("config" in resolved) return resolved.config;
  throw new Error(`was refused: ${JSON.stringify(resolved.problems)}`);
}

/** What is wrong with what must be refused. */
export function problemsOf(
  written: Written,
  host: Partial<Host> = {},
): readonly ParameterProblem[] {
  const resolved = resolveWritten(written, host);
  if ("problems" in resolved) return resolved.problems;
  throw new Error("was not refused");
}

/** The settings of a route; without a name those of the top level. */
export function settingsOf({ routes }: Config, name = TOP): RouteSettings {
  const route = routes.find((one) => one.name === (name === TOP ? "default" : name));
  if (route === undefined) throw new Error(`there is no route ${name}`);
  return route.settings;
}
