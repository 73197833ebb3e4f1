import { expect } from "chai";
import { MetricPoints, statisticOf } from "../../../../tools/cloudwatch/metric-points.ts";

const MINUTE = 60_000;

/** A record with metrics of the embedded metric format. */
function record(timestamp: number, fields: Readonly<Record<string, unknown>>, sets: string[][]) {
  const Metrics = Object.keys(fields).map((Name) => ({ Name, Unit: "Count" }));
  const directive = { Namespace: "N", Dimensions: sets, Metrics };
  const message = JSON.stringify({
    Fleet: "web",
    Route: "default",
    ...fields,
    _aws: { Timestamp: timestamp, CloudWatchMetrics: [directive] },
  });
  // The log event's own time is another one: only that of the metrics counts.
  return { at: 0, stream: "a", message };
}

const metric = (name: string, dimensions: Record<string, string> = { Fleet: "web" }) => ({
  namespace: "N",
  name,
  dimensions,
});

describe("metrics of records", () => {
  it("are one for each set of dimensions, whatever the order of its names", () => {
    const points = new MetricPoints();
    points.add(record(0, { Files: 2 }, [["Fleet"], ["Route", "Fleet"]]));
    const span = { from: 0, to: MINUTE };
    expect(points.statistic(metric("Files"), "Sum", span)).to.equal(2);
    const both = { Fleet: "web", Route: "default" };
    expect(points.statistic(metric("Files", both), "Sum", span)).to.equal(2);
    expect(points.statistic(metric("Files", { Route: "default" }), "Sum", span)).to.equal(
      undefined,
    );
    expect(points.statistic(metric("Files", { Fleet: "db" }), "Sum", span)).to.equal(undefined);
    expect(points.statistic({ ...metric("Files"), namespace: "M" }, "Sum", span)).to.equal(
      undefined,
    );
  });

  it("of several records and of lists of values go together, in periods without their end", () => {
    const points = new MetricPoints();
    points.add(record(MINUTE - 1, { Ms: [10, 20, 30] }, [["Fleet"]]));
    points.add(record(MINUTE, { Ms: 50 }, [["Fleet"]]));
    const of = (statistic: string, to: number) =>
      points.statistic(metric("Ms"), statistic, { from: 0, to });
    expect(of("SampleCount", MINUTE)).to.equal(3);
    expect(of("SampleCount", 2 * MINUTE)).to.equal(4);
    expect(of("Average", 2 * MINUTE)).to.equal(27.5);
    expect(of("Maximum", MINUTE)).to.equal(30);
  });

  it("are none where a record says so but has no such member, or carries none", () => {
    const points = new MetricPoints();
    const { message } = record(0, { Files: 1 }, [["Fleet"]]);
    points.add({ at: 0, stream: "a", message: message.replace('"Files":1,', "") });
    points.add({ at: 0, stream: "a", message: '{"Files":1,"Fleet":"web"}' });
    const span = { from: 0, to: MINUTE };
    expect(points.statistic(metric("Files"), "SampleCount", span)).to.equal(undefined);
  });

  it("have statistics as CloudWatch names them", () => {
    const values = [4, 1, 3, 2];
    const all = ["Sum", "Average", "Minimum", "Maximum", "SampleCount", "p50", "p0", "p99.9"];
    const found = all.map((statistic) => statisticOf(statistic, values));
    expect(found.slice(0, 7)).to.deep.equal([10, 2.5, 1, 4, 4, 2.5, 1]);
    expect(found[7]).to.be.within(3.99, 4);
    expect(() => statisticOf("Median", values)).to.throw("unknown statistic");
  });
});
