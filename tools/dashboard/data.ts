import { runInsights } from "../cloudwatch/insights-language.ts";
import { evaluateMath } from "../cloudwatch/metric-math.ts";
import { type LogRecord, MetricPoints } from "../cloudwatch/metric-points.ts";
import type { ResolvedResource } from "../infra/resolve.ts";
import { type ChartLine, type ChartMetric, readDashboard, type Widget } from "./dashboard.ts";
import type { DashboardData, Series } from "./picture.ts";

/** The widgets of a fleet's dashboard. @throws Error if the stack has none */
export function dashboardOf(resources: readonly ResolvedResource[]): readonly Widget[] {
  const found = resources.find(({ type }) => type === "AWS::CloudWatch::Dashboard");
  if (found === undefined) throw new Error("no dashboard");
  return readDashboard(String(found.properties["DashboardBody"]));
}

/** What a dashboard shows of a fleet's records. */
export function dataOf(
  records: readonly LogRecord[],
  range: { readonly from: number; readonly to: number },
  inAlarm: ReadonlySet<string>,
): DashboardData {
  const points = new MetricPoints();
  for (const record of records) points.add(record);
  const values = (name: string) =>
    new Set(records.flatMap(({ message }) => memberOf(message, name)));
  const timesOf = (period: number) => {
    const count = Math.ceil((range.to - range.from) / (period * 1_000));
    return Array.from({ length: count }, (_, index) => range.from + index * period * 1_000);
  };
  const valuesOf = (metric: ChartMetric, more: Readonly<Record<string, string>>) => {
    const { namespace, name, stat, period } = metric;
    const dimensions = { ...metric.dimensions, ...more };
    return timesOf(period).map((from) => {
      const about = { from, to: from + period * 1_000 };
      return points.statistic({ namespace, name, dimensions }, stat, about);
    });
  };
  const lineOf = (
    label: string,
    period: number,
    values: readonly (number | undefined)[],
  ): Series => {
    const times = timesOf(period);
    const known = values.flatMap((value, index) => {
      return value === undefined ? [] : [{ at: times[index] ?? range.from, value }];
    });
    return { label, points: known };
  };
  return {
    ...range,
    series(line: ChartLine) {
      if (line.kind === "math") {
        const series = line.of.map((one) => [one.id ?? "", valuesOf(one, {})] as const);
        const period = line.of[0]?.period ?? 0;
        return [lineOf(line.label, period, evaluateMath(line.expression, new Map(series)))];
      }
      const [open] = line.searched;
      if (open === undefined) return [lineOf(line.label, line.period, valuesOf(line, {}))];
      return [...values(open)]
        .sort()
        .map((value) => lineOf(value, line.period, valuesOf(line, { [open]: value })))
        .filter((one) => one.points.length > 0);
    },
    rows({ group, query }) {
      const isOfFiles = group.endsWith("/files");
      const events = records
        .filter(({ message }) => message.includes('"event":"file.') === isOfFiles)
        .map(({ at, stream, message }) => ({ timestamp: at, logStream: stream, message }));
      return runInsights(query, events, range.to);
    },
    alarmState: (name) => (inAlarm.has(name) ? "ALARM" : "OK"),
  };
}

function memberOf(message: string, name: string): readonly string[] {
  const value: unknown = JSON.parse(message)[name];
  return typeof value === "string" ? [value] : [];
}
