import { expect } from "chai";
import { madeUpResources } from "../../../../tools/infra/made-up.ts";
import { readTemplate } from "../../../../tools/infra/template.ts";

const TEMPLATE = `
Parameters:
  Fleet: { Type: String }
Resources:
  Group:
    Type: AWS::Logs::LogGroup
    Properties: { LogGroupName: !Sub "/logs/\${Fleet}" }
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties: { AlarmName: !Sub "\${Fleet}/late" }
  Role: { Type: AWS::IAM::Role }
  All:
    Type: AWS::Any::Thing
    Properties:
      Names: [!Ref Group, !Ref Alarm, !Ref Role]
      Arns: [!GetAtt Group.Arn, !GetAtt Alarm.Arn, !Sub "\${Role.Arn}"]
`;

describe("a stack that nobody has deployed", () => {
  it("has the names that its template gives, and ARNs that look like what they stand for", () => {
    const all = madeUpResources(readTemplate(TEMPLATE), { Fleet: "web" }).at(-1);
    expect(all).to.deep.equal({
      id: "All",
      type: "AWS::Any::Thing",
      properties: {
        Names: ["/logs/web", "web/late", "a-stack-Role"],
        Arns: [
          "arn:aws:logs:eu-central-1:123456789012:log-group:/logs/web:*",
          "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:web/late",
          "arn:aws:iam:eu-central-1:123456789012:Role",
        ],
      },
    });
  });

  it("is not without a parameter that has no default", () => {
    expect(() => madeUpResources(readTemplate(TEMPLATE), {})).to.throw("Fleet: is required");
  });
});
