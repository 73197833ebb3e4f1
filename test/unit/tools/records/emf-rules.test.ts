import { expect } from "chai";
import { checkEmf } from "../../../../tools/records/emf-rules.ts";

type Json = ReturnType<typeof JSON.parse>;

const AT = Date.parse("2026-11-24T12:00:00Z");

/** A record that keeps all rules, as parsed from its text. @param change breaks one */
function recordWith(change: (record: Json, directive: Json) => void = () => undefined): Json {
  const record: Json = {
    time: "2026-11-24T12:00:00.020Z",
    Fleet: "web",
    Route: "main",
    FilesRemoved: 3,
    UploadLatencyMs: [1, 2.5],
    _aws: {
      Timestamp: AT,
      CloudWatchMetrics: [
        {
          Namespace: "S3OffloadAgent",
          Dimensions: [["Fleet"], ["Fleet", "Route"]],
          Metrics: [
            { Name: "FilesRemoved", Unit: "Count" },
            { Name: "UploadLatencyMs", Unit: "Milliseconds" },
          ],
        },
      ],
    },
  };
  change(record, record._aws.CloudWatchMetrics[0]);
  return record;
}

describe("checkEmf", () => {
  it("finds nothing wrong with a record that keeps the rules", () => {
    expect(checkEmf(recordWith())).to.deep.equal([]);
  });

  const broken: readonly (readonly [string, RegExp, (record: Json, directive: Json) => void])[] = [
    ["no metadata", /^_aws is no object/, (record) => delete record._aws],
    ["a member too many", /_aws has the member LogGroup/, (record) => (record._aws.LogGroup = "x")],
    ["a record too long", /has \d+ bytes/, (record) => (record.text = "ä".repeat(131_072))],
    ["seconds as time", /is not 2026/, (record) => (record._aws.Timestamp = AT / 1_000)],
    ["a time with a fraction", /no whole number/, (record) => (record._aws.Timestamp = AT + 0.5)],
    ["a time as text", /no whole number/, (record) => (record._aws.Timestamp = String(AT))],
    ["no directives", /no list of dir/, (record) => (record._aws.CloudWatchMetrics = [])],
    ["a directive that is none", /is no object/, (record) => record._aws.CloudWatchMetrics.push(1)],
    ["a member in a directive", /member Unit/, (_, directive) => (directive.Unit = "Count")],
    ["a namespace", /namespace is AWS/, (_, directive) => (directive.Namespace = "AWS")],
    ["no dimensions", /no list of sets/, (_, directive) => (directive.Dimensions = [])],
    ["dimensions without sets", /Fleet is no list/, (_, one) => (one.Dimensions = ["Fleet"])],
    [
      "another dimension",
      /set Fleet,host is none/,
      (record, directive) => {
        record.host = "h";
        directive.Dimensions.push(["Fleet", "host"]);
      },
    ],
    [
      "too many dimensions",
      /has 31 members/,
      (_, directive) => directive.Dimensions.push(Array(31).fill("Fleet")),
    ],
    ["the same set twice", /set is twice/, (_, directive) => directive.Dimensions.push(["Fleet"])],
    ["a dimension without a name", /no name/, (_, one) => one.Dimensions.push([""])],
    ["a dimension that is not there", /Route is no text/, (record) => delete record.Route],
    ["a dimension that is a number", /Route is no text/, (record) => (record.Route = 3)],
    ["an empty dimension", /has 0 characters/, (record) => (record.Fleet = "")],
    ["a long dimension", /1025 characters/, (record) => (record.Fleet = "x".repeat(1_025))],
    ["no metrics", /no list of metrics/, (_, directive) => (directive.Metrics = [])],
    [
      "too many metrics",
      /101 metrics/,
      (_, directive) => (directive.Metrics = Array(101).fill(directive.Metrics[0])),
    ],
    ["a metric twice", /twice in a dir/, (_, one) => one.Metrics.push({ ...one.Metrics[0] })],
    [
      "a metric by the same dimensions in two directives",
      /FilesRemoved by Fleet is twice in the record/,
      (record, directive) =>
        record._aws.CloudWatchMetrics.push({ ...directive, Dimensions: [["Fleet"]] }),
    ],
    ["a metric that is none", /is no object/, (_, directive) => directive.Metrics.push("Files")],
    ["a metric's member", /member Value/, (_, directive) => (directive.Metrics[0].Value = 3)],
    ["a metric without a name", /no name/, (_, directive) => delete directive.Metrics[0].Name],
    [
      "a metric that the product does not have",
      /Bogus is no metric/,
      (record, directive) => {
        record.Bogus = 1;
        directive.Metrics.push({ Name: "Bogus", Unit: "Count" });
      },
    ],
    ["a unit that is none", /none of Cloud/, (_, one) => (one.Metrics[0].Unit = "Files")],
    ["another unit", /Bytes, not Count/, (_, directive) => (directive.Metrics[0].Unit = "Bytes")],
    ["no unit", /unit undefined/, (_, directive) => delete directive.Metrics[0].Unit],
    ["a resolution", /each 5 s/, (_, directive) => (directive.Metrics[0].StorageResolution = 5)],
    ["no value", /no value at the root/, (record) => delete record.FilesRemoved],
    [
      "a nested value",
      /no value at the root/,
      (record) => {
        record.counts = { FilesRemoved: 3 };
        delete record.FilesRemoved;
      },
    ],
    ["a value as text", /the value 3/, (record) => (record.FilesRemoved = "3")],
    ["no number (JSON has null for it)", /null/, (record) => (record.FilesRemoved = null)],
    ["NaN", /the value NaN/, (record) => (record.FilesRemoved = Number.NaN)],
    ["a value out of range", /the value -1e\+109/, (record) => (record.FilesRemoved = -1e109)],
    ["no values", /has 0 values/, (record) => (record.UploadLatencyMs = [])],
    ["too many", /has 101 values/, (record) => (record.UploadLatencyMs = Array(101).fill(1))],
    ["a list in a list", /the value 1,2/, (record) => (record.UploadLatencyMs = [3, [1, 2]])],
  ];
  for (const [name, problem, change] of broken) {
    it(`finds ${name}`, () => {
      const problems = checkEmf(recordWith(change));
      expect(
        problems.some((one) => problem.test(one)),
        problems.join("; "),
      ).to.equal(true);
    });
  }
});
