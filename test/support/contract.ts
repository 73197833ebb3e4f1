import { eventRule } from "../../src/logs/events.ts";
import { fieldRule } from "../../src/logs/fields.ts";
import { METRICS, type MetricName } from "../../src/logs/metrics.ts";
import { type InsightsEvent, recordFieldsOf } from "../../tools/cloudwatch/insights-language.ts";
import { dashboardOf } from "../../tools/dashboard/data.ts";
import type { ResolvedResource } from "../../tools/infra/resolve.ts";
import { asList, asMap, type Value } from "../../tools/infra/template.ts";

/** A metric that an alarm or a widget of the stack uses. */
export interface MetricUse {
  readonly by: string;
  readonly namespace: string;
  readonly name: string;
  /** Names of its dimensions, in their order. */
  readonly dimensions: readonly string[];
  readonly statistic: string;
}

/** A field of records that a query, a filter or an index of the stack uses. */
export interface FieldUse {
  readonly by: string;
  readonly group: string;
  readonly field: string;
}

export interface Uses {
  readonly metrics: readonly MetricUse[];
  readonly fields: readonly FieldUse[];
  /** Names of events that queries look for. */
  readonly events: readonly { readonly by: string; readonly event: string }[];
}

/** Everything of records that a stack leans on. @throws Error about what it does not know */
export function usesOf(resources: readonly ResolvedResource[]): Uses {
  const queries = resources.flatMap(queriesOf).concat(tablesOf(resources));
  return {
    metrics: [...resources.flatMap(alarmMetrics), ...chartMetrics(resources)],
    fields: [
      ...resources.flatMap(filterFields),
      ...resources.flatMap(indexFields),
      ...queries.flatMap(({ by, groups, text }) =>
        groups.flatMap((group) => recordFieldsOf(text).map((field) => ({ by, group, field }))),
      ),
    ],
    events: queries.flatMap(({ by, text }) => eventsIn(text).map((event) => ({ by, event }))),
  };
}

function alarmMetrics({ id, type, properties }: ResolvedResource): readonly MetricUse[] {
  if (type !== "AWS::CloudWatch::Alarm") return [];
  const { MetricName, Statistic, ExtendedStatistic, Namespace, Dimensions } = properties;
  const dimensionsOf = (list: Value) => asList(list).map((one) => String(asMap(one)["Name"]));
  if (MetricName !== undefined) {
    const about = { by: id, namespace: String(Namespace), name: String(MetricName) };
    const statistic = String(Statistic ?? ExtendedStatistic);
    return [{ ...about, dimensions: dimensionsOf(Dimensions ?? []), statistic }];
  }
  return asList(properties["Metrics"] ?? []).flatMap((entry) => {
    const { MetricStat } = asMap(entry);
    if (MetricStat === undefined) return [];
    const { Stat, Metric } = asMap(MetricStat);
    const metric = asMap(Metric ?? {});
    return [
      {
        by: id,
        namespace: String(metric["Namespace"]),
        name: String(metric["MetricName"]),
        dimensions: dimensionsOf(metric["Dimensions"] ?? []),
        statistic: String(Stat),
      },
    ];
  });
}

function chartMetrics(resources: readonly ResolvedResource[]): readonly MetricUse[] {
  return dashboardOf(resources).flatMap((widget) => {
    if (widget.type !== "metric") return [];
    return widget.metrics.flatMap((line) => {
      if (line.kind === "math") return [];
      const dimensions = [...Object.keys(line.dimensions), ...line.searched];
      const { namespace, name, stat } = line;
      return [{ by: widget.title, namespace, name, dimensions, statistic: stat }];
    });
  });
}

interface Query {
  readonly by: string;
  readonly groups: readonly string[];
  readonly text: string;
}

function queriesOf({ id, type, properties }: ResolvedResource): readonly Query[] {
  if (type === "AWS::Logs::QueryDefinition") {
    const groups = asList(properties["LogGroupNames"] ?? []).map(String);
    // What a person fills in is text within quotes.
    return [
      { by: id, groups, text: String(properties["QueryString"]).replace(/\{\{\w+\}\}/g, "x") },
    ];
  }
  if (type !== "AWS::CloudWatch::LogAlarm") return [];
  const about = asMap(properties["ScheduledQueryConfiguration"] ?? {});
  const [aggregates = "", sort] = String(about["AggregationExpression"]).split("|");
  const text = [about["QueryString"], `stats ${aggregates}`].join(" | ");
  const groups = asList(about["LogGroupIdentifiers"] ?? []).map(String);
  if (sort !== undefined && !/^\s*sort (?:asc|desc)$/.test(sort)) throw new Error(sort);
  return [{ by: id, groups, text }];
}

function tablesOf(resources: readonly ResolvedResource[]): readonly Query[] {
  return dashboardOf(resources).flatMap((widget) =>
    widget.type === "log" ? [{ by: widget.title, groups: [widget.group], text: widget.query }] : [],
  );
}

/** The events that a query names, with `=`, `!=` or `in`. */
function eventsIn(text: string): readonly string[] {
  const parts = [...text.matchAll(/\b(?:event|state)\s*(?:!?=\s*|in\s*)("[^"]*"|\[[^\]]*\])/g)];
  return parts.flatMap(([, part = ""]) =>
    [...part.matchAll(/"([^"]*)"/g)].map(([, name = ""]) => name),
  );
}

/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html */
function filterFields({ id, type, properties }: ResolvedResource): readonly FieldUse[] {
  if (type !== "AWS::Logs::MetricFilter") return [];
  const text = JSON.stringify([properties["FilterPattern"], properties["MetricTransformations"]]);
  const group = String(properties["LogGroupName"]);
  return [...text.matchAll(/\$\.([\w.]+)/g)].map(([, field = ""]) => ({ by: id, group, field }));
}

function indexFields({ id, type, properties }: ResolvedResource): readonly FieldUse[] {
  if (type !== "AWS::Logs::LogGroup") return [];
  return asList(properties["FieldIndexPolicies"] ?? []).flatMap((policy) =>
    asList(asMap(policy)["Fields"] ?? [])
      .map(String)
      .filter((field) => !field.startsWith("@"))
      .map((field) => ({ by: id, group: String(properties["LogGroupName"]), field })),
  );
}

/** The records of one log group. */
export interface GroupRecords {
  readonly group: string;
  readonly events: readonly InsightsEvent[];
}

/**
 * What a stack uses and agents do not write, or not in that way.
 * @param groups what real agents wrote
 * @returns nothing if all is well
 */
export function breaches(uses: Uses, groups: readonly GroupRecords[]): readonly string[] {
  const records = groups.flatMap(({ group, events }) =>
    events.map(({ message }) => ({ group, record: JSON.parse(message) as Members })),
  );
  const written = new Map<string, readonly unknown[]>();
  for (const { record } of records) {
    for (const [key, value] of metricsIn(record)) {
      written.set(key, [...(written.get(key) ?? []), value]);
    }
  }
  const fields = new Set(
    records.flatMap(({ group, record }) => Object.keys(record).map((name) => `${group} ${name}`)),
  );
  const events = new Set(records.map(({ record }) => record["event"]));
  return [
    ...uses.metrics.flatMap((use) => metricBreaches(use, written)),
    ...uses.fields.flatMap(({ by, group, field }) => [
      ...(fields.has(`${group} ${field}`) ? [] : [`${by}: no record of ${group} has ${field}`]),
      ...(fieldRule(field) !== undefined || field in METRICS
        ? []
        : [`${by}: ${field} is in no table`]),
    ]),
    ...uses.events.flatMap(({ by, event }) => [
      ...(eventRule(event) === undefined ? [`${by}: there is no event ${event}`] : []),
      ...(events.has(event) || UNSEEN.has(event) ? [] : [`${by}: nobody wrote ${event}`]),
    ]),
  ];
}

/** What only a person brings about. */
const UNSEEN: ReadonlySet<string> = new Set(["file.released"]);

const STATISTICS: ReadonlySet<string> = new Set(["Sum", "Average", "Minimum", "Maximum"]);

function metricBreaches(
  { by, namespace, name, dimensions, statistic }: MetricUse,
  written: ReadonlyMap<string, readonly unknown[]>,
): readonly string[] {
  if (!Object.hasOwn(METRICS, name)) return [`${by}: ${name} is in no table`];
  const { unit } = METRICS[name as MetricName];
  const values = written.get(keyOf(namespace, name, unit, dimensions));
  if (values === undefined) return [`${by}: no record has ${name} in ${unit} by ${dimensions}`];
  const isPercentile = /^p\d+$/.test(statistic);
  if (!isPercentile && !STATISTICS.has(statistic)) return [`${by}: unknown statistic ${statistic}`];
  // Of one value for each sweep a percentile would say little.
  if (isPercentile && !values.some(Array.isArray)) return [`${by}: ${name} has no values to rank`];
  return values.flat().every(Number.isFinite) ? [] : [`${by}: ${name} is no number`];
}

type Members = Readonly<Record<string, unknown>>;

interface Directive {
  readonly Namespace: string;
  readonly Dimensions: readonly (readonly string[])[];
  readonly Metrics: readonly { readonly Name: string; readonly Unit: string }[];
}

function metricsIn(record: Members): readonly (readonly [key: string, value: unknown])[] {
  const aws = record["_aws"] as { readonly CloudWatchMetrics: readonly Directive[] } | undefined;
  return (aws?.CloudWatchMetrics ?? []).flatMap(({ Namespace, Dimensions, Metrics }) =>
    Metrics.flatMap(({ Name, Unit }) =>
      Dimensions.map((set) => [keyOf(Namespace, Name, Unit, set), record[Name]] as const),
    ),
  );
}

function keyOf(namespace: string, name: string, unit: string, dimensions: readonly string[]) {
  return JSON.stringify([namespace, name, unit, [...dimensions].sort()]);
}
