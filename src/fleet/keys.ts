import type { ParameterPaths } from "../config/parameters.ts";

/** A fleet in the Parameter Store. */
export interface FleetPlace {
  /** Without a slash at the end. */
  readonly parameterRoot: string;
  readonly fleet: string;
}

/** The leaf that is written last, and tells the hosts to read. No key leads to it. */
export const REVISION = "revision";

/** What the canaries' own values and their share are below. */
export const CANARY = "canary/";

const HOSTS = "hosts/";

/** The path of all that the whole fleet shares. */
export function fleetPath({ parameterRoot, fleet }: FleetPlace): string {
  return `${parameterRoot}/fleets/${fleet}`;
}

/** The path below which every host of every fleet has its own. */
export function hostsPath({ parameterRoot }: FleetPlace): string {
  return `${parameterRoot}/hosts`;
}

/** The path of the parts of releases that are too large for one parameter. No host reads it. */
export function partsPath({ parameterRoot, fleet }: FleetPlace): string {
  return `${parameterRoot}/releases/${fleet}`;
}

/** Both paths of one host. */
export function pathsOf(place: FleetPlace, host: string): ParameterPaths {
  return { fleet: fleetPath(place), host: `${hostsPath(place)}/${host}` };
}

/**
 * A parameter's name as the operator's commands and the release log write it: `prefix` and
 * `routes/raw/prefix` of the fleet, `hosts/i-0abc/prefix` of a host.
 */
export function keyOf(name: string, place: FleetPlace): string | undefined {
  const [fleet, hosts] = [`${fleetPath(place)}/`, `${hostsPath(place)}/`];
  if (name.startsWith(hosts)) return `${HOSTS}${name.slice(hosts.length)}`;
  if (!name.startsWith(fleet)) return undefined;
  const leaf = name.slice(fleet.length);
  return leaf.startsWith(HOSTS) ? `./${leaf}` : leaf;
}

/** The whole name of the parameter with this key. */
export function nameOf(key: string, place: FleetPlace): string {
  if (key.startsWith(HOSTS)) return `${hostsPath(place)}/${key.slice(HOSTS.length)}`;
  return `${fleetPath(place)}/${key.replace(/^\.\//, "")}`;
}

/** The key of a host's own parameter. */
export function hostKey(host: string, leaf: string): string {
  return `${HOSTS}${host}/${leaf}`;
}

/** Whose parameter a key names, and its leaf there. */
export function readKey(key: string): { readonly host: string | undefined; readonly leaf: string } {
  const [, host, leaf = key.replace(/^\.\//, "")] = /^hosts\/([^/]+)\/(.+)$/s.exec(key) ?? [];
  return { host, leaf };
}
