import type { Parameter } from "../config/parameters.ts";
import { type FleetPlace, nameOf, readKey } from "./keys.ts";
import { isSameValue } from "./values.ts";

/** One parameter that is to be added, changed or removed. */
export interface Change {
  readonly key: string;
  /** The whole name of the parameter. */
  readonly name: string;
  readonly type: string;
  /** What it is now; undefined: it is not there. */
  readonly from: { readonly value: string; readonly version: number } | undefined;
  /** What it is to be; undefined: it is to be removed. */
  readonly to: string | undefined;
}

/** What is wanted of a fleet's parameters. */
export interface Target {
  /** Values by their keys. */
  readonly wanted: ReadonlyMap<string, string>;
  /** Keys that are to be gone. */
  readonly dropped: ReadonlySet<string>;
}

/** In the order of the keys, the fleet's before the hosts'. */
export function differenceOf(
  leaves: ReadonlyMap<string, Parameter>,
  { wanted, dropped }: Target,
  place: FleetPlace,
): readonly Change[] {
  const changes: Change[] = [];
  for (const [key, to] of wanted) {
    const found = leaves.get(key);
    if (found !== undefined && isSameValue(key, found.value, to)) continue;
    changes.push({ ...changeOf(key, found, place), to });
  }
  for (const key of dropped) {
    const found = leaves.get(key);
    if (found !== undefined) changes.push({ ...changeOf(key, found, place), to: undefined });
  }
  return changes.sort(byKey);
}

function changeOf(key: string, found: Parameter | undefined, place: FleetPlace) {
  const from = found === undefined ? undefined : { value: found.value, version: found.version };
  return { key, name: found?.name ?? nameOf(key, place), type: found?.type ?? "String", from };
}

/** The fleet's keys before those of hosts, each by the alphabet. */
export function byKey(one: { readonly key: string }, other: { readonly key: string }): number {
  const [a, b] = [one, other].map(({ key }) => (readKey(key).host === undefined ? 0 : 1)) as [
    number,
    number,
  ];
  if (a !== b) return a - b;
  return one.key < other.key ? -1 : 1;
}

/** How many of each kind there are. */
export function countChanges(changes: readonly Change[]) {
  const added = changes.filter(({ from }) => from === undefined).length;
  const removed = changes.filter(({ to }) => to === undefined).length;
  return { added, changed: changes.length - added - removed, removed };
}
