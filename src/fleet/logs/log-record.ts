import { LEVELS, type Level } from "../../logs/events.ts";
import type { LogLine } from "../log-queries.ts";

/** A record as a person reads it. */
export interface LogRecord {
  /** Wall-clock milliseconds. */
  readonly at: number;
  readonly level: Level | undefined;
  readonly event: string;
  /** What it says beyond that, in the order of the record. */
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/** What is the same in every record of a host, or stands elsewhere in the line. */
const KNOWN: ReadonlySet<string> = new Set([
  "event",
  "level",
  "time",
  "host",
  "fleet",
  "version",
  "id",
  "_aws",
]);

/** Reads a record; a line that is none is a record with its text as event. Pure. */
export function readLogRecord({ timestamp, message }: LogLine): LogRecord {
  const record = objectOf(message);
  if (record === undefined) {
    return { at: timestamp, level: undefined, event: message.trimEnd(), fields: [] };
  }
  const metrics = metricNames(record);
  const fields = Object.entries(record)
    .filter(([name, value]) => !KNOWN.has(name) && !metrics.has(name) && value !== null)
    .map(([name, value]) => [name, valueText(value)] as const);
  return {
    at: timestamp,
    level: LEVELS.find((level) => level === record["level"]),
    event: typeof record["event"] === "string" ? record["event"] : "",
    fields,
  };
}

/** Whether a record is of a level or above; one without a level always is. */
export function isAtLeast({ level }: LogRecord, least: Level): boolean {
  return level === undefined || LEVELS.indexOf(level) >= LEVELS.indexOf(least);
}

function objectOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What EMF made metrics and dimensions of says the same as what has small letters. */
function metricNames(record: Readonly<Record<string, unknown>>): ReadonlySet<string> {
  const aws = record["_aws"];
  const directives = listOf(isObject(aws) ? aws["CloudWatchMetrics"] : undefined).filter(isObject);
  const metrics = directives.flatMap(({ Metrics }) => listOf(Metrics)).filter(isObject);
  const dimensions = directives.flatMap(({ Dimensions }) => listOf(Dimensions)).flatMap(listOf);
  return new Set([...metrics.map(({ Name }) => Name), ...dimensions].map(String));
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Bare where nobody can misread it. */
function valueText(value: unknown): string {
  if (typeof value === "string" && /^[^\s"=]+$/.test(value)) return value;
  return JSON.stringify(value) ?? "";
}
