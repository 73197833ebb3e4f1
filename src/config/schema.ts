/** The settings of one route: a watched directory and its destination. Named as the parameters are. */
export interface RouteSettings {
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
}

/** The settings of a host as a whole. */
export interface HostSettings {
  /** Bytes a second of all uploads together; 0: no limit. */
  readonly "bandwidth-limit": number;
  readonly "file-events": "all" | "failures";
  /** 0 to 100. */
  readonly "file-events-percent": number;
  readonly "log-level": "debug" | "info" | "warn" | "error";
  /** Bytes on disk of the log records that wait; 0: none, they wait in memory only. */
  readonly "log-spool-limit": number;
  /** Milliseconds. */
  readonly "refresh-interval": number;
}

/** Every setting. */
export interface Settings extends RouteSettings, HostSettings {}

const DAY_MS = 86_400_000;

/**
 * Every parameter that sets something on a host. The table in the README is made from this: `doc`
 * is what it says there, `default` is written as a person would write it. `scope` says whether
 * each route may have its own. SSM takes no empty value, so where empty means something it is
 * written `none`.
 */
export const settingsSchema = {
  bucket: {
    doc: "Destination bucket: its name, or the ARN of an access point.",
    scope: "route",
    format: "text",
    default: null,
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    pattern:
      /^(?!.*\.\.)(?!.*\.-|.*-\.)(?!xn--|sthree-|amzn-s3-demo-|none$)(?!.*--x-s3$|.*--table-s3$)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$|^arn:aws[a-z-]*:s3:[a-z]{2,}(-[a-z]+)+-\d:\d{12}:accesspoint[/:][a-z0-9][a-z0-9-]{1,48}[a-z0-9]$/,
    expects:
      "must be a bucket name (3 to 63 lower-case letters, digits, dots, hyphens) or the ARN of an access point in one region",
  },
  prefix: {
    doc: "Object key prefix, taken as it is written: end it with a slash. `{host}` and `{fleet}` stand for the host's id and the fleet, `{yyyy}` `{MM}` `{dd}` `{HH}` for the file's mtime in UTC. `none`: no prefix.",
    scope: "route",
    format: "prefix",
    default: "{host}/",
    takesNone: true,
  },
  schedule: {
    doc: "When to sweep: `rate(N seconds|minutes|hours|days)`, five cron fields, or `cron(...)`.",
    scope: "route",
    format: "schedule",
    default: "rate(10 minutes)",
  },
  splay: {
    doc: "Over how long the hosts of a fleet spread their sweeps; each host keeps its place. `auto`: the whole interval of a rate, one minute for cron.",
    scope: "route",
    format: "duration-or-auto",
    default: "auto",
    min: 0,
    max: DAY_MS,
  },
  timezone: {
    doc: "Time zone in which cron fields are read.",
    scope: "route",
    format: "timezone",
    default: "UTC",
  },
  directory: {
    doc: "Watched directory, with everything below it. A relative one is taken from the agent's working directory.",
    scope: "route",
    format: "directory",
    default: "/var/spool/s3-offload",
  },
  "min-age": {
    doc: "How long a file must not have changed (mtime and ctime) before it is taken. Below 30s only where the bootstrap file's `minAgeFloor` allows it.",
    scope: "route",
    format: "duration",
    default: "30s",
    min: 0,
    max: 30 * DAY_MS,
  },
  include: {
    doc: "Globs of the files to take, on the path relative to the watched directory, separated by commas.",
    scope: "route",
    format: "globs",
    default: "**",
  },
  exclude: {
    doc: "Globs of files never to take: by default the names that programs use for unfinished files. `none`: no such names.",
    scope: "route",
    format: "globs",
    default: "**/*.tmp,**/*.temp,**/*.part,**/*.partial,**/*.filepart,**/*.swp,**/*~",
    takesNone: true,
  },
  "on-conflict": {
    doc: "What becomes of a file whose key is taken: `suffix`, it goes to a key that names its content; `overwrite`, where the bootstrap file's `allowOverwrite` allows it and the bucket keeps versions.",
    scope: "route",
    format: ["suffix", "overwrite"],
    default: "suffix",
  },
  concurrency: {
    doc: "How many files are transferred at once.",
    scope: "route",
    format: "count",
    default: "8",
    min: 1,
    max: 256,
  },
  "quarantine-after": {
    doc: "After how many failures of its own, while others succeed, a file is set aside in `.s3oa-quarantine`; 0: never.",
    scope: "route",
    format: "count",
    default: "10",
    min: 0,
    max: 1_000_000,
  },
  "storage-class": {
    doc: "Storage class of the objects.",
    scope: "route",
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
    doc: "KMS key that encrypts the objects. `none`: the bucket's default encryption.",
    scope: "route",
    format: "text",
    default: "none",
    takesNone: true,
    // https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id
    pattern:
      /^$|^(arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/)?([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$|^(arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:)?alias\/[\w/-]{1,250}$/,
    expects: "must be a KMS key's id, ARN or alias, such as alias/my-key",
  },
  tags: {
    doc: "Tags of the objects, as `name=value` pairs separated by commas.",
    scope: "route",
    format: "tags",
    default: "none",
    takesNone: true,
  },
  "bucket-owner": {
    doc: "Account that must own the bucket. `none`: not checked.",
    scope: "route",
    format: "text",
    default: "none",
    takesNone: true,
    pattern: /^(\d{12})?$/,
    expects: "must be the 12 digits of an account id",
  },
  "bandwidth-limit": {
    doc: "How many bytes a second all uploads of a host may take together, such as `10MiB`. `none`: no limit.",
    scope: "host",
    format: "bandwidth",
    default: "none",
    takesNone: true,
    min: 1_024,
  },
  "file-events": {
    doc: "Which files get a record of their own in CloudWatch Logs: `all`, or only `failures`. Standard output has all.",
    scope: "host",
    format: ["all", "failures"],
    default: "all",
  },
  "file-events-percent": {
    doc: "Of how many percent of the files, 0 to 100, the removal has a record in CloudWatch Logs. Which files, is told by their paths. Failures always have one.",
    scope: "host",
    format: "count",
    default: "100",
    min: 0,
    max: 100,
  },
  "log-level": {
    doc: "Least level of the log records: `debug`, `info`, `warn` or `error`. Records that carry metrics are always written.",
    scope: "host",
    format: ["debug", "info", "warn", "error"],
    default: "info",
  },
  "log-spool-limit": {
    doc: "How many bytes on disk the log records may take that wait for CloudWatch Logs, such as `1GiB`; beyond it the oldest are dropped and counted. `none`: they wait in memory only, 8 MiB for each log group.",
    scope: "host",
    format: "size",
    default: "128MiB",
    takesNone: true,
    min: 2 ** 20,
    max: 16 * 2 ** 30,
  },
  "refresh-interval": {
    doc: "How often the parameters are asked for changes.",
    scope: "host",
    format: "duration",
    default: "10m",
    min: 1_000,
    max: DAY_MS,
  },
} as const;

/** Parameters of a fleet that set nothing on a host by themselves. */
export const FLEET_PARAMETERS = {
  "canary/percent": {
    doc: "How many percent of the hosts, 0 to 100, have the values below `canary/`.",
    default: "0",
  },
  "expected-hosts": {
    doc: "How many hosts there should be: fewer heartbeats raise an alarm.",
    default: "none",
  },
  revision: {
    doc: "Written last by `fleet apply`: a new version tells the hosts to read all parameters.",
    default: "none",
  },
} as const;

export type SettingName = keyof typeof settingsSchema;
export type RouteSettingName = keyof RouteSettings;
export type HostSettingName = keyof HostSettings;

/** The names of all settings, in the order of the schema. */
export const SETTING_NAMES = Object.keys(settingsSchema) as SettingName[];

/** Those that each route may have its own of. */
export const ROUTE_SETTING_NAMES = SETTING_NAMES.filter(isRouteSettingName);

/** Those that are of the host as a whole. */
export const HOST_SETTING_NAMES = SETTING_NAMES.filter(
  (name): name is HostSettingName => !isRouteSettingName(name),
);

/** Whether a parameter's leaf is the name of a setting. */
export function isSettingName(leaf: string): leaf is SettingName {
  return Object.hasOwn(settingsSchema, leaf);
}

/** Whether a setting may differ from route to route. */
export function isRouteSettingName(name: SettingName): name is RouteSettingName {
  return settingsSchema[name].scope === "route";
}
