import { expect } from "chai";
import { checkStack } from "../../tools/infra/check-stack.ts";
import { clientsOf } from "../../tools/infra/clients.ts";
import { REGION } from "../../tools/infra/made-up.ts";
import { openSchemas } from "../../tools/infra/schemas.ts";
import { readTemplate } from "../../tools/infra/template.ts";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";

const GOOD = `
  Group:
    Type: AWS::Logs::LogGroup
    Properties: { LogGroupName: /a/group, RetentionInDays: 14 }
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmName: an-alarm
      Metrics:
        - { Id: x, Expression: "FILL(h, 0)" }
        - Id: h
          ReturnData: false
          MetricStat: { Stat: Sum, Period: 300, Metric: { Namespace: Any, MetricName: One } }
      EvaluationPeriods: 3
      Threshold: 1
      ComparisonOperator: LessThanThreshold
      TreatMissingData: breaching
  Health:
    Type: AWS::CloudWatch::CompositeAlarm
    Properties: { AlarmName: health, AlarmRule: !Sub "ALARM(\\"\${Alarm}\\")" }
  Board:
    Type: AWS::CloudWatch::Dashboard
    Properties:
      DashboardName: board
      DashboardBody: !Sub '{"widgets":[{"type":"alarm","properties":{"alarms":["\${Alarm.Arn}"]}}]}'
  Query:
    Type: AWS::Logs::QueryDefinition
    Properties: { Name: a/query, QueryString: fields @message, LogGroupNames: [!Ref Group] }
  Topic:
    Type: AWS::SNS::Topic
    Properties: { TopicName: a-topic }
`;

describe("the check of a template", () => {
  let aws: LocalAws;
  before(async function () {
    // A cold start of the local AWS.
    this.timeout(120_000);
    aws = await startLocalAws();
  });
  after(async () => await aws?.stop());

  let stacks = 0;
  async function findingsIn(resources: string): Promise<readonly string[]> {
    // No two stacks may have a log group of one name.
    const name = `stack-${++stacks}`;
    const text = resources.replaceAll("/a/group", `/${name}`);
    const template = readTemplate(`Resources:\n${text}`);
    const schemas = await openSchemas(REGION);
    const stack = await checkStack(clientsOf(aws), schemas, { name, template, parameters: {} });
    return stack.resources.flatMap(({ logicalId, findings }) =>
      findings.map((finding) => `${logicalId}: ${finding}`),
    );
  }

  it("finds nothing in a good one, and tells alarms by name and ARN to what looks at them", async () => {
    expect(await findingsIn(GOOD)).to.deep.equal([]);
  });

  for (const [what, from, to, finds] of [
    [
      "a wrong name of a property",
      "RetentionInDays: 14",
      "RetentionDays: 14",
      /^Group: .*additional/,
    ],
    [
      "a wrong name of a property of what the local AWS skips",
      "AlarmRule:",
      "Rule:",
      /^Health: .*(additional|required)/,
    ],
    ["a wrong name deep inside", "Stat: Sum", "Statistic: Sum", /^Alarm: .*(additional|required)/],
    ["a value that the type does not have", "breaching", "never", /^Alarm: .*TreatMissingData/],
    ["a text that YAML reads as something else", "- Id: h", "- Id: n", /^Alarm: .*Id is/],
    [
      "a type that nobody has said how to check",
      "AWS::SNS::Topic",
      "AWS::SQS::Queue",
      /^Topic: AWS::SQS::Queue has no entry/,
    ],
    ["a type that there is not", "AWS::SNS::Topic", "AWS::SNS::Topics", /^Topic: there is no type/],
  ] as const) {
    it(`finds ${what}`, async () => {
      expect(GOOD).to.include(from);
      const findings = await findingsIn(GOOD.replace(from, to));
      expect(
        findings.some((finding) => finds.test(finding)),
        findings.join("\n"),
      ).to.equal(true);
    });
  }
});
