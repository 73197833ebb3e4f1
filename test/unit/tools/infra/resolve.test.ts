import { expect } from "chai";
import { bodyForLocalAws } from "../../../../tools/infra/fill-in.ts";
import { resolveTemplate } from "../../../../tools/infra/resolve.ts";
import { readTemplate } from "../../../../tools/infra/template.ts";

const PLACE = {
  stackName: "s",
  region: "eu-central-1",
  account: "123456789012",
  physicalId: (id: string) => `name-of-${id}`,
  attribute: (id: string, name: string) => `${name}-of-${id}`,
};

const HEAD = `
Parameters:
  Name: { Type: String, Default: web, AllowedPattern: "[a-z]+" }
  Days: { Type: Number, Default: 7, MinValue: 1, MaxValue: 30 }
  Kind: { Type: String, Default: a, AllowedValues: [a, b] }
Conditions:
  IsA: !Equals [!Ref Kind, a]
  IsB: !Not [!Condition IsA]
  Both: !And [!Condition IsA, !Condition IsB]
  Either: !Or [!Condition IsA, !Condition IsB]
`;

/** What a property with that YAML comes to. */
function propertyOf(yaml: string, given: Record<string, string> = {}): unknown {
  const text = `${HEAD}\nResources:\n  One:\n    Type: AWS::Any::Thing\n    Properties:\n      P: ${yaml}\n  Two: { Type: AWS::Any::Thing }\n`;
  return resolveTemplate(readTemplate(text), given, PLACE).resources["One"]?.properties["P"];
}

describe("a resolved template", () => {
  for (const [yaml, value] of [
    ["!Ref Name", "web"],
    ["!Ref Days", 7],
    ["!Ref Two", "name-of-Two"],
    ["!Ref AWS::Region", "eu-central-1"],
    ["!GetAtt Two.Arn", "Arn-of-Two"],
    ["!GetAtt [Two, A.B]", "A.B-of-Two"],
    [
      `!Sub "\${Name}/\${Two}/\${Two.Arn}/\${!aws:userid}/\${AWS::AccountId}"`,
      `web/name-of-Two/Arn-of-Two/\${aws:userid}/123456789012`,
    ],
    [`!Sub ["\${Own}/\${Name}", { Own: "\${aws:userid}" }]`, `\${aws:userid}/web`],
    ['!Join ["-", [a, !Ref Name, 1]]', "a-web-1"],
    ['!Split [",", "a,b"]', ["a", "b"]],
    ['!Select [1, !Split [",", "a,b"]]', "b"],
    ["!If [IsA, 1, 2]", 1],
    ["!If [IsB, 1, 2]", 2],
    ["!If [Both, 1, 2]", 2],
    ["!If [Either, 1, 2]", 1],
    ["[1, !If [IsB, 2, !Ref AWS::NoValue], 3]", [1, 3]],
    ["{ a: !Ref AWS::NoValue, b: 1 }", { b: 1 }],
    ["!Ref AWS::NoValue", undefined],
    ["yes", true],
  ] as const) {
    it(`has ${JSON.stringify(value)} for ${yaml}`, () => {
      expect(propertyOf(yaml)).to.deep.equal(value);
    });
  }

  for (const [what, given, says] of [
    ["a pattern that is not kept", { Name: "a b" }, /Name: .* does not match/],
    ["a pattern that only a part keeps", { Name: "a1" }, /Name: .* does not match/],
    ["a value that is not among those allowed", { Kind: "c" }, /Kind: .* none of a, b/],
    ["a number that is too large", { Days: "31" }, /Days: 31 is out of range/],
    ["a text in place of a number", { Days: "week" }, /Days: week is out of range/],
    ["a parameter that is not there", { Nome: "a" }, /Nome: there is no such parameter/],
  ] as const) {
    it(`does not come of ${what}`, () => {
      expect(() => propertyOf("1", given)).to.throw(says);
    });
  }

  it("does not come of what is not there, or not known here", () => {
    expect(() => propertyOf("!Ref Three")).to.throw("there is no Three");
    expect(() => propertyOf("!Base64 x")).to.throw("Fn::Base64 is unknown here");
    expect(() => propertyOf("!If [Nope, 1, 2]")).to.throw("there is no condition Nope");
  });

  it("does not come of a rule that is broken", () => {
    const text = `${HEAD}
Rules:
  OnlyInA:
    RuleCondition: !Equals [!Ref Name, strict]
    Assertions: [{ Assert: !Contains [[a], !Ref Kind], AssertDescription: Strict ones are a. }]
Resources: {}
`;
    const template = readTemplate(text);
    expect(() => resolveTemplate(template, { Kind: "b" }, PLACE)).not.to.throw();
    expect(() => resolveTemplate(template, { Name: "strict" }, PLACE)).not.to.throw();
    expect(() => resolveTemplate(template, { Name: "strict", Kind: "b" }, PLACE)).to.throw(
      "Strict ones are a.",
    );
  });

  it("leaves out what a condition leaves out", () => {
    const text = `${HEAD}
Resources:
  A: { Type: AWS::Any::Thing, Condition: IsA }
  B: { Type: AWS::Any::Thing, Condition: IsB }
Outputs:
  OfA: { Condition: IsA, Value: !Ref A }
  OfB: { Condition: IsB, Value: !Ref B }
`;
    const { resources, outputs } = resolveTemplate(readTemplate(text), {}, PLACE);
    expect(Object.keys(resources)).to.deep.equal(["A"]);
    expect(outputs).to.deep.equal({ OfA: "name-of-A" });
  });
});

describe("the body for the local AWS", () => {
  const skipped = (id: string) =>
    id === "Gone" ? { physicalId: "gone", attribute: (name: string) => `gone-${name}` } : undefined;
  for (const [yaml, value] of [
    ["[1, !If [IsB, 2, !Ref AWS::NoValue]]", [1]],
    ["!Ref Gone", "gone"],
    ["!GetAtt Gone.Arn", "gone-Arn"],
    [
      `!Sub "\${Gone}/\${Gone.Arn}/\${Name}/\${!x}"`,
      { "Fn::Sub": `gone/gone-Arn/\${Name}/\${!x}` },
    ],
    [`!Sub ["\${Own}/\${Name}", { Own: "\${x:y}" }]`, { "Fn::Sub": `\${!x:y}/\${Name}` }],
    ["!Ref Name", { Ref: "Name" }],
    ["!GetAtt Two.Arn", { "Fn::GetAtt": ["Two", "Arn"] }],
  ] as const) {
    it(`has ${JSON.stringify(value)} for ${yaml}`, () => {
      const template = readTemplate(`Resources: { One: { Type: A, Properties: { P: ${yaml} } } }`);
      const body = bodyForLocalAws(template, { conditions: { IsA: true, IsB: false } }, skipped);
      expect(JSON.parse(body).Resources.One.Properties.P).to.deep.equal(value);
    });
  }
});
