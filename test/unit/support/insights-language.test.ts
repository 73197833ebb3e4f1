import { expect } from "chai";
import {
  compareNaturally,
  type InsightsEvent,
  MalformedQuery,
  runInsights,
} from "../../support/insights-language.ts";

const event = (timestamp: number, fields: object, logStream = "s"): InsightsEvent => ({
  timestamp,
  logStream,
  message: JSON.stringify(fields),
});

describe("the Logs Insights double's language", () => {
  const events = [
    event(1_000, { event: "a", host: "h1", n: 5, x: "old" }),
    event(3_000, { event: "a", host: "h1", n: 7 }),
    event(2_000, { event: "a", host: "h2", n: 1, nested: { y: true } }),
    event(4_000, { event: "b", host: "h3" }, "other"),
    { timestamp: 5_000, logStream: "s", message: "no JSON" },
  ];

  it("filters, groups and sums up", () => {
    const text =
      'filter event = "a" | stats count(*) as c, max(n) as most, min(@timestamp) as first, latest(x) as x, count_distinct(n) as d by host | sort host asc';
    expect(runInsights(text, events)).to.deep.equal([
      { host: "h1", c: "2", most: "7", first: "1000", x: "old", d: "2" },
      { host: "h2", c: "1", most: "1", first: "2000", d: "1" },
    ]);
  });

  it("names a statistic after its text when it has no alias", () => {
    expect(runInsights("stats count(*)", events)).to.deep.equal([{ "count(*)": "5" }]);
  });

  it("knows nested fields, true as 1, and expressions", () => {
    expect(runInsights("filter nested.y like /^1$/ | stats count(*) as c", events)).to.deep.equal([
      { c: "1" },
    ]);
  });

  it("shows what is asked for, times in its own way", () => {
    const text = 'filter @logStream = "other" | fields @timestamp, @message | limit 5';
    expect(runInsights(text, events)).to.deep.equal([
      { "@timestamp": "1970-01-01 00:00:04.000", "@message": '{"event":"b","host":"h3"}' },
    ]);
  });

  it("gives 10,000 rows unless told otherwise, and at most 100,000", () => {
    const many = Array.from({ length: 10_001 }, (_, index) => event(index, {}));
    expect(runInsights("fields @message", many)).to.have.length(10_000);
    expect(runInsights("fields @message | limit 100000", many)).to.have.length(10_001);
    expect(() => runInsights("fields @message | limit 100001", many)).to.throw(MalformedQuery);
  });

  for (const text of [
    "stats median(n) by host",
    "filter n > 3",
    "dedup host",
    "fields foo-bar",
    "sort n upwards",
    "limit none",
    "",
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      expect(() => runInsights(text, events)).to.throw(MalformedQuery);
    });
  }

  it("sorts as the documentation's example", () => {
    // https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-Sort.html
    const sorted = ["!:", "#", "*%04", "0#", "5A", "111A", "2345_", "@", "@_", "A", "A9876fghj"];
    const all = [...sorted, "a12345hfh", "0", "01", "1", "2", "3"];
    expect(all.toReversed().sort(compareNaturally)).to.deep.equal(all);
  });
});
