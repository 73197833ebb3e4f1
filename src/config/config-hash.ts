import { createHash } from "node:crypto";
import type { Cohort } from "./canary.ts";
import type { Parameter, ParameterPaths, ParameterSet } from "./parameters.ts";
import { FLEET_PARAMETERS } from "./schema.ts";

/**
 * Tells whether two hosts have the same configuration: the first 12 hexadecimal digits of the
 * SHA-256 over what the parameters say for a host after the layers are laid over each other, as a
 * JSON array of `[leaf, value]` pairs, sorted by leaf; the value of a StringList is an array.
 * Neither defaults nor what the leaves mean play a part in it, so it is the same for every version
 * of the agent and for configurations that are refused; nor do parameters that set nothing on a
 * host (`revision`, `expected-hosts`, `canary/percent`).
 */
export function configHash(
  { fleet, host }: ParameterSet,
  paths: ParameterPaths,
  cohort: Cohort,
): string {
  const said = new Map<string, string | string[]>();
  const lay = (leaf: string, { type, value }: Parameter) => {
    if (Object.hasOwn(FLEET_PARAMETERS, leaf)) return;
    said.set(leaf, type === "StringList" ? value.split(",") : value);
  };
  const leaves = fleet.map((parameter) => ({
    parameter,
    leaf: parameter.name.slice(paths.fleet.length + 1),
  }));
  for (const { leaf, parameter } of leaves) {
    if (!leaf.startsWith(CANARY)) lay(leaf, parameter);
  }
  for (const { leaf, parameter } of leaves) {
    const isOfCanaries = leaf.startsWith(CANARY) && !Object.hasOwn(FLEET_PARAMETERS, leaf);
    if (cohort === "canary" && isOfCanaries) lay(leaf.slice(CANARY.length), parameter);
  }
  for (const parameter of host) lay(parameter.name.slice(paths.host.length + 1), parameter);
  const sorted = [...said].sort(([one], [other]) => (one < other ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(sorted)).digest("hex").slice(0, 12);
}

const CANARY = "canary/";
