import { expect } from "chai";
import fc from "fast-check";
import { fleetMetrics, type MetricValues, routeMetrics } from "../../../src/logs/emf.ts";
import { METRICS, type MetricName } from "../../../src/logs/metrics.ts";
import { checkEmf } from "../../../tools/records/emf-rules.ts";

const NAMES = Object.keys(METRICS) as MetricName[];
const AT = Date.parse("2026-11-24T12:00:00Z");

/** Whatever a gauge may come to, what is no number included. */
const anyValue = fc.oneof(
  fc.constantFrom(undefined, Number.NaN, Number.POSITIVE_INFINITY),
  fc.double({ min: -1e100, max: 1e100, noNaN: true }),
  fc.array(fc.double({ min: 0, max: 1e9 }), { maxLength: 130 }),
);
const anyMetrics: fc.Arbitrary<MetricValues> = fc.dictionary(
  fc.constantFrom(...NAMES),
  anyValue,
) as fc.Arbitrary<MetricValues>;
const anyName = fc.string({ maxLength: 1_100 });

/** What is left of values that a metric can have. */
function taken(value: MetricValues[MetricName]): unknown {
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  const values = value?.filter(Number.isFinite).slice(0, 100) ?? [];
  return values.length === 0 ? undefined : values;
}

describe("metrics of a record", () => {
  it("keep the specification for whatever values and names, and lose no value that can be taken", () => {
    fc.assert(
      fc.property(anyMetrics, anyMetrics, anyName, anyName, (both, own, fleet, route) => {
        const rest = Object.fromEntries(Object.entries(own).filter(([name]) => !(name in both)));
        const record = routeMetrics({ fleet, route }, { both, route: rest }, AT + 0.5);
        const known = Object.entries({ ...both, ...rest }).filter(
          ([, value]) => taken(value) !== undefined,
        );
        const isWithout = known.length === 0;
        const problems = checkEmf(JSON.parse(JSON.stringify(record)));
        expect(problems).to.deep.equal(
          isWithout ? ["CloudWatchMetrics is no list of directives"] : [],
        );
        for (const [name, value] of known) expect(record[name]).to.deep.equal(taken(value));
      }),
    );
  });

  it("say by which dimensions they are kept: the fleet, or the fleet and a route", () => {
    const metrics = { both: { FilesRemoved: 3 }, route: { FreePercent: 12.5 } };
    expect(routeMetrics({ fleet: "web", route: "main" }, metrics, AT)).to.deep.equal({
      Fleet: "web",
      Route: "main",
      FilesRemoved: 3,
      FreePercent: 12.5,
      _aws: {
        Timestamp: AT,
        CloudWatchMetrics: [
          {
            Namespace: "S3OffloadAgent",
            Dimensions: [["Fleet"], ["Fleet", "Route"]],
            Metrics: [{ Name: "FilesRemoved", Unit: "Count" }],
          },
          {
            Namespace: "S3OffloadAgent",
            Dimensions: [["Fleet", "Route"]],
            Metrics: [{ Name: "FreePercent", Unit: "Percent" }],
          },
        ],
      },
    });
    const { Route, _aws } = fleetMetrics("web", { Heartbeats: 1 }, AT) as {
      Route?: string;
      _aws: { CloudWatchMetrics: { Dimensions: unknown }[] };
    };
    expect(Route).to.equal(undefined);
    expect(_aws.CloudWatchMetrics.map(({ Dimensions }) => Dimensions)).to.deep.equal([[["Fleet"]]]);
  });

  it("have no more values than are taken", () => {
    const values = Array.from({ length: 101 }, (_, index) => index);
    const record = fleetMetrics("web", { UploadLatencyMs: values }, AT);
    expect(record["UploadLatencyMs"]).to.deep.equal(values.slice(0, 100));
    expect(checkEmf(record)).to.deep.equal([]);
  });

  it("fit into one directive, all of them", () => {
    expect(NAMES).to.have.length.at.most(100);
  });
});
