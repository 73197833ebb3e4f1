import { METRICS } from "../../src/logs/metrics.ts";

// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html

/** The whole document, says the specification; PutLogEvents counts 26 bytes more for each event. */
const RECORD_BYTES_MAX = 256 * 1_024 - 26;
const METRICS_MAX = 100;
const VALUES_MAX = 100;
const DIMENSIONS_MAX = 30;
/** Of a reference to a member, and of that member's text. */
const DIMENSION_NAME_LENGTH_MAX = 250;
const DIMENSION_VALUE_LENGTH_MAX = 1_024;
/** CloudWatch takes no values beyond it. */
const VALUE_MAX = 2 ** 360;

/** CloudWatch's units: those of MetricDatum. */
const SIZES = ["Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes"];
const BIT_SIZES = ["Bits", "Kilobits", "Megabits", "Gigabits", "Terabits"];
const AMOUNTS = [...SIZES, ...BIT_SIZES, "Count"];
const UNITS: ReadonlySet<unknown> = new Set([
  "Seconds",
  "Microseconds",
  "Milliseconds",
  "Percent",
  "None",
  ...AMOUNTS,
  ...AMOUNTS.map((amount) => `${amount}/Second`),
]);

/** The only ones this product has: each further one is paid for, by each of its values. */
const SETS: ReadonlySet<string> = new Set(["Fleet", "Fleet,Route"]);

/** A record and its metrics are of one moment. */
const TIME_DIFFERENCE_MS_MAX = 10_000;

type Members = Readonly<Record<string, unknown>>;

/**
 * Holds a record against the specification of the embedded metric format, the limits of CloudWatch,
 * and the metrics and dimensions of this product.
 * @returns what is wrong with it; nothing, if it carries metrics as it must
 */
export function checkEmf(record: Members): string[] {
  return [...problemsOf(record)];
}

function* problemsOf(record: Members): Generator<string> {
  const bytes = Buffer.byteLength(JSON.stringify(record));
  if (bytes > RECORD_BYTES_MAX) yield `the record has ${bytes} bytes`;
  const aws = record["_aws"];
  if (!isMembers(aws)) return yield "_aws is no object";
  yield* unknownMembers("_aws", aws, ["Timestamp", "CloudWatchMetrics"]);
  yield* timeProblems(record, aws["Timestamp"]);
  const directives = aws["CloudWatchMetrics"];
  if (!Array.isArray(directives) || directives.length === 0) {
    return yield "CloudWatchMetrics is no list of directives";
  }
  const told = new Set<string>();
  for (const directive of directives) {
    if (!isMembers(directive)) yield "a directive is no object";
    else yield* directiveProblems(record, directive, told);
  }
}

function* timeProblems({ time }: Members, timestamp: unknown): Generator<string> {
  if (!Number.isSafeInteger(timestamp) || Number(timestamp) < 0) {
    return yield `Timestamp ${timestamp} is no whole number of milliseconds`;
  }
  if (typeof time !== "string") return;
  const differenceMs = Math.abs(Date.parse(time) - Number(timestamp));
  if (differenceMs > TIME_DIFFERENCE_MS_MAX) yield `Timestamp ${timestamp} is not ${time}`;
}

function* directiveProblems(
  record: Members,
  directive: Members,
  told: Set<string>,
): Generator<string> {
  yield* unknownMembers("a directive", directive, ["Namespace", "Dimensions", "Metrics"]);
  const { Namespace: namespace, Dimensions: sets, Metrics: metrics } = directive;
  if (namespace !== "S3OffloadAgent") yield `the namespace is ${namespace}`;
  if (!Array.isArray(sets) || sets.length === 0) return yield "Dimensions is no list of sets";
  if (!Array.isArray(metrics) || metrics.length === 0) return yield "Metrics is no list of metrics";
  if (metrics.length > METRICS_MAX) yield `there are ${metrics.length} metrics in a directive`;
  for (const set of sets) yield* setProblems(record, set);
  const names = new Set<unknown>();
  for (const metric of metrics) {
    if (!isMembers(metric)) {
      yield "a metric is no object";
      continue;
    }
    const { Name: name } = metric;
    if (names.has(name)) yield `${name} is twice in a directive`;
    names.add(name);
    yield* metricProblems(record, metric);
    for (const set of sets) {
      const place = `${name} by ${set}`;
      if (told.has(place) && sets.indexOf(set) === sets.lastIndexOf(set)) {
        yield `${place} is twice in the record`;
      }
      told.add(place);
    }
  }
  if (new Set(sets.map(String)).size < sets.length) yield "a dimension set is twice in a directive";
}

function* setProblems(record: Members, set: unknown): Generator<string> {
  if (!Array.isArray(set)) return yield `the dimension set ${set} is no list`;
  if (set.length > DIMENSIONS_MAX) yield `a dimension set has ${set.length} members`;
  if (!SETS.has(set.join(","))) yield `the dimension set ${set} is none of this product's`;
  for (const name of set) {
    if (typeof name !== "string" || name === "" || name.length > DIMENSION_NAME_LENGTH_MAX) {
      yield `the dimension ${name} is no name`;
      continue;
    }
    const value = Object.hasOwn(record, name) ? record[name] : undefined;
    if (typeof value !== "string") yield `the dimension ${name} is no text at the root`;
    else if (value.trim() === "" || value.length > DIMENSION_VALUE_LENGTH_MAX) {
      yield `the dimension ${name} has ${value.length} characters, or only blanks`;
    }
  }
}

function* metricProblems(record: Members, metric: Members): Generator<string> {
  yield* unknownMembers("a metric", metric, ["Name", "Unit", "StorageResolution"]);
  const { Name: name, Unit: unit, StorageResolution: resolution = 60 } = metric;
  if (typeof name !== "string") return yield `the metric ${name} has no name`;
  if (!UNITS.has(unit)) yield `${name} has the unit ${unit}, which is none of CloudWatch's`;
  if (![1, 60].includes(Number(resolution))) yield `${name} is stored each ${resolution} s`;
  const about = (METRICS as Readonly<Record<string, { readonly unit: string }>>)[name];
  if (about === undefined) yield `${name} is no metric of this product`;
  else if (about.unit !== unit) yield `${name} has the unit ${unit}, not ${about.unit}`;
  if (!Object.hasOwn(record, name)) return yield `${name} has no value at the root`;
  const value = record[name];
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (values.length < 1 || values.length > VALUES_MAX) yield `${name} has ${values.length} values`;
  const wrong = values.find((one) => typeof one !== "number" || !(Math.abs(one) <= VALUE_MAX));
  if (wrong !== undefined || values.includes(undefined)) yield `${name} has the value ${wrong}`;
}

function* unknownMembers(
  what: string,
  members: Members,
  known: readonly string[],
): Generator<string> {
  for (const name of Object.keys(members)) {
    if (!known.includes(name)) yield `${what} has the member ${name}`;
  }
}

function isMembers(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
