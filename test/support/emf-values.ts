import type { MetricName } from "../../src/logs/metrics.ts";

/** The values that CloudWatch takes from a record for one metric and its dimensions. */
export interface EmfDatum {
  readonly name: MetricName;
  readonly unit: string;
  readonly dimensions: Readonly<Record<string, string>>;
  /** Wall-clock milliseconds. */
  readonly timestamp: number;
  readonly values: readonly number[];
}

/**
 * What CloudWatch extracts from a record: each metric of each directive, once for each of its
 * dimension sets. Of a record that `checkEmf` finds nothing wrong with; nothing of one without metrics.
 */
export function emfData(record: Readonly<Record<string, unknown>>): readonly EmfDatum[] {
  const metadata = record["_aws"] as
    | {
        readonly Timestamp: number;
        readonly CloudWatchMetrics: readonly {
          readonly Dimensions: readonly (readonly string[])[];
          readonly Metrics: readonly { readonly Name: MetricName; readonly Unit: string }[];
        }[];
      }
    | undefined;
  if (metadata === undefined) return [];
  return metadata.CloudWatchMetrics.flatMap(({ Dimensions, Metrics }) =>
    Metrics.flatMap(({ Name: name, Unit: unit }) =>
      Dimensions.map((set) => ({
        name,
        unit,
        dimensions: Object.fromEntries(
          set.map((dimension) => [dimension, String(record[dimension])]),
        ),
        timestamp: metadata.Timestamp,
        values: [record[name]].flat() as number[],
      })),
    ),
  );
}

/** The statistic `Sum` of a metric over records, for exactly these dimensions. */
export function emfSum(
  records: readonly Readonly<Record<string, unknown>>[],
  name: MetricName,
  dimensions: Readonly<Record<string, string>>,
): number {
  const wanted = JSON.stringify(dimensions);
  return records
    .flatMap(emfData)
    .filter((datum) => datum.name === name && JSON.stringify(datum.dimensions) === wanted)
    .flatMap(({ values }) => values)
    .reduce((sum, value) => sum + value, 0);
}
