import type { Parameter, ParameterSource } from "../config/parameters.ts";
import { type Random, retryDelayMs } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import { ServiceError } from "../lib/errors.ts";
import {
  type FleetPlace,
  fleetPath,
  hostsPath,
  keyOf,
  nameOf,
  partsPath,
  pathsOf,
  REVISION,
  readKey,
} from "./keys.ts";
import type { ParameterHistory, ParameterVersion } from "./parameter-store.ts";
import { type ReleaseRecord, readRelease } from "./release.ts";

/** All that the Parameter Store holds for a fleet, and for hosts of any fleet. */
export interface FleetState {
  readonly place: FleetPlace;
  /** The fleet's own, `revision` among them. */
  readonly fleet: readonly Parameter[];
  /** Those of each host that has any, `revision` among them. */
  readonly hosts: ReadonlyMap<string, readonly Parameter[]>;
  /** What of the last release did not fit into the revision. */
  readonly parts: readonly Parameter[];
}

/** What a command that waits for the service waits with. */
export interface Patience {
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
}

/** A person waits: the last of these tries comes after about a minute. */
const TRIES_MAX = 8;
const BACKOFF = { baseMs: 500, capMs: 20_000 };

/**
 * Does what a service was asked for, again while its failures are passing ones.
 * @throws ServiceError of the last try; the signal's reason
 */
export async function patiently<T>(
  { clock, random, signal }: Patience,
  ask: () => Promise<T>,
): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof ServiceError) || !error.isPassing || failures === TRIES_MAX)
        throw error;
      const delayMs = retryDelayMs(failures, BACKOFF, random);
      await clock.sleep(Math.max(delayMs, error.retryAfterMs ?? 0), signal);
    }
  }
}

/**
 * @param only the one host to read; undefined: all of them
 * @throws ServiceError; the signal's reason
 */
export async function readFleet(
  source: ParameterSource,
  place: FleetPlace,
  patience: Patience,
  only?: string,
): Promise<FleetState> {
  const fleet = await readAll(source, fleetPath(place), patience);
  const path = only === undefined ? hostsPath(place) : pathsOf(place, only).host;
  const all = await readAll(source, path, patience);
  const hosts = Map.groupBy(all, ({ name }) => readKey(keyOf(name, place) ?? "").host ?? "");
  hosts.delete("");
  const parts = only === undefined ? await readAll(source, partsPath(place), patience) : [];
  return { place, fleet, hosts, parts };
}

async function readAll(
  source: ParameterSource,
  path: string,
  patience: Patience,
): Promise<Parameter[]> {
  const found: Parameter[] = [];
  let token: string | undefined;
  do {
    const from = token;
    const page = await patiently(patience, () => source.readPage(path, from, patience.signal));
    found.push(...page.parameters);
    token = page.nextToken;
  } while (token !== undefined);
  return found;
}

/** All versions of a parameter that SSM still has, the oldest first. */
export async function readHistory(
  history: ParameterHistory,
  name: string,
  patience: Patience,
): Promise<ParameterVersion[]> {
  const found: ParameterVersion[] = [];
  let token: string | undefined;
  do {
    const from = token;
    const page = await patiently(patience, () => history.readVersions(name, from, patience.signal));
    found.push(...page.versions);
    token = page.nextToken;
  } while (token !== undefined);
  return found.sort((one, other) => one.version - other.version);
}

/** Every parameter by its key, but the revisions, which are about the others. */
export function leavesOf({ place, fleet, hosts }: FleetState): Map<string, Parameter> {
  const leaves = new Map<string, Parameter>();
  for (const parameter of [...fleet, ...[...hosts.values()].flat()]) {
    const key = keyOf(parameter.name, place);
    if (key !== undefined && readKey(key).leaf !== REVISION) leaves.set(key, parameter);
  }
  return leaves;
}

/** The fleet's revision; undefined: it has none. */
export function revisionOf({ place, fleet }: FleetState): Parameter | undefined {
  const name = nameOf(REVISION, place);
  return fleet.find((parameter) => parameter.name === name);
}

/** The fleet's last release; undefined: it has none, or its revision was written by hand. */
export function releaseOf(state: FleetState): ReleaseRecord | undefined {
  return readRelease(revisionOf(state)?.value ?? "", (index, version) => {
    const found = state.parts.find(({ name }) => name === partName(index, state.place));
    return found?.version === version ? found.value : undefined;
  });
}

/** The name of the n-th part of a release, from 0. */
export function partName(index: number, place: FleetPlace): string {
  return `${partsPath(place)}/${index + 1}`;
}

/** What there will be when the values by their keys are written and the others removed. */
export function stateAfter(
  state: FleetState,
  changes: readonly {
    readonly key: string;
    readonly type: string;
    readonly to: string | undefined;
  }[],
): FleetState {
  const { place } = state;
  const byHost = Map.groupBy(changes, ({ key }) => readKey(key).host);
  const change = (parameters: readonly Parameter[], host: string | undefined): Parameter[] => {
    const named = new Map(parameters.map((parameter) => [parameter.name, parameter]));
    for (const { key, type, to } of byHost.get(host) ?? []) {
      const name = nameOf(key, place);
      if (to === undefined) named.delete(name);
      else named.set(name, { name, type, value: to, version: 0, lastModifiedAt: 0 });
    }
    return [...named.values()];
  };
  const ids = new Set([...state.hosts.keys(), ...byHost.keys()]);
  const hosts = new Map<string, readonly Parameter[]>();
  for (const id of ids) {
    if (id !== undefined) hosts.set(id, change(state.hosts.get(id) ?? [], id));
  }
  return { ...state, fleet: change(state.fleet, undefined), hosts };
}

/** What one host reads of it. */
export function parametersOf(state: FleetState, host: string) {
  return {
    paths: pathsOf(state.place, host),
    set: { fleet: state.fleet, host: state.hosts.get(host) ?? [] },
  };
}
