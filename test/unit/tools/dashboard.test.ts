import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { COLUMNS, type MetricWidget, type Widget } from "../../../tools/dashboard/dashboard.ts";
import { dashboardOf } from "../../../tools/dashboard/data.ts";
import { dashboardPicture, PICTURE } from "../../../tools/dashboard.ts";
import { fleetResources } from "../../../tools/infra/fleet-resources.ts";
import type { ResolvedResource } from "../../../tools/infra/resolve.ts";

const PARAMETERS = {
  ExpectedHosts: "40",
  OldestFileSecondsMax: "1234",
  FilesFailedMax: "5",
  FreePercentMin: "17",
} as const;

describe("the fleet's dashboard", () => {
  let resources: readonly ResolvedResource[];
  let widgets: readonly Widget[];
  const charts = () => widgets.filter((widget) => widget.type === "metric");
  const alarms = () => resources.filter(({ type }) => /::(?:\w+)?Alarm$/.test(type));

  before(async () => {
    resources = await fleetResources(PARAMETERS);
    widgets = dashboardOf(resources);
  });

  it("fills its columns, and no widget lies on another", () => {
    const taken = new Map<string, string>();
    for (const { x, y, width, height, title } of widgets) {
      for (let column = x; column < x + width; column += 1) {
        for (let row = y; row < y + height; row += 1) {
          expect(taken.get(`${column} ${row}`), `${title} lies on`).to.equal(undefined);
          taken.set(`${column} ${row}`, title);
        }
      }
    }
    const rows = Math.max(...widgets.map(({ y, height }) => y + height));
    expect(taken.size).to.equal(COLUMNS * rows);
  });

  it("is of the stack's region and fleet, with a title of its own on each widget", async () => {
    const titles = widgets.map(({ title }) => title);
    expect(new Set(titles).size).to.equal(titles.length);
    for (const widget of widgets) {
      if (widget.type === "alarm") continue;
      expect(widget.region, widget.title).to.equal("eu-central-1");
    }
    const lines = charts().flatMap(({ metrics }) => metrics);
    const fleets = lines.map((line) => (line.kind === "metric" ? line.dimensions["Fleet"] : "web"));
    expect(new Set(fleets)).to.deep.equal(new Set(["web"]));
  });

  it("says what its axes count and what its lines are, by periods of whole heartbeats", () => {
    for (const { title, metrics, axes } of charts()) {
      for (const line of metrics) {
        expect(axes[line.axis], `${title}: ${line.axis}`).to.be.a("string");
        if (line.kind === "metric") expect(line.period % 300, title).to.equal(0);
      }
      const sides = new Set<string>(metrics.map(({ axis }) => axis));
      expect(new Set(Object.keys(axes)), title).to.deep.equal(sides);
      expect(new Set(metrics.map(({ label }) => label)).size, title).to.equal(metrics.length);
    }
  });

  it("shows the state of every alarm, and of none that the stack does not have", async () => {
    const shown = (of: readonly Widget[]) =>
      of.flatMap((widget) => (widget.type === "alarm" ? widget.arns : []));
    const arnOf = ({ properties }: ResolvedResource) =>
      `arn:aws:cloudwatch:eu-central-1:123456789012:alarm:${properties["AlarmName"]}`;
    expect(shown(widgets)).to.have.members(alarms().map(arnOf));
    const few = await fleetResources({ ExpectedHosts: "", LogAlarms: "no" });
    const fewAlarms = few.filter(({ type }) => /::(?:\w+)?Alarm$/.test(type));
    expect(fewAlarms.length).to.be.below(alarms().length);
    expect(shown(dashboardOf(few))).to.have.members(fewAlarms.map(arnOf));
  });

  it("draws the line where an alarm begins", () => {
    const thresholdOf = (widget: MetricWidget): number | undefined => {
      const [line] = widget.metrics;
      if (line?.kind !== "metric") return undefined;
      const alarm = alarms().find(({ properties }) => {
        const isOf = properties["MetricName"] === line.name;
        return (
          isOf &&
          properties["Statistic"] === line.stat &&
          Number(properties["Period"]) === line.period
        );
      });
      return alarm === undefined ? undefined : Number(alarm.properties["Threshold"]);
    };
    const marked = charts().filter(({ lines }) => lines.length > 0);
    expect(marked.map(({ title }) => title)).to.have.length(3);
    for (const widget of marked) {
      expect(widget.lines.map(({ value }) => value)).to.deep.equal([thresholdOf(widget)]);
    }
  });

  it("has the saved queries in its tables, word for word", () => {
    const saved = resources
      .filter(({ type }) => type === "AWS::Logs::QueryDefinition")
      .map(({ properties }) => {
        const lines = String(properties["QueryString"]).split("\n");
        const text = lines.filter((line) => !line.startsWith("#")).join(" ");
        return `${properties["LogGroupNames"]}: ${text}`;
      });
    const tables = widgets.flatMap((widget) =>
      widget.type === "log" ? [`${widget.group}: ${widget.query}`] : [],
    );
    expect(tables).to.have.length(2);
    expect(saved).to.include.members(tables);
  });

  it("looks as its picture (npm run dashboard)", async () => {
    expect(await readFile(PICTURE, "utf8")).to.equal(await dashboardPicture());
  });
});
