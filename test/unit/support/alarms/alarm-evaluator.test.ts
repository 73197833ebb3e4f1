import { expect } from "chai";
import type { LogRecord } from "../../../../tools/cloudwatch/metric-points.ts";
import type { ResolvedResource } from "../../../../tools/infra/resolve.ts";
import type { ValueMap } from "../../../../tools/infra/template.ts";
import { AlarmEvaluator, type Change } from "../../../support/alarms/alarm-evaluator.ts";
import { isTrue } from "../../../support/alarms/composite-alarm.ts";

const MINUTE = 60_000;
const GROUP = "/logs";

/** A record at a minute, with one metric of the fleet. */
function record(minute: number, fields: Readonly<Record<string, unknown>>): LogRecord {
  const Metrics = Object.keys(fields).map((Name) => ({ Name }));
  const directive = { Namespace: "N", Dimensions: [["Fleet"]], Metrics };
  const at = minute * MINUTE;
  const emf = { Timestamp: at, CloudWatchMetrics: [directive] };
  return {
    at,
    group: GROUP,
    stream: "a",
    message: JSON.stringify({ Fleet: "web", ...fields, _aws: emf }),
  };
}

function metricAlarm(id: string, properties: ValueMap): ResolvedResource {
  return {
    id,
    type: "AWS::CloudWatch::Alarm",
    properties: {
      AlarmName: `name-of-${id}`,
      Namespace: "N",
      Dimensions: [{ Name: "Fleet", Value: "web" }],
      Statistic: "Sum",
      Period: 300,
      EvaluationPeriods: 1,
      Threshold: 0,
      ComparisonOperator: "GreaterThanThreshold",
      TreatMissingData: "notBreaching",
      ...properties,
    },
  };
}

function logAlarm(properties: ValueMap, query: ValueMap): ResolvedResource {
  return {
    id: "Log",
    type: "AWS::CloudWatch::LogAlarm",
    properties: {
      AlarmName: "log",
      QueryResultsToEvaluate: 2,
      QueryResultsToAlarm: 2,
      Threshold: 10,
      ComparisonOperator: "GreaterThanThreshold",
      TreatMissingData: "notBreaching",
      ...properties,
      ScheduledQueryConfiguration: {
        QueryString: 'filter event = "e"',
        AggregationExpression: "max(size) by host | sort desc",
        LogGroupIdentifiers: [GROUP],
        ScheduledQueryRoleARN: "arn",
        ScheduleConfiguration: { ScheduleExpression: "rate(5 minutes)", StartTimeOffset: 600 },
        ...query,
      },
    },
  };
}

function play(
  resources: readonly ResolvedResource[],
  records: readonly LogRecord[],
  minutes: number,
) {
  const span = { from: 0, to: minutes * MINUTE };
  return new AlarmEvaluator(resources).play(records, span);
}

/** `minute state` of one alarm. */
function told(changes: readonly Change[], alarm: string): readonly string[] {
  return changes
    .filter((change) => change.alarm === alarm)
    .map(({ at, state, contributors }) => [at / MINUTE, state, ...contributors].join(" "));
}

describe("alarms that are played", () => {
  it("look each minute at whole minutes that are over, in periods that end then", () => {
    const { changes } = play([metricAlarm("A", { MetricName: "M" })], [record(3.5, { M: 1 })], 20);
    // Minute 3 is seen from its end on, for the five minutes of the period, and for two periods more:
    // without newer data an old point decides while it is in the evaluation range.
    expect(told(changes, "A")).to.deep.equal(["0 OK", "4 ALARM", "19 OK"]);
  });

  it("see a record once it has arrived, at its own time", () => {
    const late = { ...record(3.5, { M: 1 }), arrivedAt: 6.5 * MINUTE };
    const { changes } = play([metricAlarm("A", { MetricName: "M" })], [late], 20);
    expect(told(changes, "A")).to.deep.equal(["0 OK", "7 ALARM", "19 OK"]);
  });

  it("compare the value of metric math over their periods", () => {
    const stat = (Id: string, MetricName: string) => ({
      Id,
      ReturnData: false,
      MetricStat: {
        Stat: "Sum",
        Period: 300,
        Metric: { Namespace: "N", MetricName, Dimensions: [{ Name: "Fleet", Value: "web" }] },
      },
    });
    const alarm = metricAlarm("A", {
      Metrics: [{ Id: "x", Expression: "FILL(e, REPEAT) - h" }, stat("e", "E"), stat("h", "H")],
      TreatMissingData: "breaching",
    });
    const records = [record(1, { E: 2, H: 2 }), record(6, { H: 1 }), record(11, { H: 2 })];
    const { stateAt } = play([alarm], records, 20);
    const at = (minute: number) => stateAt("A", minute * MINUTE);
    expect([at(5), at(10), at(15)]).to.deep.equal(["OK", "ALARM", "OK"]);
  });

  it("of logs run their query by its schedule, and have a state for each contributor", () => {
    const event = (minute: number, host: string, size: number): LogRecord => ({
      at: minute * MINUTE,
      group: GROUP,
      stream: host,
      message: JSON.stringify({ event: "e", host, size }),
    });
    const records = [
      ...[4, 9, 14].flatMap((minute) => [event(minute, "a", 11), event(minute, "b", 9)]),
      { ...event(4, "c", 99), group: "/other" },
    ];
    const { changes } = play([logAlarm({}, {})], records, 40);
    // Two executions of two; after minute 24 nobody has the host any more.
    expect(told(changes, "Log")).to.deep.equal(["0 OK", "10 ALARM a", "25 OK"]);
  });

  it("of others follow their rule", () => {
    const composite = {
      id: "All",
      type: "AWS::CloudWatch::CompositeAlarm",
      properties: { AlarmName: "all", AlarmRule: 'ALARM("name-of-A") OR FALSE' },
    };
    const { changes, fired } = play(
      [composite, metricAlarm("A", { MetricName: "M" })],
      [record(3, { M: 1 })],
      20,
    );
    expect(told(changes, "All")).to.deep.equal(["0 OK", "4 ALARM", "19 OK"]);
    expect(fired).to.deep.equal(["A", "All"]);
  });

  it("are refused when CloudWatch would refuse them", () => {
    const wrong: readonly ValueMap[] = [
      { MetricName: "M", Period: 90 },
      { MetricName: "M", Period: 1800, EvaluationPeriods: 49 },
      { MetricName: "M", Period: 3600, EvaluationPeriods: 169 },
      { MetricName: "M", EvaluationPeriods: 2, DatapointsToAlarm: 3 },
      { MetricName: "M", AlarmDescription: "x".repeat(1_025) },
      {
        Metrics: [
          { Id: "x", Expression: "a" },
          { Id: "y", Expression: "a" },
        ],
      },
    ];
    for (const properties of wrong) {
      const make = () => new AlarmEvaluator([metricAlarm("A", properties)]);
      expect(make, JSON.stringify(properties).slice(0, 60)).to.throw();
    }
    for (const aggregation of ["pct(size, 99)", "max(size) by bin(5m)", "count(*), max(size)"]) {
      const make = () => new AlarmEvaluator([logAlarm({}, { AggregationExpression: aggregation })]);
      expect(make, aggregation).to.throw("bad aggregation");
    }
  });
});

describe("the rule of a composite alarm", () => {
  const states = new Map([
    ["a", "ALARM"],
    ["b", "OK"],
    ["c", "INSUFFICIENT_DATA"],
  ] as const);

  it("is true as its operators say; AND binds closer than OR", () => {
    const rules: Readonly<Record<string, boolean>> = {
      'ALARM("a")': true,
      "ALARM(b)": false,
      'OK("b") AND INSUFFICIENT_DATA("c")': true,
      'NOT ALARM("b")': true,
      "TRUE OR TRUE AND FALSE": true,
      "(TRUE OR TRUE) AND FALSE": false,
      "NOT (FALSE OR FALSE) AND TRUE": true,
    };
    for (const [rule, value] of Object.entries(rules)) {
      expect(isTrue(rule, states), rule).to.equal(value);
    }
  });

  it("is refused for what nobody knows", () => {
    for (const rule of ['ALARM("d")', "MAYBE(a)", "TRUE TRUE", "ALARM(a", ""]) {
      expect(() => isTrue(rule, states), rule).to.throw();
    }
  });
});
