import { type EventName, eventRule, type FieldsOf, type MetricSet } from "../../src/logs/events.ts";
import { COMMON_FIELDS, fieldRule } from "../../src/logs/fields.ts";
import { METRICS } from "../../src/logs/metrics.ts";
import { checkEmf } from "./emf-rules.ts";

const ID = /^[0-9a-z]{8}-[0-9a-z]+$/;
/** ECMAScript writes years outside of 0 to 9999 with a sign and six digits. */
const TIME = /^(\d{4}|[+-]\d{6})-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

type Members = Readonly<Record<string, unknown>>;

/**
 * What is wrong with a record of the agent, by the tables of events, fields and metrics, and by the
 * rules of the embedded metric format.
 * @returns nothing if all is well
 */
export function checkRecord(line: string): string[] {
  const record = objectOf(line);
  if (record === undefined) return ["it is no JSON object"];
  const event = String(record["event"]);
  const rule = eventRule(event);
  if (rule === undefined) return [`there is no event ${event}`];
  const wrong: string[] = [];
  if (record["level"] !== rule.level) wrong.push(`level is not ${rule.level}`);
  if (!ID.test(String(record["id"]))) wrong.push("id is none");
  const required: readonly string[] = [...COMMON_FIELDS, ...rule.required];
  const known = new Set([...required, ...rule.optional]);
  for (const name of required) if (!Object.hasOwn(record, name)) wrong.push(`${name} is missing`);
  const metrics = metricMembers(record);
  for (const [name, value] of Object.entries(record)) {
    if (known.has(name)) wrong.push(...checkField(name, value));
    else if (!metrics.has(name)) wrong.push(`${name} is none of its fields`);
  }
  wrong.push(...checkMetrics(record, rule.metrics));
  if ("_aws" in record) wrong.push(...checkEmf(record));
  return wrong.map((text) => `${event}: ${text}`);
}

/** Whether a line is meant to be a record of the agent. */
export function isRecord(line: string): boolean {
  const record = objectOf(line);
  return typeof record?.["event"] === "string" && "level" in record && "time" in record;
}

/** The fleet of records that tests make of `sampleFields`: no agent has come to log them. */
export const SAMPLE_FLEET = "samples";

/** Any values for the fields that records of an event must have. */
export function sampleFields<Event extends EventName>(event: Event): FieldsOf<Event> {
  const names = eventRule(event)?.required ?? [];
  return Object.fromEntries(names.map((name) => [name, sampleValue(name)])) as FieldsOf<Event>;
}

function sampleValue(name: string): unknown {
  const { type, values, members = [] } = fieldRule(name) ?? { type: "text" };
  if (values !== undefined) return values[0];
  if (type === "number") return 1;
  if (type === "boolean") return false;
  if (type === "time") return "2026-11-24T12:00:00.000Z";
  return type === "text" ? name : [Object.fromEntries(members.map((of) => [of, of]))];
}

function checkField(name: string, value: unknown): string[] {
  const { type, values, members = [] } = fieldRule(name) ?? { type: "text" };
  if (type === "objects") {
    if (!Array.isArray(value)) return [`${name} is no list`];
    return value.flatMap((one: unknown) => {
      const object = isObject(one) ? one : {};
      const isWhole = Object.keys(object).toSorted().join() === [...members].toSorted().join();
      if (!isWhole) return [`${name} has other members than ${members.join(", ")}`];
      return members.flatMap((member) => checkField(member, object[member]));
    });
  }
  if (type === "time") {
    const isTime =
      typeof value === "string" && TIME.test(value) && !Number.isNaN(Date.parse(value));
    return isTime ? [] : [`${name} is no time in UTC`];
  }
  const isRight =
    type === "number"
      ? Number.isFinite(value)
      : typeof value === (type === "boolean" ? "boolean" : "string");
  if (!isRight) return [`${name} is no ${type}`];
  const isKnown = values === undefined || values.includes(String(value));
  return isKnown ? [] : [`${name} is none of ${values.join(", ")}`];
}

/** The members of a record that are of its metrics. */
function metricMembers(record: Members): ReadonlySet<string> {
  const names = directivesOf(record).flatMap(({ metrics, dimensions }) => [
    ...metrics.map(({ name }) => name),
    ...dimensions.flat(),
  ]);
  return new Set(["_aws", ...names]);
}

/** That a record has metrics if its event has, each in its unit and by the dimensions of the table. */
function checkMetrics(record: Members, sets: readonly MetricSet[] = []): string[] {
  // A dry run did nothing that could be counted.
  if (sets.length > 0 && record["_aws"] === undefined && record["isDryRun"] !== true) {
    return ["metrics are missing"];
  }
  return directivesOf(record).flatMap(({ metrics, dimensions }) => {
    const by = JSON.stringify(dimensions);
    return metrics.flatMap(({ name, unit }) => {
      const set = sets.find(({ names }) => names.some((one) => one === name));
      if (set === undefined) return [`${name} is none of its metrics`];
      const wrong: string[] = [];
      if (JSON.stringify(set.dimensions) !== by) wrong.push(`${name} is kept by ${by}`);
      if (METRICS[name as keyof typeof METRICS].unit !== unit) wrong.push(`${name} is in ${unit}`);
      return wrong;
    });
  });
}

interface Directive {
  readonly dimensions: readonly (readonly string[])[];
  readonly metrics: readonly { readonly name: string; readonly unit: string }[];
}

function directivesOf(record: Members): readonly Directive[] {
  const aws = record["_aws"];
  const directives = listOf(isObject(aws) ? aws["CloudWatchMetrics"] : undefined).filter(isObject);
  return directives.map(({ Dimensions, Metrics }) => ({
    dimensions: listOf(Dimensions).map((set) => listOf(set).map(String)),
    metrics: listOf(Metrics)
      .filter(isObject)
      .map(({ Name, Unit }) => ({ name: String(Name), unit: String(Unit) })),
  }));
}

function objectOf(line: string): Members | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
