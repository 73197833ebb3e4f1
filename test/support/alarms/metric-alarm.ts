import { evaluateMath, type Series } from "../../../tools/cloudwatch/metric-math.ts";
import {
  type MetricName,
  type MetricPoints,
  MINUTE_MS,
} from "../../../tools/cloudwatch/metric-points.ts";
import type { ResolvedResource } from "../../../tools/infra/resolve.ts";
import { asList, asMap, type ValueMap } from "../../../tools/infra/template.ts";
import {
  type AlarmState,
  breaches,
  EXTRA_PERIODS,
  judge,
  type MissingData,
} from "./alarm-state.ts";

// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
const DAY_SECONDS = 86_400;
const HOUR_SECONDS = 3_600;
/** How many days an alarm looks back at most, with periods of an hour or more. */
const LONG_DAYS_MAX = 7;
const METRICS_MAX = 10;
const DESCRIPTION_LENGTH_MAX = 1_024;

interface Metric {
  readonly id: string;
  readonly metric: MetricName;
  readonly statistic: string;
}

/**
 * An `AWS::CloudWatch::Alarm` on one metric or on metric math, with a sliding window: at the end of
 * each minute it looks at periods that end then.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation-window.html
 */
export class MetricAlarm {
  readonly id: string;
  readonly name: string;
  readonly #properties: ValueMap;
  readonly #metrics: readonly Metric[];
  readonly #expression: string;
  readonly #periodMs: number;
  readonly #evaluationPeriods: number;
  state: AlarmState = "INSUFFICIENT_DATA";

  /** @throws Error if CloudWatch would refuse it */
  constructor({ id, properties }: ResolvedResource) {
    this.id = id;
    this.#properties = properties;
    this.name = String(properties["AlarmName"]);
    this.#evaluationPeriods = Number(properties["EvaluationPeriods"]);
    const { metrics, expression, periods } = readMetrics(properties);
    this.#metrics = metrics;
    this.#expression = expression;
    const [period = 0, ...others] = periods;
    if (others.some((other) => other !== period)) throw new Error(`${id}: periods differ`);
    if (period <= 0 || period % 60 !== 0) throw new Error(`${id}: bad period`);
    const daysMax = period < HOUR_SECONDS ? 1 : LONG_DAYS_MAX;
    if (period * this.#evaluationPeriods > daysMax * DAY_SECONDS) {
      throw new Error(`${id}: over ${daysMax} days`);
    }
    if (metrics.length > METRICS_MAX) throw new Error(`${id}: too many metrics`);
    if (this.#datapointsToAlarm > this.#evaluationPeriods) throw new Error(`${id}: M over N`);
    const description = String(properties["AlarmDescription"] ?? "");
    if (description.length > DESCRIPTION_LENGTH_MAX) throw new Error(`${id}: long description`);
    this.#periodMs = period * 1_000;
  }

  get #datapointsToAlarm(): number {
    return Number(this.#properties["DatapointsToAlarm"] ?? this.#evaluationPeriods);
  }

  /** @param now the end of a minute, in wall-clock milliseconds */
  evaluate(points: MetricPoints, now: number): void {
    const operator = String(this.#properties["ComparisonOperator"]);
    const threshold = Number(this.#properties["Threshold"]);
    this.state = judge({
      range: this.values(points, now).map((value) => breaches(value, operator, threshold)),
      evaluationPeriods: this.#evaluationPeriods,
      datapointsToAlarm: this.#datapointsToAlarm,
      treatMissingData: (this.#properties["TreatMissingData"] ?? "missing") as MissingData,
      state: this.state,
    });
  }

  /** The values of the evaluation range, oldest first. */
  values(points: MetricPoints, now: number): Series {
    if (now % MINUTE_MS !== 0) throw new Error("alarms are evaluated at the end of a minute");
    const count = this.#evaluationPeriods + EXTRA_PERIODS;
    const series = this.#metrics.map(({ id, metric, statistic }) => {
      const values = Array.from({ length: count }, (_, index) => {
        const to = now - (count - 1 - index) * this.#periodMs;
        return points.statistic(metric, statistic, { from: to - this.#periodMs, to });
      });
      return [id, values] as const;
    });
    return evaluateMath(this.#expression, new Map(series));
  }
}

function readMetrics(properties: ValueMap): {
  readonly metrics: readonly Metric[];
  readonly expression: string;
  readonly periods: readonly number[];
} {
  const list = properties["Metrics"];
  if (list === undefined) {
    const metric = metricOf(properties);
    const statistic = String(properties["Statistic"] ?? properties["ExtendedStatistic"]);
    const periods = [Number(properties["Period"])];
    return { metrics: [{ id: "m", metric, statistic }], expression: "m", periods };
  }
  const queries = asList(list).map(asMap);
  const returned = queries.filter(({ ReturnData }) => ReturnData !== false);
  const expression = returned[0]?.["Expression"];
  if (returned.length !== 1 || expression === undefined) throw new Error("one value must return");
  const stats = queries.flatMap(({ Id, MetricStat }) => {
    if (MetricStat === undefined) return [];
    const { Metric, Stat, Period } = asMap(MetricStat);
    const metric = metricOf(asMap(Metric));
    return [{ id: String(Id), metric, statistic: String(Stat), period: Number(Period) }];
  });
  return {
    metrics: stats,
    expression: String(expression),
    periods: stats.map(({ period }) => period),
  };
}

function metricOf(properties: ValueMap): MetricName {
  const pairs = asList(properties["Dimensions"] ?? []).map((dimension) => {
    const { Name, Value } = asMap(dimension);
    return [String(Name), String(Value)] as const;
  });
  return {
    namespace: String(properties["Namespace"]),
    name: String(properties["MetricName"]),
    dimensions: Object.fromEntries(pairs),
  };
}
