import { expect } from "chai";
import { type FleetCommand, permissionsText } from "../../src/cli/fleet/permissions.ts";
import type { CheckedStack } from "../../tools/infra/check-stack.ts";
import { ACCOUNT, REGION } from "../../tools/infra/made-up.ts";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { deployInfra, toldOf } from "../support/checked-infra.ts";
import { isAllowed } from "../support/iam-simulation.ts";

const COMMANDS: readonly FleetCommand[] = [
  "pull",
  "plan",
  "apply",
  "canary status",
  "canary promote",
  "canary abort",
  "history",
  "hosts",
  "logs",
  "rollback",
  "host show",
  "host set",
  "host unset",
];

describe("what the operator's policy allows, as deployed", () => {
  let aws: LocalAws;
  let stack: CheckedStack;
  before(async function () {
    // A cold start of the local AWS.
    this.timeout(120_000);
    aws = await startLocalAws();
    stack = await deploy("yes");
  });
  after(async () => await aws?.stop());

  const deploy = async (HostSettings: string) =>
    await deployInfra(aws, {
      template: "operator",
      name: `operator-${HostSettings}`,
      parameters: { Fleet: "web", HostSettings },
    });
  const may = async (action: string, resource: string) => await mayBy(stack, action, resource);
  const mayBy = async (stack: CheckedStack, action: string, resource: string) =>
    await isAllowed(
      {
        arn: `arn:aws:sts::${ACCOUNT}:assumed-role/Operator/ada`,
        policies: [toldOf(stack, "OperatorPolicy")["PolicyDocument"]],
      },
      { action, resource, context: {} },
    );

  for (const command of COMMANDS) {
    it(`is what \`fleet ${command}\` says that it takes`, async () => {
      const place = { parameterRoot: "/s3-offload-agent", fleet: "web" };
      const text = permissionsText(command, { place, host: undefined, region: REGION });
      const requests = requestsOf(text);
      expect(requests).not.to.have.lengthOf(0);
      for (const [action, resource] of requests) {
        expect(await may(action, resource), `${action} on ${resource}`).to.equal(true);
      }
    });
  }

  it("leaves hosts' own settings alone where the stack says so", async () => {
    const without = await deploy("no");
    const name = `arn:aws:ssm:${REGION}:${ACCOUNT}:parameter/s3-offload-agent/hosts/i-1/bucket`;
    for (const action of ["ssm:PutParameter", "ssm:DeleteParameters"]) {
      expect(await may(action, name), action).to.equal(true);
      expect(await mayBy(without, action, name), action).to.equal(false);
    }
    expect(await mayBy(without, "ssm:GetParameters", name)).to.equal(true);
  });

  it("is nothing of other fleets, of other parameters, of objects or of other logs", async () => {
    const ssm = (path: string) => `arn:aws:ssm:${REGION}:${ACCOUNT}:parameter/${path}`;
    const logs = (group: string) => `arn:aws:logs:${REGION}:${ACCOUNT}:log-group:${group}:*`;
    for (const [action, resource] of [
      ["ssm:PutParameter", ssm("s3-offload-agent/fleets/web-2/bucket")],
      ["ssm:PutParameter", ssm("s3-offload-agent/releases/web-2/1")],
      ["ssm:PutParameter", ssm("database/password")],
      ["ssm:GetParametersByPath", ssm("s3-offload-agent")],
      ["logs:StartQuery", logs("/s3-offload-agent/web-2")],
      ["logs:DeleteLogGroup", logs("/s3-offload-agent/web")],
      ["s3:GetObject", "arn:aws:s3:::a-bucket/x"],
      ["s3:PutObject", "arn:aws:s3:::a-bucket/x"],
    ] as const) {
      expect(await may(action, resource), `${action} on ${resource}`).to.equal(false);
    }
  });
});

/** One request for each action and resource of the sentence that a command tells of itself. */
function requestsOf(text: string): (readonly [action: string, resource: string])[] {
  const parts = text
    .replace(/^.* takes /, "")
    .replace(/\.$/, "")
    .split("; ");
  return parts.flatMap((part) => {
    const [actions = "", resources = ""] = part.split(" on ");
    return actions
      .split(", ")
      .flatMap((action) =>
        resources.split(", ").map((resource) => [action, instanceOf(action, resource)] as const),
      );
  });
}

/** One resource of those that an ARN with stars stands for. */
function instanceOf(action: string, arn: string): string {
  const stream = action === "logs:GetLogEvents" ? ":log-stream:i-1" : ":*";
  return arn
    .replace(":*:", `:${ACCOUNT}:`)
    .replace(/(:log-group:.*)\*$/, `$1${stream}`)
    .replace(/\/\*$/, "/x");
}
