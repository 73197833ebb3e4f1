// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

import { METRICS, type MetricName } from "./metrics.ts";

/** The namespace of all metrics of the agent. */
const METRIC_NAMESPACE = "S3OffloadAgent";

/** A metric with more values than this is refused as a whole, says the specification. */
export const METRIC_VALUES_MAX = 100;

/** A longer dimension value costs the record its metrics, says the specification. */
const DIMENSION_VALUE_LENGTH_MAX = 1_024;

/**
 * Values of metrics, by name: one, or several of the same moment. What is undefined, no finite
 * number, or an empty list is left out. The specification takes 100 metrics in a directive: METRICS
 * has fewer.
 */
export type MetricValues = Readonly<Partial<Record<MetricName, MetricValue>>>;
type MetricValue = number | readonly number[] | undefined;

/**
 * By which dimensions a metric is kept. Each set is a paid metric for each of its values, so there
 * are these two and no other: never the host, of which there are thousands.
 */
const BY_FLEET = ["Fleet"] as const;
const BY_ROUTE = ["Fleet", "Route"] as const;

interface Directive {
  readonly sets: readonly (readonly string[])[];
  readonly metrics: MetricValues;
}

/** The members that make a record carry metrics of the whole fleet. @param timestamp wall-clock ms */
export function fleetMetrics(
  fleet: string,
  metrics: MetricValues,
  timestamp: number,
): Record<string, unknown> {
  return emfFields({ Fleet: dimensionValue(fleet) }, [{ sets: [BY_FLEET], metrics }], timestamp);
}

/**
 * The members that make a record carry metrics of one route.
 * @param metrics.both are added up over the fleet as well as for the route
 * @param metrics.route are the route's only, since another record says them of the fleet
 * @param timestamp wall-clock milliseconds
 */
export function routeMetrics(
  about: { readonly fleet: string; readonly route: string },
  metrics: { readonly both: MetricValues; readonly route: MetricValues },
  timestamp: number,
): Record<string, unknown> {
  const dimensions = { Fleet: dimensionValue(about.fleet), Route: dimensionValue(about.route) };
  const directives = [
    { sets: [BY_FLEET, BY_ROUTE], metrics: metrics.both },
    { sets: [BY_ROUTE], metrics: metrics.route },
  ];
  return emfFields(dimensions, directives, timestamp);
}

function emfFields(
  dimensions: Readonly<Record<string, string>>,
  directives: readonly Directive[],
  timestamp: number,
): Record<string, unknown> {
  const known = directives.map(({ sets, metrics }) => ({ sets, entries: entriesOf(metrics) }));
  return {
    ...dimensions,
    ...Object.fromEntries(known.flatMap(({ entries }) => entries)),
    _aws: {
      Timestamp: Math.trunc(timestamp),
      CloudWatchMetrics: known
        .filter(({ entries }) => entries.length > 0)
        .map(({ sets, entries }) => ({
          Namespace: METRIC_NAMESPACE,
          Dimensions: sets,
          Metrics: entries.map(([Name]) => ({ Name, Unit: METRICS[Name].unit })),
        })),
    },
  };
}

type Entry = readonly [name: MetricName, value: number | readonly number[]];

function entriesOf(metrics: MetricValues): readonly Entry[] {
  const given = Object.entries(metrics) as [MetricName, MetricValue][];
  return given.flatMap(([name, value]): readonly Entry[] => {
    if (typeof value === "number") return Number.isFinite(value) ? [[name, value]] : [];
    const values = (value ?? []).filter(Number.isFinite).slice(0, METRIC_VALUES_MAX);
    return values.length === 0 ? [] : [[name, values]];
  });
}

/** The fields of the record keep the whole text; as a dimension it is cut to what is taken. */
function dimensionValue(text: string): string {
  const cut = text.slice(0, DIMENSION_VALUE_LENGTH_MAX);
  return cut.trim() === "" ? "-" : cut;
}
