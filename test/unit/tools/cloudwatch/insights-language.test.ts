import { expect } from "chai";
import {
  compareNaturally,
  fillIn,
  type InsightsEvent,
  MalformedQuery,
  recordFieldsOf,
  runInsights,
} from "../../../../tools/cloudwatch/insights-language.ts";

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

  const values = (text: string) =>
    runInsights(text, events, 61_000).map((row) => Object.values(row).join(" "));

  for (const [text, expected] of [
    ["filter n > 3 | stats count(*) as c", ["2"]],
    ["filter n >= 5 and not host = 'h2' or event != \"a\" | stats count(*) as c", ["4"]],
    ['filter event in ["b", "c"] | fields host', ["h3"]],
    ['filter event not in ["a"] and ispresent(event) | fields host', ["h3"]],
    ['filter host like "h" and host not like /[12]$/ | fields host', ["h3"]],
    ["filter event =~ /(?i)B/ | fields host", ["h3"]],
    ["filter n = 7.0 | fields n * 2 + 1 as m, n / 0 as none | display m, none", ["15"]],
    [
      "filter n > 0 | fields (now() * 1000 - toMillis(@timestamp)) / 60000 as age | stats max(age)",
      ["1"],
    ],
    [
      "stats sum(n) / 2 as half, avg(n), min(n), pct(n, 50) as median",
      ["6.5 4.333333333333333 1 5"],
    ],
    [
      "filter n > 0 | stats count(*) as c by bin(2s) as at | sort at asc",
      ["1970-01-01 00:00:00.000 1", "1970-01-01 00:00:02.000 2"],
    ],
    ["stats max(n) as most by host | filter most > 1 | stats sum(most) as all", ["7"]],
    ["stats earliest(n) as first, latest(n) as last, sortsFirst(host) as host", ["5 7 h1"]],
    ["filter n > 0 | sort n asc | dedup host | limit 1 ", ["1970-01-01 00:00:02.000 "]],
    ["fields host | dedup host | limit 3", ["", "h3", "h1"]],
    ["filter event = 'z' | stats count(*) as c", ["0"]],
    [
      "# a | comment\nfilter event = 'b' | fields concat(host, '/', event) as place | display place",
      ["h3/b"],
    ],
    ["filter if(ispresent(n), n, 9) = 9 | stats count(*) as c", ["2"]],
    ["fields coalesce(x, host) as y | filter y = 'old' | display y", ["old"]],
  ] as const) {
    it(`knows ${text}`, () => {
      const found = values(text).map((row) => row.replace(/\{.*/, ""));
      expect(found).to.deep.equal(expected);
    });
  }

  it("fills in what a person is asked for", () => {
    expect(fillIn('filter host = "{{host}}"', { host: "h1" })).to.equal('filter host = "h1"');
    expect(() => fillIn("filter {{a}}", {})).to.throw(MalformedQuery);
  });

  it("tells which fields of records a query reads, and not its own names", () => {
    const text =
      "filter ispresent(a) | fields b + 1 as c, `d-d` | stats max(c) as e by f, bin(5m) | filter e > 1 | sort e";
    expect(recordFieldsOf(text)).to.deep.equal(["a", "b", "d-d", "f"]);
  });

  for (const text of [
    "stats median(n) by host",
    "stats n by host",
    "stats max(n) as a by host | stats sum(n) as b",
    "stats max(n) as a by host | fields x",
    "stats max(n) as a | stats max(a) as b | stats max(b) as c",
    "sort n | stats max(n) as a",
    "dedup host | fields x",
    "fields bin(300s) as at",
    "fields @timestamp + 1 as at",
    "fields toupper(n, n) as x",
    "filter host like h",
    "stats max(n) as least",
    "fields n as source",
    "pattern @message",
    "diff",
    "filter host = {{host}}",
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
