/**
 * The body of a CloudWatch dashboard, as far as ours uses it. What it does not know it refuses.
 * Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
 */

interface Place {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly title: string;
}

export interface AlarmWidget extends Place {
  readonly type: "alarm";
  readonly arns: readonly string[];
}

export interface LogWidget extends Place {
  readonly type: "log";
  readonly region: string;
  readonly group: string;
  /** Without its `SOURCE`. */
  readonly query: string;
}

/** One line of a chart, or one for each value of the dimensions that are searched. */
export interface ChartMetric {
  readonly kind: "metric";
  /** How expressions call it. */
  readonly id: string | undefined;
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
  /** Dimensions whose values are all shown, each as a line. */
  readonly searched: readonly string[];
  readonly label: string;
  readonly stat: string;
  /** Seconds. */
  readonly period: number;
  readonly axis: "left" | "right";
}

/** A line that is computed of others. */
export interface ChartMath {
  readonly kind: "math";
  readonly expression: string;
  readonly of: readonly ChartMetric[];
  readonly label: string;
  readonly axis: "left" | "right";
}

export type ChartLine = ChartMetric | ChartMath;

export interface MetricWidget extends Place {
  readonly type: "metric";
  readonly region: string;
  readonly metrics: readonly ChartLine[];
  /** What the axes count. */
  readonly axes: Readonly<Record<string, string>>;
  readonly lines: readonly { readonly label: string; readonly value: number }[];
}

export type Widget = AlarmWidget | LogWidget | MetricWidget;

/** The columns of a dashboard. */
export const COLUMNS = 24;

type Json = Readonly<Record<string, unknown>>;

/** Reads a dashboard's body. @throws Error about what is not as the page says, or not known here */
export function readDashboard(body: string): readonly Widget[] {
  const { widgets } = known(JSON.parse(body), ["start", "periodOverride", "widgets"]);
  return (widgets as readonly Json[]).map((widget) => {
    const about = known(widget, ["type", "x", "y", "width", "height", "properties"]);
    const properties = about["properties"] as Json;
    const numbers = ["x", "y", "width", "height"].map((name) => Number(about[name]));
    const [x = 0, y = 0, width = 0, height = 0] = numbers;
    const place = { x, y, width, height, title: text(properties, "title") };
    switch (about["type"]) {
      case "alarm":
        return { ...place, type: "alarm", arns: arnsOf(properties) };
      case "log":
        return { ...place, type: "log", ...queryOf(properties) };
      case "metric":
        return { ...place, type: "metric", ...chartOf(properties) };
      default:
        throw new Error(`unknown widget ${about["type"]}`);
    }
  });
}

function arnsOf(properties: Json): readonly string[] {
  const { alarms } = known(properties, ["title", "sortBy", "alarms"]);
  return alarms as readonly string[];
}

function queryOf(properties: Json): Pick<LogWidget, "region" | "group" | "query"> {
  const about = known(properties, ["title", "region", "view", "query"]);
  const match = /^SOURCE '([^']+)' \| (.+)$/s.exec(text(about, "query"));
  if (match === null) throw new Error(`a query without a group: ${about["query"]}`);
  const [, group = "", query = ""] = match;
  return { region: text(about, "region"), group, query };
}

function chartOf(properties: Json): Pick<MetricWidget, "region" | "metrics" | "axes" | "lines"> {
  const about = known(properties, [
    "title",
    "region",
    "stat",
    "period",
    "yAxis",
    "annotations",
    "metrics",
  ]);
  const axes = Object.entries(known(about["yAxis"], ["left", "right"])).map(([side, axis]) => {
    return [side, text(known(axis, ["label", "min", "showUnits"]), "label")] as const;
  });
  const { horizontal = [] } = known(about["annotations"] ?? {}, ["horizontal"]);
  const lines = (horizontal as readonly Json[]).map((line) => {
    const { label, value } = known(line, ["label", "value"]);
    return { label: `${label}`, value: Number(value) };
  });
  const defaults = { stat: about["stat"], period: Number(about["period"]) };
  let before: readonly string[] = [];
  const rows = (about["metrics"] as readonly unknown[][]).map((row) => {
    const own = row.find((cell) => typeof cell === "object") ?? {};
    return {
      names: row.filter((cell) => typeof cell === "string"),
      own: known(own, ["id", "label", "stat", "yAxis", "expression"]),
    };
  });
  const metrics = rows.flatMap(({ names, own }): ChartMetric[] => {
    if (names.length === 0) return [];
    before = expand(names, before);
    const [namespace = "", name = "", ...pairs] = before;
    const line = {
      namespace,
      name,
      dimensions: pairsOf(pairs),
      searched: [],
      stat: `${own["stat"] ?? defaults.stat}`,
      period: defaults.period,
    };
    const id = own["id"] === undefined ? undefined : text(own, "id");
    return [{ kind: "metric", id, ...line, label: text(own, "label"), axis: axisOf(own) }];
  });
  const computed = rows.flatMap(({ names, own }): ChartLine[] => {
    if (names.length > 0) return [];
    const expression = text(own, "expression");
    if (expression.startsWith("SEARCH(")) return [searched(own)];
    const about = { expression, of: metrics.filter(({ id }) => id !== undefined) };
    return [{ kind: "math", ...about, label: text(own, "label"), axis: axisOf(own) }];
  });
  return {
    region: text(about, "region"),
    metrics: [...metrics, ...computed],
    axes: Object.fromEntries(axes),
    lines,
  };
}

function axisOf(own: Json): "left" | "right" {
  return own["yAxis"] === "right" ? "right" : "left";
}

/** `.` is what stands there in the row before, `...` all that is left. */
function expand(names: readonly string[], before: readonly string[]): readonly string[] {
  return names.flatMap((name, index) => {
    if (name === "...") return before.slice(index, before.length - (names.length - 1 - index));
    return name === "." ? [before[index] ?? ""] : [name];
  });
}

function searched({ expression, label }: Json): ChartMetric {
  const match = /^SEARCH\('\{(\w+),([\w,]+)\} (.*?) ?MetricName="(\w+)"', '(\w+)', (\d+)\)$/.exec(
    `${expression}`,
  );
  if (match === null) throw new Error(`unknown expression ${expression}`);
  const [, namespace = "", schema = "", terms = "", name = "", stat = "", period] = match;
  const dimensions = Object.fromEntries(
    [...terms.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = "", value = ""]) => [key, value]),
  );
  const open = schema.split(",").filter((key) => !(key in dimensions));
  const about = { namespace, name, dimensions, searched: open, label: `${label}`, stat };
  return { kind: "metric", id: undefined, ...about, period: Number(period), axis: "left" };
}

function pairsOf(cells: readonly string[]): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (let at = 0; at + 1 < cells.length; at += 2) pairs[`${cells[at]}`] = `${cells[at + 1]}`;
  return pairs;
}

function known(value: unknown, names: readonly string[]): Json {
  if (typeof value !== "object" || value === null) throw new Error(`no object: ${value}`);
  for (const name of Object.keys(value)) {
    if (!names.includes(name)) throw new Error(`unknown member ${name}`);
  }
  return value as Json;
}

function text(about: Json, name: string): string {
  const value = about[name];
  if (typeof value !== "string" || value === "") throw new Error(`no ${name}`);
  return value;
}
