// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

/** Something that a host wrote, and CloudWatch Logs has. */
export interface LogRecord {
  /** When it happened, in wall-clock milliseconds. */
  readonly at: number;
  /** When CloudWatch had it; default: at once. */
  readonly arrivedAt?: number;
  /** The name of the log group; only log alarms ask for it. */
  readonly group?: string;
  /** The log stream, which is the host. */
  readonly stream: string;
  readonly message: string;
}

/** A metric: one series of values. */
export interface MetricName {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
}

interface Directive {
  readonly Namespace: string;
  readonly Dimensions: readonly (readonly string[])[];
  readonly Metrics: readonly { readonly Name: string }[];
}

/** CloudWatch keeps values by the minute (standard resolution). */
export const MINUTE_MS = 60_000;

/** The metrics that CloudWatch makes of records in the embedded metric format, as they arrive. */
export class MetricPoints {
  /** By metric, then by minute: the values. */
  readonly #series = new Map<string, Map<number, number[]>>();

  /** Takes what a record carries, if it carries metrics. */
  add({ message }: LogRecord): void {
    if (!message.includes('"_aws"')) return;
    const record = JSON.parse(message) as Readonly<Record<string, unknown>> & {
      readonly _aws: { readonly Timestamp: number; readonly CloudWatchMetrics: Directive[] };
    };
    const { Timestamp, CloudWatchMetrics } = record._aws;
    for (const { Namespace, Dimensions, Metrics } of CloudWatchMetrics) {
      for (const { Name } of Metrics) {
        // A target that is not there is no value; the rest of the record counts all the same.
        const target = record[Name];
        if (target === undefined) continue;
        const values = (Array.isArray(target) ? target : [target]).map(Number);
        for (const set of Dimensions) {
          const dimensions = Object.fromEntries(set.map((name) => [name, `${record[name]}`]));
          this.#put({ namespace: Namespace, name: Name, dimensions }, Timestamp, values);
        }
      }
    }
  }

  /** The value of a statistic over [from, to), whole minutes; undefined: there is no data. */
  statistic(
    metric: MetricName,
    statistic: string,
    { from, to }: { readonly from: number; readonly to: number },
  ): number | undefined {
    const minutes = this.#series.get(keyOf(metric));
    if (minutes === undefined) return undefined;
    const values: number[] = [];
    for (let at = from; at < to; at += MINUTE_MS) {
      const ofMinute = minutes.get(at);
      if (ofMinute !== undefined) values.push(...ofMinute);
    }
    return values.length === 0 ? undefined : statisticOf(statistic, values);
  }

  #put(metric: MetricName, timestamp: number, values: readonly number[]): void {
    const key = keyOf(metric);
    const minutes = this.#series.get(key) ?? new Map<number, number[]>();
    this.#series.set(key, minutes);
    const minute = Math.floor(timestamp / MINUTE_MS) * MINUTE_MS;
    minutes.set(minute, [...(minutes.get(minute) ?? []), ...values]);
  }
}

/** The order of dimensions means nothing. */
function keyOf({ namespace, name, dimensions }: MetricName): string {
  return JSON.stringify([namespace, name, Object.entries(dimensions).sort()]);
}

/**
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
 * A percentile lies on the line between its two neighbours, as the console draws it.
 * @param values at least one
 */
export function statisticOf(statistic: string, values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0);
  switch (statistic) {
    case "Sum":
      return sum;
    case "SampleCount":
      return values.length;
    case "Average":
      return sum / values.length;
    case "Minimum":
      return values.reduce((one, other) => Math.min(one, other));
    case "Maximum":
      return values.reduce((one, other) => Math.max(one, other));
  }
  const [, percent] = /^p(\d{1,2}(?:\.\d+)?)$/.exec(statistic) ?? [];
  if (percent === undefined) throw new Error(`unknown statistic ${statistic}`);
  const sorted = values.toSorted((one, other) => one - other);
  const place = (Number(percent) / 100) * (sorted.length - 1);
  const [low = 0, high = low] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  return low + (high - low) * (place - Math.floor(place));
}
