// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

/** The namespace of all metrics of the agent. */
export const METRIC_NAMESPACE = "S3OffloadAgent";

export type MetricUnit = "Count" | "Bytes" | "Milliseconds" | "Seconds";

/** A metric's value and unit, by its name. */
export type Metrics = Readonly<Record<string, readonly [value: number, unit: MetricUnit]>>;

/** The dimensions of a record: always the fleet, and one more that has few values. */
export type Dimensions = { readonly Fleet: string } & (
  | { readonly Route: string }
  | { readonly Cohort: string }
);

/**
 * The members that make a log record carry metrics. Each metric is there for the fleet, and for the
 * route or the cohort; never for the host: that would be one paid metric a host.
 * @param timestamp wall-clock milliseconds
 */
export function emfFields(
  metrics: Metrics,
  dimensions: Dimensions,
  timestamp: number,
): Record<string, unknown> {
  const entries = Object.entries(metrics);
  return {
    ...dimensions,
    ...Object.fromEntries(entries.map(([name, [value]]) => [name, value])),
    _aws: {
      Timestamp: timestamp,
      CloudWatchMetrics: [
        {
          Namespace: METRIC_NAMESPACE,
          Dimensions: [["Fleet"], Object.keys(dimensions)],
          Metrics: entries.map(([Name, [, Unit]]) => ({ Name, Unit })),
        },
      ],
    },
  };
}

/** The members that make a record carry counts of the whole fleet. @param timestamp wall-clock ms */
export function fleetMetrics(
  fleet: string,
  metrics: Readonly<Record<string, number>>,
  timestamp: number,
): Record<string, unknown> {
  return {
    Fleet: fleet,
    ...metrics,
    _aws: {
      Timestamp: timestamp,
      CloudWatchMetrics: [
        {
          Namespace: METRIC_NAMESPACE,
          Dimensions: [["Fleet"]],
          Metrics: Object.keys(metrics).map((Name) => ({ Name, Unit: "Count" })),
        },
      ],
    },
  };
}
