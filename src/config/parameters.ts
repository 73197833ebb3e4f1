import { isSettingName, type SettingName, settingsSchema } from "./schema.ts";

/** One parameter as the Parameter Store holds it. */
export interface Parameter {
  /** The whole path, such as `/s3-offload-agent/fleets/web/bucket`. */
  readonly name: string;
  readonly type: string;
  readonly value: string;
}

/** Where a setting's value comes from; a later one wins. */
export type Origin = "default" | "fleet" | "host";

/** The parameters below one path, all of one origin. */
export interface Layer {
  readonly origin: Origin;
  /** Without a slash at the end. */
  readonly path: string;
  readonly parameters: readonly Parameter[];
}

/** What all layers together say. */
export interface MergedParameters {
  readonly values: Readonly<Partial<Record<SettingName, string | readonly string[]>>>;
  readonly origins: Readonly<Partial<Record<SettingName, Origin>>>;
  /** The parameter that gave each value, for messages. */
  readonly sources: Readonly<Partial<Record<SettingName, string>>>;
  /** Full names of parameters that mean nothing to this version of the agent. */
  readonly unknown: readonly string[];
}

/**
 * Lays the layers over each other, the later one winning setting by setting.
 * @param layers least specific first
 */
export function mergeParameters(layers: readonly Layer[]): MergedParameters {
  const values: Partial<Record<SettingName, string | readonly string[]>> = {};
  const origins: Partial<Record<SettingName, Origin>> = {};
  const sources: Partial<Record<SettingName, string>> = {};
  const unknown: string[] = [];
  for (const layer of layers) {
    for (const parameter of layer.parameters) {
      const leaf = parameter.name.slice(layer.path.length + 1);
      if (!isSettingName(leaf)) {
        unknown.push(parameter.name);
        continue;
      }
      // What is no list of globs reads its own text, commas and all.
      const isList = parameter.type === "StringList" && settingsSchema[leaf].format === "globs";
      values[leaf] = isList ? parameter.value.split(",") : parameter.value;
      origins[leaf] = layer.origin;
      sources[leaf] = parameter.name;
    }
  }
  return { values, origins, sources, unknown };
}
