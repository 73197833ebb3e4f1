import type { Schema } from "convict";
import { convict } from "./formats.ts";

/** The settings of a fleet, as convict gives them: one member per parameter, named as it is. */
export interface Settings {
  readonly bucket: string;
  readonly prefix: string;
  readonly schedule: string;
  /** Milliseconds, or `auto`. */
  readonly splay: number | "auto";
  readonly timezone: string;
  readonly directory: string;
  /** Milliseconds. */
  readonly "min-age": number;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly "on-conflict": "suffix" | "overwrite";
  readonly concurrency: number;
  /** Failures; 0: never. */
  readonly "quarantine-after": number;
  readonly "storage-class": string;
  readonly "kms-key-id": string;
  /** Pairs of name and value; convict would take an object for settings of its own. */
  readonly tags: readonly (readonly [name: string, value: string])[];
  readonly "bucket-owner": string;
  readonly "file-events": "all" | "failures";
  readonly "log-level": "debug" | "info" | "warn" | "error";
  /** Milliseconds. */
  readonly "refresh-interval": number;
}

const DAY_MS = 86_400_000;

/**
 * Every parameter below `/s3-offload-agent/fleets/<fleet>/` and `/s3-offload-agent/hosts/<host-id>/`.
 * The table in the README is made from this: `doc` is what it says there, `default` is written as
 * a person would write it.
 */
export const settingsSchema = {
  bucket: {
    doc: "Destination bucket: its name, or the ARN of an access point.",
    format: "text",
    default: null,
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    pattern:
      /^(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$|^arn:[a-z-]+:s3[a-z-]*:[a-z0-9-]*:\d{12}:accesspoint[/:][\w./:-]+$/,
    expects:
      "must be a bucket name (3 to 63 lower-case letters, digits, dots, hyphens) or an access point's ARN",
  },
  prefix: {
    doc: "Object key prefix, taken as it is written: end it with a slash. `{host}` and `{fleet}` stand for the host's id and the fleet, `{yyyy}` `{MM}` `{dd}` `{HH}` for the file's mtime in UTC.",
    format: "prefix",
    default: "{host}/",
  },
  schedule: {
    doc: "When to sweep: `rate(N seconds|minutes|hours|days)`, five cron fields, or `cron(...)`.",
    format: String,
    default: "rate(10 minutes)",
  },
  splay: {
    doc: "Over how long the hosts of a fleet spread their sweeps; each host keeps its place. `auto`: the whole interval of a rate, one minute for cron.",
    format: "duration-or-auto",
    default: "auto",
  },
  timezone: {
    doc: "Time zone in which cron fields are read.",
    format: "timezone",
    default: "UTC",
  },
  directory: {
    doc: "Watched directory, with everything below it. A relative one is taken from the agent's working directory.",
    format: "text",
    default: "/var/spool/s3-offload",
    pattern: /^[^\0]+$/,
    expects: "must be a path",
  },
  "min-age": {
    doc: "How long a file must not have changed (mtime and ctime) before it is taken. Below 30s only where the bootstrap file's `minAgeFloor` allows it.",
    format: "duration",
    default: "30s",
    min: 0,
    max: 30 * DAY_MS,
  },
  include: {
    doc: "Globs of the files to take, on the path relative to the watched directory, separated by commas.",
    format: "globs",
    default: "**",
  },
  exclude: {
    doc: "Globs of files never to take: by default the names that programs use for unfinished files.",
    format: "globs",
    default: "**/*.tmp,**/*.temp,**/*.part,**/*.partial,**/*.filepart,**/*.swp,**/*~",
  },
  "on-conflict": {
    doc: "What becomes of a file whose key is taken: `suffix`, it goes to a key that names its content; `overwrite`, where the bootstrap file's `allowOverwrite` allows it and the bucket keeps versions.",
    format: ["suffix", "overwrite"],
    default: "suffix",
  },
  concurrency: {
    doc: "How many files are transferred at once.",
    format: "count",
    default: "8",
    min: 1,
    max: 256,
  },
  "quarantine-after": {
    doc: "After how many failures of its own, while others succeed, a file is set aside in `.s3oa-quarantine`; 0: never.",
    format: "count",
    default: "10",
    min: 0,
    max: 1_000_000,
  },
  "storage-class": {
    doc: "Storage class of the objects.",
    format: [
      "STANDARD",
      "STANDARD_IA",
      "ONEZONE_IA",
      "INTELLIGENT_TIERING",
      "GLACIER_IR",
      "GLACIER",
      "DEEP_ARCHIVE",
    ],
    default: "STANDARD",
  },
  "kms-key-id": {
    doc: "KMS key that encrypts the objects; empty: the bucket's default encryption.",
    format: "text",
    default: "",
    pattern: /^[\w:/-]*$/,
    expects: "must be a KMS key's id, ARN or alias",
  },
  tags: {
    doc: "Tags of the objects, as `name=value` pairs separated by commas.",
    format: "tags",
    default: "",
  },
  "bucket-owner": {
    doc: "Account that must own the bucket; empty: not checked.",
    format: "text",
    default: "",
    pattern: /^(\d{12})?$/,
    expects: "must be the 12 digits of an account id",
  },
  "file-events": {
    doc: "Which files get a log record of their own: `all`, or only `failures`.",
    format: ["all", "failures"],
    default: "all",
  },
  "log-level": {
    doc: "Least level of the log records: `debug`, `info`, `warn` or `error`.",
    format: ["debug", "info", "warn", "error"],
    default: "info",
  },
  "refresh-interval": {
    doc: "How often the parameters are read again.",
    format: "duration",
    default: "10m",
    min: 1_000,
    max: DAY_MS,
  },
} as const;

export type SettingName = keyof typeof settingsSchema;

/** The names of all settings, in the order of the schema. */
export const SETTING_NAMES = Object.keys(settingsSchema) as SettingName[];

/** Whether a parameter's leaf is the name of a setting. */
export function isSettingName(leaf: string): leaf is SettingName {
  return Object.hasOwn(settingsSchema, leaf);
}

/** One thing that is wrong with a setting. */
export interface SettingProblem {
  readonly setting: string;
  readonly reason: string;
}

/**
 * Validates raw values as a whole and makes the typed settings of them; what is not given has its
 * default.
 * @returns the settings, or everything that is wrong with them
 */
export function validateSettings(
  values: Readonly<Partial<Record<SettingName, string | readonly string[]>>>,
): { readonly settings: Settings } | { readonly problems: readonly SettingProblem[] } {
  // convict would read this process's own arguments and environment if not told otherwise.
  const schema = settingsSchema as unknown as Schema<Settings>;
  const config = convict<Settings>(schema, { args: [], env: {} });
  config.load(structuredClone(values));
  try {
    config.validate({ allowed: "strict" });
  } catch (error) {
    return { problems: problemsOf(error) };
  }
  return { settings: config.getProperties() };
}

/** convict reports all problems as the lines of one message, each `name: reason`. */
export function problemsOf(error: unknown): SettingProblem[] {
  if (!(error instanceof Error)) throw error;
  return error.message.split("\n").map((line) => {
    const [, setting = "", reason = line] = /^([\w-]+): (.*)$/.exec(line) ?? [];
    return { setting, reason };
  });
}
