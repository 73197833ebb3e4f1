import { LEVELS } from "./events.ts";

/** How a field's value is written. `time`: ISO 8601 in UTC with milliseconds, as text. */
export type FieldType = "text" | "number" | "boolean" | "time" | "objects";

export type FieldUnit = "bytes" | "milliseconds" | "seconds" | "percent";

interface Field {
  readonly type: FieldType;
  /** Of a number; without one it is a plain count. */
  readonly unit?: FieldUnit;
  /** All texts that there are; without them it may be any. */
  readonly values?: readonly string[];
  /** The fields of each object, all of which it has. */
  readonly members?: readonly string[];
  readonly doc: string;
}

/**
 * Every field of every record. A name has one meaning wherever it stands, and keeps it: saved
 * queries, alarms and people rest on it. Who needs another meaning takes another name.
 */
export const FIELDS = {
  // Of every record.
  level: { type: "text", values: LEVELS, doc: "How much it matters." },
  time: { type: "time", doc: "When it happened, by the host's clock." },
  fleet: { type: "text", doc: "The fleet that the host is of." },
  host: { type: "text", doc: "The host's id." },
  version: { type: "text", doc: "The agent's version." },
  id: {
    type: "text",
    doc: "No other record of the host has it: one that is delivered twice can be told.",
  },
  event: { type: "text", doc: "What happened." },

  // What it is about.
  route: { type: "text", doc: "The route's name." },
  routes: {
    type: "objects",
    members: ["route", "bucket", "prefix", "directory", "schedule"],
    doc: "The routes that are swept, with their settings.",
  },
  routesSwept: { type: "number", doc: "How many routes are swept." },
  directory: { type: "text", doc: "A watched directory." },
  path: {
    type: "text",
    doc: "The file's, or directory's, path in the watched directory. Bytes that are no text are escaped, as in keys.",
  },
  at: { type: "text", doc: "Where the file is now, relative to the watched directory." },
  file: { type: "text", doc: "Absolute path of a file or folder in the agent's state directory." },
  setAsideAs: { type: "text", doc: "What the damaged file is called now." },
  destination: { type: "text", doc: "Where the records were to go: a log group, or `stdout`." },
  bucket: { type: "text", doc: "The destination bucket." },
  prefix: { type: "text", doc: "The setting `prefix`." },
  schedule: { type: "text", doc: "The setting `schedule`." },
  key: { type: "text", doc: "The object's key." },
  parameter: { type: "text", doc: "Name of a parameter." },
  task: { type: "text", doc: "What the agent works at, for people; the wording may change." },
  lastStep: {
    type: "text",
    doc: "The kind of thing that it did last, such as `read` or `request`.",
  },
  machine: { type: "text", doc: "Tells this machine from another one under the same host id." },
  pid: { type: "number", doc: "The agent's process id." },
  node: { type: "text", doc: "Version of Node that runs the agent." },

  // What is said of it.
  message: { type: "text", doc: "What went wrong, for people; the wording may change." },
  hint: { type: "text", doc: "The way out, for people; the wording may change." },
  reason: { type: "text", doc: "Why, as a word or two that do not change, or a code." },
  code: { type: "text", doc: "The code that the service or the system gave." },
  exitCode: { type: "number", doc: "What the process ends with." },
  scope: {
    type: "text",
    values: ["service", "host", "file"],
    doc: "Whose failure it is: with the service's or the host's other files fail as well.",
  },
  action: {
    type: "text",
    values: ["transfer", "wait", "defer", "keep", "ignore"],
    doc: "What a sweep would do with the file.",
  },
  type: {
    type: "text",
    values: ["file", "link", "fifo", "socket", "device"],
    doc: "What it is instead of a file.",
  },
  isDryRun: { type: "boolean", doc: "Nothing was done: the counts tell what is there." },
  isInterrupted: { type: "boolean", doc: "The agent was told to stop before the end." },
  isLate: {
    type: "boolean",
    doc: "A route has not completed a sweep since the last but one that was due.",
  },
  stoppedEarly: { type: "text", doc: "Why the sweep left the rest for the next one." },

  // Files.
  bytes: { type: "number", unit: "bytes", doc: "The file's size." },
  sha256: { type: "text", doc: "SHA-256 of the content, in hexadecimal." },
  attempts: {
    type: "number",
    doc: "How often it was sent in this sweep; 0: an earlier one had uploaded it, or it was not sent.",
  },
  uploadMs: { type: "number", unit: "milliseconds", doc: "How long the upload took." },
  wasStored: {
    type: "boolean",
    doc: "The object was there already, under a key that names its content.",
  },
  wasOpenedLate: {
    type: "boolean",
    doc: "Somebody opened the file for writing in the moment of its removal.",
  },
  rescuedAs: {
    type: "text",
    doc: "Where what was written in that moment is, relative to the watched directory.",
  },
  ageSeconds: { type: "number", unit: "seconds", doc: "Since the file was last modified." },
  sinceSeconds: { type: "number", unit: "seconds", doc: "How long it has been like that." },
  quietSeconds: { type: "number", unit: "seconds", doc: "How long it has not got on." },
  afterSeconds: { type: "number", unit: "seconds", doc: "How long it had not been like that." },
  settledAt: { type: "time", doc: "When the file has settled, if nothing changes it." },
  failures: { type: "number", doc: "How often it had failed." },
  files: { type: "number", doc: "How many files it is about." },
  sampledPercent: {
    type: "number",
    unit: "percent",
    doc: "Of so many percent of the files such records are in CloudWatch Logs (`file-events-percent`); without it, of all.",
  },

  // Times.
  startedAt: { type: "time", doc: "When the sweep began; of a heartbeat: the agent." },
  durationMs: { type: "number", unit: "milliseconds", doc: "How long the sweep took." },
  dueAt: { type: "time", doc: "When it was, or is, to be done." },
  nextDueAt: { type: "time", doc: "When the first of the sweeps that are left out was due." },
  missed: { type: "number", doc: "How many sweeps are left out." },
  slot: { type: "time", doc: "The five minutes of which this is the heartbeat." },
  lastSweepAt: {
    type: "time",
    doc: "When the last completed sweep ended; of several routes, the one for which that is longest ago. Missing: a route has none yet.",
  },
  offsetSeconds: { type: "number", unit: "seconds", doc: "How far S3's clock is ahead." },

  // Counts of a sweep; in a heartbeat, of the last sweeps of all routes together.
  filesRemoved: { type: "number", doc: "Files that are in the bucket, proved, and gone locally." },
  bytesRemoved: { type: "number", unit: "bytes", doc: "Their size." },
  filesFailed: { type: "number", doc: "Files that could not be transferred." },
  filesWaiting: { type: "number", doc: "Files that have not settled yet." },
  filesKept: { type: "number", doc: "Settled files that stay for a reason that is no failure." },
  filesIgnored: { type: "number", doc: "What is not to be taken." },
  filesDeferred: { type: "number", doc: "Files that failed before and are not due yet." },
  filesQuarantined: { type: "number", doc: "Files that this sweep has set aside." },
  filesInQuarantine: { type: "number", doc: "Files that are set aside now." },
  filesUndeletable: { type: "number", doc: "Files that are in the bucket and cannot be removed." },
  filesUnsettled: { type: "number", doc: "Files that have been there for long and never settled." },
  filesOpenedLate: {
    type: "number",
    doc: "Files that somebody opened for writing in the moment of their removal.",
  },
  filesWeak: { type: "number", doc: "Files that were transferred without a lease." },
  directoriesUnreadable: { type: "number", doc: "Parts of the directory that cannot be read." },
  backlogFiles: { type: "number", doc: "Settled files that are still there at the end." },
  backlogBytes: { type: "number", unit: "bytes", doc: "Their size." },
  oldestSettledAgeSeconds: {
    type: "number",
    unit: "seconds",
    doc: "How long the oldest of them has been settled; 0 if there is none.",
  },
  uploadLatencyP50Ms: {
    type: "number",
    unit: "milliseconds",
    doc: "Half of the sweep's uploads took no longer; missing if there was none.",
  },
  uploadLatencyP99Ms: {
    type: "number",
    unit: "milliseconds",
    doc: "99 of 100 of the sweep's uploads took no longer; missing if there was none.",
  },
  freeBytes: {
    type: "number",
    unit: "bytes",
    doc: "Free space where the files are, for unprivileged users.",
  },
  freePercent: {
    type: "number",
    unit: "percent",
    doc: "The same, of the whole; of a heartbeat: the least of the state directory and all watched ones.",
  },

  // The configuration.
  configHash: { type: "text", doc: "Names the configuration in effect." },
  desiredHash: { type: "text", doc: "Names the configuration that was read last." },
  cohort: {
    type: "text",
    values: ["stable", "canary"],
    doc: "Whether the host has the values below `canary/`.",
  },
  configReadAt: { type: "time", doc: "When the configuration in effect was read." },
  refusal: { type: "text", doc: "Why the configuration that was read last is not in effect." },
  unreachable: { type: "text", doc: "Why the parameters cannot be read at present." },
  refreshIntervalSeconds: {
    type: "number",
    unit: "seconds",
    doc: "The setting `refresh-interval`.",
  },
  sweepFailure: { type: "text", doc: "Why the last sweep of a route could not be done." },

  // Credentials and logs.
  credentialsSource: { type: "text", doc: "Where the credentials are from." },
  credentialsExpireAt: { type: "time", doc: "When they end." },
  credentialsLifeSeconds: { type: "number", unit: "seconds", doc: "How long they still last." },
  credentialsFailure: { type: "text", doc: "Why others could not be had." },
  records: { type: "number", doc: "How many log records it is about." },
  logEventsDropped: { type: "number", doc: "Records lost since the agent's start." },
  logEventsWaiting: { type: "number", doc: "Records that wait to be sent." },
} as const satisfies Readonly<Record<string, Field>>;

export type FieldName = keyof typeof FIELDS;

/** What stands in every record, beside the event's own fields. */
export const COMMON_FIELDS = [
  "level",
  "time",
  "fleet",
  "host",
  "version",
  "id",
  "event",
] as const satisfies readonly FieldName[];

/** What a field's value is in the source. */
export type FieldValue<Name extends FieldName> = ValueOf<(typeof FIELDS)[Name]>;

type ValueOf<Rule extends Field> = Rule extends { readonly values: readonly (infer Value)[] }
  ? Value
  : Rule extends { readonly members: readonly (infer Member)[] }
    ? readonly { readonly [Key in Member & FieldName]: string }[]
    : {
        text: string;
        time: string;
        number: number;
        boolean: boolean;
        objects: never;
      }[Rule["type"]];

/** A field's rule, with all that it may have. @returns undefined if there is no such field */
export function fieldRule(name: string): Field | undefined {
  return Object.hasOwn(FIELDS, name) ? FIELDS[name as FieldName] : undefined;
}
