import { runInsights } from "../../../tools/cloudwatch/insights-language.ts";
import type { LogRecord } from "../../../tools/cloudwatch/metric-points.ts";
import type { ResolvedResource } from "../../../tools/infra/resolve.ts";
import { asList, asMap, type ValueMap } from "../../../tools/infra/template.ts";
import { type AlarmState, breaches, judge, type MissingData } from "./alarm-state.ts";

// Limits and rules: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-log.html
const BY_FIELDS_MAX = 5;
const CONTRIBUTORS_MAX = 500;
const QUERY_LENGTH_MAX = 10_000;
const AGGREGATION_LENGTH_MAX = 256;

/**
 * `statistic_func_expression [by field1, field2, ...] [| sort asc|desc]`, of few functions; `bin`
 * is not one of them.
 */
const AGGREGATION =
  /^((?:count\(\*\))|(?:(?:avg|sum|min|max)\(\w+\)))(?: by (\w+(?:, *\w+)*))?(?: \| sort (asc|desc))?$/;

/** An alarm without `by` has this one contributor. */
const ALL = "";

/**
 * An `AWS::CloudWatch::LogAlarm`: a query that runs on a schedule, whose groups are contributors
 * with a state of their own. It is in ALARM while any of them is.
 */
export class LogAlarm {
  readonly id: string;
  readonly name: string;
  readonly #properties: ValueMap;
  readonly #query: string;
  readonly #by: readonly string[];
  readonly #sort: string | undefined;
  readonly #groups: readonly string[];
  readonly #everyMs: number;
  readonly #startOffsetMs: number;
  readonly #endOffsetMs: number;
  /** By contributor: what the last executions said. */
  #results = new Map<string, (boolean | undefined)[]>();
  #states = new Map<string, AlarmState>();
  state: AlarmState = "INSUFFICIENT_DATA";

  /** @throws Error if CloudWatch would refuse it */
  constructor({ id, properties }: ResolvedResource) {
    this.id = id;
    this.#properties = properties;
    this.name = String(properties["AlarmName"]);
    const query = asMap(properties["ScheduledQueryConfiguration"]);
    const text = String(query["QueryString"]);
    const aggregation = String(query["AggregationExpression"]);
    const [, statistic, by, sort] = AGGREGATION.exec(aggregation) ?? [];
    if (statistic === undefined) throw new Error(`${id}: bad aggregation ${aggregation}`);
    if (text.length > QUERY_LENGTH_MAX) throw new Error(`${id}: long query`);
    if (aggregation.length > AGGREGATION_LENGTH_MAX) throw new Error(`${id}: long aggregation`);
    this.#by = by === undefined ? [] : by.split(/, */);
    if (this.#by.length > BY_FIELDS_MAX) throw new Error(`${id}: too many fields`);
    this.#sort = sort;
    this.#query = `${text} | stats ${statistic} as aggregated${by === undefined ? "" : ` by ${by}`}`;
    this.#groups = asList(query["LogGroupIdentifiers"]).map(String);
    const schedule = asMap(query["ScheduleConfiguration"]);
    const [, minutes] = /^rate\((\d+) minutes?\)$/.exec(`${schedule["ScheduleExpression"]}`) ?? [];
    if (minutes === undefined) throw new Error(`${id}: bad schedule`);
    this.#everyMs = Number(minutes) * 60_000;
    this.#startOffsetMs = Number(schedule["StartTimeOffset"]) * 1_000;
    this.#endOffsetMs = Number(schedule["EndTimeOffset"] ?? 0) * 1_000;
  }

  /** The contributors that are in ALARM, such as hosts. */
  get inAlarm(): readonly string[] {
    return [...this.#states].flatMap(([name, state]) => (state === "ALARM" ? [name] : []));
  }

  /**
   * Runs the query if it is time to.
   * @param records all that have arrived
   * @param now the end of a minute, in wall-clock milliseconds
   */
  evaluate(records: readonly LogRecord[], now: number): void {
    if (now % this.#everyMs !== 0) return;
    const [from, to] = [now - this.#startOffsetMs, now - this.#endOffsetMs];
    const events = records
      .filter(({ at, group }) => at >= from && at <= to && this.#groups.includes(group ?? ""))
      .map(({ at, stream, message }) => ({ timestamp: at, logStream: stream, message }));
    const sign = this.#sort === "desc" ? -1 : 1;
    const rows = runInsights(this.#query, events, now)
      .map((row) => ({
        name: this.#by.map((field) => row[field] ?? "").join(" "),
        value: row["aggregated"] === undefined ? undefined : Number(row["aggregated"]),
      }))
      .sort((one, other) => {
        if (this.#sort === undefined) return one.name < other.name ? -1 : 1;
        return sign * ((one.value ?? 0) - (other.value ?? 0));
      })
      .slice(0, CONTRIBUTORS_MAX);
    const found = new Map(rows.map(({ name, value }) => [name, value]));
    if (found.size === 0) found.set(ALL, undefined);
    this.#take(found);
  }

  /** A contributor that is no longer there is OK, however missing data is treated. */
  #take(found: ReadonlyMap<string, number | undefined>): void {
    const count = Number(this.#properties["QueryResultsToEvaluate"]);
    const [results, states] = [this.#results, this.#states];
    this.#results = new Map();
    this.#states = new Map();
    for (const [name, value] of found) {
      const isBreaching = breaches(
        value,
        String(this.#properties["ComparisonOperator"]),
        Number(this.#properties["Threshold"]),
      );
      const range = [...(results.get(name) ?? []), isBreaching].slice(-count);
      this.#results.set(name, range);
      const state = judge({
        range,
        evaluationPeriods: count,
        datapointsToAlarm: Number(this.#properties["QueryResultsToAlarm"]),
        treatMissingData: (this.#properties["TreatMissingData"] ?? "missing") as MissingData,
        state: states.get(name) ?? this.state,
      });
      this.#states.set(name, state);
    }
    const all = [...this.#states.values()];
    const isUnknown = all.every((state) => state === "INSUFFICIENT_DATA");
    this.state = all.includes("ALARM") ? "ALARM" : isUnknown ? "INSUFFICIENT_DATA" : "OK";
  }
}
