import type { ChartLine, LogWidget, MetricWidget, Widget } from "./dashboard.ts";

/** What the widgets show. */
export interface DashboardData {
  /** Wall-clock milliseconds. */
  readonly from: number;
  readonly to: number;
  series(line: ChartLine): readonly Series[];
  rows(widget: LogWidget): readonly Readonly<Record<string, string>>[];
  /** By the last part of its ARN. */
  alarmState(name: string): "OK" | "ALARM";
}

/** One line of a chart. */
export interface Series {
  readonly label: string;
  readonly points: readonly { readonly at: number; readonly value: number }[];
}

/** Pixels of a column and of a row of the grid. */
const UNIT = 52;
const MARGIN = 4;
const COLORS = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b"];
const FRAME = { left: 56, right: 56, top: 34, bottom: 52 };

/** Draws a dashboard as an SVG, about as the console does. */
export function drawDashboard(widgets: readonly Widget[], data: DashboardData): string {
  const width = Math.max(...widgets.map((one) => one.x + one.width)) * UNIT;
  const height = Math.max(...widgets.map((one) => one.y + one.height)) * UNIT;
  const drawn = widgets.map((widget) => {
    const [x, y] = [widget.x * UNIT + MARGIN, widget.y * UNIT + MARGIN];
    const [w, h] = [widget.width * UNIT - 2 * MARGIN, widget.height * UNIT - 2 * MARGIN];
    const frame = `<rect width="${w}" height="${h}" rx="6" fill="#fff" stroke="#d5dbdb"/>`;
    const title = label(12, 22, widget.title, 'font-weight="bold" font-size="14"');
    return `<g transform="translate(${x} ${y})">${frame}${title}${inner(widget, data, w, h)}</g>`;
  });
  const style = 'font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="11"';
  const paper = `<rect width="${width}" height="${height}" fill="#f2f3f3"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ${style} fill="#16191f">\n<title>The dashboard of a fleet</title>\n${paper}\n${drawn.join("\n")}\n</svg>\n`;
}

function inner(widget: Widget, data: DashboardData, w: number, h: number): string {
  if (widget.type === "metric") return chart(widget, data, w, h);
  if (widget.type === "log") return table(data.rows(widget), w, h);
  const perRow = Math.ceil(widget.arns.length / 3);
  const [cellW, cellH] = [(w - 16) / perRow, (h - 44) / 3];
  return widget.arns
    .map((arn, index) => {
      const name = arn.split("/").at(-1) ?? arn;
      const color = data.alarmState(name) === "OK" ? "#1d8102" : "#d13212";
      const [x, y] = [8 + (index % perRow) * cellW, 36 + Math.floor(index / perRow) * cellH];
      const box = `<rect x="${round(x)}" y="${round(y)}" width="${round(cellW - 6)}" height="${round(cellH - 6)}" rx="4" fill="${color}"/>`;
      return box + label(x + 8, y + cellH / 2 + 1, name, 'fill="#fff"');
    })
    .join("");
}

interface Scale {
  readonly max: number;
  readonly step: number;
}

function chart(widget: MetricWidget, data: DashboardData, w: number, h: number): string {
  const lines = widget.metrics.flatMap((metric) =>
    data.series(metric).map((series) => ({ ...series, axis: metric.axis })),
  );
  const [left, right] = [FRAME.left, w - FRAME.right];
  const [top, bottom] = [FRAME.top, h - FRAME.bottom];
  const scaleOf = (axis: string): Scale => {
    const values = lines.filter((line) => line.axis === axis).flatMap(({ points }) => points);
    const limits = axis === "left" ? widget.lines.map(({ value }) => value) : [];
    return niceScale(Math.max(0, ...values.map(({ value }) => value), ...limits));
  };
  const scales: Record<string, Scale> = { left: scaleOf("left"), right: scaleOf("right") };
  const yOf = (axis: string, value: number) =>
    bottom - (value / (scales[axis]?.max ?? 1)) * (bottom - top);
  const xOf = (at: number) => left + ((at - data.from) / (data.to - data.from)) * (right - left);
  const parts: string[] = [];
  for (const [axis, unit] of Object.entries(widget.axes)) {
    const { max, step } = scales[axis] ?? { max: 1, step: 1 };
    const isLeft = axis === "left";
    for (let value = 0; value <= max * 1.0001; value += step) {
      const y = round(yOf(axis, value));
      if (isLeft) parts.push(`<path d="M${left} ${y}H${right}" stroke="#eaeded"/>`);
      const place = isLeft ? 'text-anchor="end"' : "";
      parts.push(
        label(isLeft ? left - 6 : right + 6, y + 4, short(value), `fill="#545b64" ${place}`),
      );
    }
    const [x, turn] = isLeft ? [12, -90] : [w - 8, -90];
    const middle = (top + bottom) / 2;
    parts.push(
      `<text transform="translate(${x} ${round(middle)}) rotate(${turn})" text-anchor="middle" fill="#545b64">${escaped(unit)}</text>`,
    );
  }
  for (let at = data.from; at <= data.to; at += 3 * 3_600_000) {
    const text = new Date(at).toISOString().slice(11, 16);
    parts.push(label(xOf(at), bottom + 15, text, 'fill="#545b64" text-anchor="middle"'));
  }
  lines.forEach(({ points, axis }, index) => {
    const path = points.map(({ at, value }) => `${round(xOf(at))} ${round(yOf(axis, value))}`);
    const color = COLORS[index % COLORS.length];
    if (path.length > 0) {
      parts.push(
        `<polyline points="${path.join(" ")}" fill="none" stroke="${color}" stroke-width="1.6"/>`,
      );
    }
  });
  for (const { label: name, value } of widget.lines) {
    const y = round(yOf("left", value));
    parts.push(`<path d="M${left} ${y}H${right}" stroke="#d13212" stroke-dasharray="5 3"/>`);
    const text = `${name} ${short(value)}`;
    parts.push(label(right - 4, y - 4, text, 'fill="#d13212" text-anchor="end"'));
  }
  return parts.join("") + legend(lines, left, h - 14);
}

function legend(lines: readonly { label: string }[], left: number, y: number): string {
  let x = left;
  return lines
    .map(({ label: name }, index) => {
      const at = x;
      x += 24 + name.length * 6.3;
      const color = COLORS[index % COLORS.length];
      return `<rect x="${round(at)}" y="${y - 9}" width="10" height="10" fill="${color}"/>${label(at + 14, y, name, "")}`;
    })
    .join("");
}

function table(rows: readonly Readonly<Record<string, string>>[], w: number, h: number): string {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const widths = names.map((name) =>
    Math.min(30, Math.max(name.length, ...rows.map((row) => (row[name] ?? "").length))),
  );
  const all = widths.reduce((sum, one) => sum + one + 2, 0);
  const lines = [Object.fromEntries(names.map((name) => [name, name])), ...rows];
  return lines
    .slice(0, Math.floor((h - 40) / 20))
    .map((row, line) => {
      let x = 12;
      const style = line === 0 ? 'fill="#545b64" font-size="10"' : 'font-size="10"';
      return names
        .map((name, column) => {
          const at = x;
          const room = (((widths[column] ?? 0) + 2) / all) * (w - 24);
          x += room;
          const fits = Math.max(3, Math.floor(room / 6.4) - 1);
          const value = row[name] ?? "";
          const text = value.length > fits ? `${value.slice(0, fits - 1)}…` : value;
          return label(at, 48 + line * 20, text, style);
        })
        .join("");
    })
    .join("");
}

/** Four or five steps of 1, 2 or 5 times a power of ten, with room above. */
function niceScale(most: number): Scale {
  if (most === 0) return { max: 1, step: 1 };
  const rough = (most * 1.1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((one) => one * power >= rough) ?? 10) * power;
  return { max: Math.ceil((most * 1.05) / step) * step, step };
}

function short(value: number): string {
  for (const [size, unit] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const) {
    if (value >= size) return `${Number((value / size).toPrecision(3))}${unit}`;
  }
  return `${Number(value.toPrecision(3))}`;
}

function label(x: number, y: number, text: string, style: string): string {
  return `<text x="${round(x)}" y="${round(y)}" ${style}>${escaped(text)}</text>`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
