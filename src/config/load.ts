import { createHash } from "node:crypto";
import { configurationError, messageOf } from "../lib/errors.ts";
import { formatDuration } from "../lib/units.ts";
import { parseSchedule, type Schedule } from "../schedule/schedule.ts";
import type { Bootstrap } from "./bootstrap.ts";
import { type Layer, mergeParameters, type Origin, type Parameter } from "./parameters.ts";
import { SETTING_NAMES, type SettingName, type Settings, validateSettings } from "./schema.ts";

/** Reads parameters. Implemented in `aws/`; the tests have their own. */
export interface ParameterSource {
  /**
   * Every parameter below a path, however many pages that takes.
   * @param path without a slash at the end
   * @throws AgentError (exit code 3) if the service is out of reach or refuses; the signal's reason
   */
  readPath(path: string, signal: AbortSignal): Promise<readonly Parameter[]>;
}

/** A configuration that has been validated as a whole. It never changes; a refresh makes another. */
export interface Config {
  readonly settings: Settings;
  readonly schedule: Schedule;
  readonly origins: Readonly<Record<SettingName, Origin>>;
  /** The first 12 hexadecimal digits of the SHA-256 over all values: equal on equal hosts. */
  readonly hash: string;
  readonly unknownParameters: readonly string[];
  /** When the parameters were read, in wall-clock milliseconds. */
  readonly readAt: number;
}

/**
 * Reads the fleet's and the host's parameters and validates them as a whole.
 * @throws AgentError with exit code 2 that names each refused parameter and the reason, or with
 *   exit code 3 if the Parameter Store is out of reach
 */
export async function loadConfig(
  source: ParameterSource,
  bootstrap: Bootstrap,
  { signal, now }: { readonly signal: AbortSignal; readonly now: () => number },
): Promise<Config> {
  const fleetPath = `${bootstrap.parameterRoot}/fleets/${bootstrap.fleet}`;
  const hostPath = `${bootstrap.parameterRoot}/hosts/${bootstrap.hostId}`;
  // One after the other, so that what is said of a failure does not depend on which is quicker.
  const fleet = await source.readPath(fleetPath, signal);
  const host = await source.readPath(hostPath, signal);
  if (fleet.length === 0) {
    throw configurationError(
      `There are no parameters below ${fleetPath}/.`,
      `Check \`fleet\` in the bootstrap file and the region, or make the fleet: aws ssm put-parameter --type String --name ${fleetPath}/bucket --value BUCKET`,
    );
  }
  return resolveConfig(
    [
      { origin: "fleet", path: fleetPath, parameters: fleet },
      { origin: "host", path: hostPath, parameters: host },
    ],
    bootstrap,
    now(),
  );
}

/**
 * Makes the configuration of what the layers say.
 * @throws AgentError (exit code 2) that names every refused parameter with its reason
 */
export function resolveConfig(
  layers: readonly Layer[],
  bootstrap: Bootstrap,
  readAt: number,
): Config {
  const merged = mergeParameters(layers);
  const nameOf = (setting: string) =>
    merged.sources[setting as SettingName] ?? `${layers[0]?.path ?? ""}/${setting}`;

  const validated = validateSettings(merged.values);
  const problems = "problems" in validated ? [...validated.problems] : [];
  let schedule: Schedule | undefined;
  if ("settings" in validated) {
    const { settings } = validated;
    problems.push(...guardProblems(settings, bootstrap));
    try {
      schedule = parseSchedule(settings.schedule, {
        timezone: settings.timezone,
        splayMs: settings.splay === "auto" ? undefined : settings.splay,
      });
    } catch (error) {
      problems.push({
        setting: "schedule",
        reason: `${messageOf(error)}: value was ${JSON.stringify(settings.schedule)}`,
      });
    }
    if (problems.length === 0 && schedule !== undefined) {
      return {
        settings,
        schedule,
        origins: originsOf(merged.origins),
        hash: hashOf(settings),
        unknownParameters: merged.unknown,
        readAt,
      };
    }
  }
  throw configurationError(
    `The configuration is refused: ${problems.map((p) => `${nameOf(p.setting)} ${p.reason}`).join("; ")}.`,
    "Put a right value with `aws ssm put-parameter --overwrite`; the README lists every parameter.",
  );
}

/** What the bootstrap file forbids, whatever the parameters say. */
function guardProblems(settings: Settings, bootstrap: Bootstrap) {
  const problems: { setting: string; reason: string }[] = [];
  if (settings["min-age"] < bootstrap.minAgeFloorMs) {
    problems.push({
      setting: "min-age",
      reason: `must be at least ${formatDuration(bootstrap.minAgeFloorMs)}, the bootstrap file's minAgeFloor: value was ${formatDuration(settings["min-age"])}`,
    });
  }
  if (settings["on-conflict"] === "overwrite" && !bootstrap.allowOverwrite) {
    problems.push({
      setting: "on-conflict",
      reason: `must be suffix, since the bootstrap file does not say allowOverwrite: value was "overwrite"`,
    });
  }
  if (
    bootstrap.allowedBuckets !== undefined &&
    !bootstrap.allowedBuckets.includes(settings.bucket)
  ) {
    problems.push({
      setting: "bucket",
      reason: `is not among the bootstrap file's allowedBuckets: value was ${JSON.stringify(settings.bucket)}`,
    });
  }
  return problems;
}

function originsOf(known: Readonly<Partial<Record<SettingName, Origin>>>) {
  return Object.fromEntries(
    SETTING_NAMES.map((name) => [name, known[name] ?? "default"]),
  ) as Record<SettingName, Origin>;
}

function hashOf(settings: Settings): string {
  const ordered = SETTING_NAMES.map((name) => [name, settings[name]]);
  return createHash("sha256").update(JSON.stringify(ordered)).digest("hex").slice(0, 12);
}
