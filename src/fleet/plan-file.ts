import { configurationError } from "../lib/errors.ts";
import { fleetPath, hostsPath } from "./keys.ts";
import { type FleetPlan, PLAN_FORMAT } from "./plan.ts";

/** A plan as `fleet plan -o` saves it. */
export function writePlan(plan: FleetPlan): string {
  return `${JSON.stringify(plan, undefined, 2)}\n`;
}

/** Whether a text is a saved plan rather than a fleet file, whose shape it never has. */
export function isSavedPlan(text: string): boolean {
  return /^\s*\{\s*"format"\s*:/.test(text);
}

/**
 * Reads a saved plan.
 * @param file its name, for messages
 * @throws AgentError (exit code 2) if it is cut short, of another version, or was made to write
 *   somewhere else than below its own fleet and the hosts
 */
export function readPlan(text: string, file: string): FleetPlan {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch (error) {
    throw refuse(file, "it is not whole", error);
  }
  if (!isPlan(read)) throw refuse(file, `it is none of this version (${PLAN_FORMAT})`);
  const { place, changes, revision } = read;
  const paths = [`${fleetPath(place)}/`, `${hostsPath(place)}/`];
  const names = [...changes.map(({ name }) => name), revision.name];
  const stray = names.find((name) => !paths.some((path) => name.startsWith(path)));
  if (stray !== undefined)
    throw refuse(file, `it would write ${stray}, which is none of the fleet`);
  return read;
}

function refuse(file: string, why: string, cause?: unknown): Error {
  return configurationError(
    `The saved plan ${file} is not usable: ${why}.`,
    "Make it again with `fleet plan FILE -o PLANFILE`.",
    cause,
  );
}

/** As far as applying it depends on: it is not meant to be written by hand. */
function isPlan(read: unknown): read is FleetPlan {
  if (!isObject(read) || read["format"] !== PLAN_FORMAT) return false;
  const { place, changes, seen, leaves, revision, region } = read;
  return (
    isObject(place) &&
    typeof place["parameterRoot"] === "string" &&
    typeof place["fleet"] === "string" &&
    typeof region === "string" &&
    Array.isArray(changes) &&
    changes.every((one) => isObject(one) && typeof one["name"] === "string") &&
    isObject(seen) &&
    isObject(leaves) &&
    isObject(revision) &&
    typeof revision["name"] === "string" &&
    ["kept", "drift", "warnings", "problems"].every((name) => Array.isArray(read[name]))
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
