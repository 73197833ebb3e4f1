import type { Parameter, ParameterSet } from "../config/parameters.ts";
import type { FleetFile } from "./fleet-file.ts";
import { type FleetPlace, fleetPath, nameOf, readKey } from "./keys.ts";
import { isSameValue } from "./values.ts";

/**
 * What a host reads once a fleet file is applied over what is there: a parameter that the file does
 * not name stays, as `fleet apply` without `--prune` leaves it.
 * @param host the host's id
 */
export function laidOver(
  set: ParameterSet,
  { values }: FleetFile,
  about: { readonly place: FleetPlace; readonly host: string },
): ParameterSet {
  const { place, host } = about;
  const layers: Record<"fleet" | "host", Map<string, Parameter>> = {
    fleet: new Map(set.fleet.map((parameter) => [parameter.name, parameter])),
    host: new Map(set.host.map((parameter) => [parameter.name, parameter])),
  };
  for (const [key, value] of values) {
    const of = readKey(key).host;
    if (of !== undefined && of !== host) continue;
    const name = nameOf(key, place);
    const layer = layers[name.startsWith(`${fleetPath(place)}/`) ? "fleet" : "host"];
    const found = layer.get(name);
    if (found !== undefined && isSameValue(key, found.value, value)) continue;
    const fresh = { name, type: "String", version: 0, lastModifiedAt: 0 };
    layer.set(name, { ...(found ?? fresh), value });
  }
  return { fleet: [...layers.fleet.values()], host: [...layers.host.values()] };
}
