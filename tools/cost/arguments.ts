import { parseArgs } from "node:util";
import { BYTES_SYNTAX, parseBytes } from "../../src/lib/units.ts";
import type { Fleet } from "./model.ts";

/** What is wrong with the command line, for a person. */
export class UsageError extends Error {}

export interface CostOptions {
  readonly fleet: Fleet;
  readonly isJson: boolean;
}

/** A fleet as the challenge has it: a small file a minute, swept every ten minutes. */
export const DEFAULTS: Fleet = {
  hosts: 100,
  filesPerHour: 60,
  fileBytes: 1_000_000,
  routes: 1,
  scheduleMinutes: 10,
  fileEvents: "all",
  fileEventsPercent: 100,
  filesLogClass: "STANDARD",
  stateLogDays: 90,
  filesLogDays: 30,
  failuresPercent: 0,
  logAlarms: true,
  higherThroughput: false,
};

const OPTIONS = {
  hosts: { type: "string" },
  "files-per-hour": { type: "string" },
  "file-size": { type: "string" },
  routes: { type: "string" },
  "schedule-minutes": { type: "string" },
  "file-events": { type: "string" },
  "file-events-percent": { type: "string" },
  "files-log-class": { type: "string" },
  "retention-days": { type: "string" },
  "state-log-days": { type: "string" },
  "files-log-days": { type: "string" },
  "failures-percent": { type: "string" },
  "no-log-alarms": { type: "boolean" },
  "higher-throughput": { type: "boolean" },
  json: { type: "boolean" },
  help: { type: "boolean" },
} as const;

export const USAGE = `npm run -s cost -- --hosts N --files-per-hour N [options]

What a fleet costs in a month, in us-east-1, without what its files take in the bucket.

  --hosts N                  hosts of the fleet (1 to 1,000,000)
  --files-per-hour N         files of each host
  --file-size BYTES          size of a file, such as 64MiB (default 1MB)
  --routes N                 watched directories of each host (default ${DEFAULTS.routes})
  --schedule-minutes N       minutes between sweeps (default ${DEFAULTS.scheduleMinutes})
  --file-events all|failures as the parameter (default ${DEFAULTS.fileEvents})
  --file-events-percent N    as the parameter (default ${DEFAULTS.fileEventsPercent})
  --files-log-class CLASS    STANDARD or INFREQUENT_ACCESS (default ${DEFAULTS.filesLogClass})
  --retention-days N         days that both logs are kept, or one by one:
  --state-log-days N         (default ${DEFAULTS.stateLogDays})
  --files-log-days N         (default ${DEFAULTS.filesLogDays})
  --failures-percent N       transfers that fail once, of 100 (default ${DEFAULTS.failuresPercent})
  --no-log-alarms            without the alarm that names silent hosts
  --higher-throughput        the account pays for calls to the Parameter Store
  --json                     for programs
`;

/** Reads the command line. @throws UsageError; undefined: the person asks for help */
export function readArguments(args: readonly string[]): CostOptions | undefined {
  const given = parse(args);
  if (given.help === true) return undefined;
  const number = (name: keyof typeof given, least: number, most: number): number | undefined => {
    const written = given[name];
    if (typeof written !== "string") return undefined;
    const value = Number(written.replaceAll("_", ""));
    if (written.trim() !== "" && value >= least && value <= most) return value;
    const range = `a number from ${least.toLocaleString("en-US")} to ${most.toLocaleString("en-US")}`;
    throw new UsageError(`--${name} must be ${range}, not ${JSON.stringify(written)}.`);
  };
  const whole = (name: keyof typeof given, least: number, most: number): number | undefined => {
    const value = number(name, least, most);
    if (value === undefined || Number.isInteger(value)) return value;
    throw new UsageError(`--${name} must be a whole number, not ${value}.`);
  };
  const one = <T extends string>(name: keyof typeof given, words: readonly T[]): T | undefined => {
    const written = given[name];
    const word = words.find((each) => each === written);
    if (written === undefined || word !== undefined) return word;
    throw new UsageError(
      `--${name} must be ${words.join(" or ")}, not ${JSON.stringify(written)}.`,
    );
  };
  const hosts = whole("hosts", 1, 1_000_000);
  const filesPerHour = number("files-per-hour", 0, 10_000_000);
  if (hosts === undefined || filesPerHour === undefined) {
    const missing = hosts === undefined ? "--hosts" : "--files-per-hour";
    throw new UsageError(`${missing} is needed, such as --hosts 1000 --files-per-hour 60.`);
  }
  const days = whole("retention-days", 1, 3_653);
  const known = {
    hosts,
    filesPerHour,
    fileBytes: sizeOf(given["file-size"]),
    routes: whole("routes", 1, 100),
    scheduleMinutes: number("schedule-minutes", 0.1, 44_640),
    fileEvents: one("file-events", ["all", "failures"]),
    fileEventsPercent: number("file-events-percent", 0, 100),
    filesLogClass: one("files-log-class", ["STANDARD", "INFREQUENT_ACCESS"]),
    stateLogDays: whole("state-log-days", 1, 3_653) ?? days,
    filesLogDays: whole("files-log-days", 1, 3_653) ?? days,
    failuresPercent: number("failures-percent", 0, 100),
  };
  const said = Object.entries(known).filter(([, value]) => value !== undefined);
  const fleet: Fleet = {
    ...DEFAULTS,
    ...Object.fromEntries(said),
    logAlarms: given["no-log-alarms"] !== true,
    higherThroughput: given["higher-throughput"] === true,
  };
  return { fleet, isJson: given.json === true };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split(/\.(?:\s|$)/)[0]}.`);
  }
}

function sizeOf(written: string | undefined): number | undefined {
  if (written === undefined) return undefined;
  const bytes = parseBytes(written);
  if (bytes === undefined) {
    throw new UsageError(`--file-size must be ${BYTES_SYNTAX}, not ${JSON.stringify(written)}.`);
  }
  return bytes;
}
