import { expect } from "chai";
import { resolveTemplate } from "../../../support/alarms/template.ts";

const TEMPLATE = `
Parameters:
  Fleet: { Type: String }
  Topic: { Type: String, Default: "" }
Conditions:
  Tells: !Not [!Equals [!Ref Topic, ""]]
  IsWeb: !Equals [!Ref Fleet, web]
  Both: !And [!Condition Tells, !Condition IsWeb]
Resources:
  Group:
    Type: AWS::Logs::LogGroup
    Properties: { LogGroupName: !Sub "/logs/\${Fleet}" }
  Told:
    Type: T
    Condition: Both
    Properties: {}
  All:
    Type: T
    Properties:
      Group: !Ref Group
      Arn: !GetAtt Group.Arn
      Text: !Sub "\${Group} \${AWS::Partition} \${!Literal} \${Group.Arn}"
      Own: !Sub ["\${x}", { x: !Ref Fleet }]
      Joined: !Join [" OR ", [a, !If [Tells, b, !Ref AWS::NoValue], !Ref Fleet]]
      Gone: !If [Tells, here, !Ref AWS::NoValue]
      Part: !Select [1, !Split ["-", a-b-c]]
      Number: 3
`;

describe("a template as a stack of it would be", () => {
  const of = (parameters: Record<string, string>) => {
    const resources = resolveTemplate(TEMPLATE, parameters);
    return new Map(resources.map(({ id, properties }) => [id, properties]));
  };

  it("has its references, texts and parts in place", () => {
    const groupArn = "arn:aws:logs:eu-central-1:123456789012:log-group:/logs/web:*";
    expect(of({ Fleet: "web" }).get("All")).to.deep.equal({
      Group: "/logs/web",
      Arn: groupArn,
      Text: `/logs/web aws $\{Literal} ${groupArn}`,
      Own: "web",
      Joined: "a OR web",
      Part: "b",
      Number: 3,
    });
  });

  it("has what its conditions allow", () => {
    expect([...of({ Fleet: "web" }).keys()]).to.deep.equal(["Group", "All"]);
    expect([...of({ Fleet: "db", Topic: "t" }).keys()]).to.deep.equal(["Group", "All"]);
    const both = of({ Fleet: "web", Topic: "t" });
    expect([...both.keys()]).to.deep.equal(["Group", "Told", "All"]);
    expect(both.get("All")).to.include({ Joined: "a OR b OR web", Gone: "here" });
  });

  it("is refused for parameters that it has not, or that have no value, and for what nobody knows", () => {
    expect(() => of({})).to.throw("parameter Fleet has no value");
    expect(() => of({ Fleet: "web", Other: "x" })).to.throw("no parameter Other");
    const wrong = (text: string) => () =>
      resolveTemplate(`Resources: {A: {Properties: {P: ${text}}}}`, {});
    expect(wrong("!Ref Nothing")).to.throw("reference to nothing");
    expect(wrong("!Cidr [a, b]")).to.throw("unknown function Cidr");
    expect(wrong("!If [Neither, a, b]")).to.throw("no condition Neither");
  });
});
