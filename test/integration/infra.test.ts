import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { CloudWatchLogsClient, DescribeLogGroupsCommand } from "@aws-sdk/client-cloudwatch-logs";
import { GetParametersByPathCommand, SSMClient } from "@aws-sdk/client-ssm";
import { expect } from "chai";
import { parseDocument } from "yaml";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TEMPLATE = `${ROOT}/infra/fleet.yaml`;
const REGION = "eu-central-1";
/** The account that moto puts everything in. */
const ACCOUNT = "123456789012";

const run = promisify(execFile);

/** What the stack of these tests is deployed with; nothing is a default of the template. */
const PARAMETERS = {
  Fleet: "web",
  Bucket: "a-bucket",
  KeyPrefix: "from/web/",
  KeyPattern: "{yyyy}/{host}/",
  Schedule: "rate(7 minutes)",
  StateLogDays: "14",
  FilesLogDays: "5",
};

describe("infra/fleet.yaml", () => {
  it("has no findings of cfn-lint", async function () {
    // It loads the schema of every AWS resource: 2 s here, more on a busy machine.
    this.timeout(120_000);
    const { stdout } = await run(`${ROOT}/.venv/bin/cfn-lint`, [TEMPLATE]);
    expect(stdout).to.equal("");
  });

  describe("deployed", () => {
    let aws: LocalAws;
    let stack: DeployedStack;

    before(async function () {
      // A cold start of the local AWS.
      this.timeout(120_000);
      aws = await startLocalAws();
      stack = await deploy(aws, await readFile(TEMPLATE, "utf8"), PARAMETERS);
    });
    after(async () => await aws?.stop());

    /**
     * One test per resource that asks the resource's own service: the local CloudFormation reports
     * success for types that it does not know, and makes nothing.
     */
    const properties: Record<string, { claim: string; test: () => Promise<unknown> }> = {
      BucketParameter: {
        claim: "says where files go",
        test: async () => expect((await settings(aws))["bucket"]).to.equal("String a-bucket"),
      },
      PrefixParameter: {
        claim: "puts the pattern below the prefix that hosts may write to",
        test: async () =>
          expect((await settings(aws))["prefix"]).to.equal("String from/web/{yyyy}/{host}/"),
      },
      ScheduleParameter: {
        claim: "says when hosts sweep",
        test: async () =>
          expect((await settings(aws))["schedule"]).to.equal("String rate(7 minutes)"),
      },
      StateLogGroup: {
        claim: "is the group that hosts log to, with its retention",
        test: async () => expect((await logGroups(aws))["/s3-offload-agent/web"]).to.equal(14),
      },
      FilesLogGroup: {
        claim: "is the group for the records of files, with its retention",
        test: async () => expect((await logGroups(aws))["/s3-offload-agent/web/files"]).to.equal(5),
      },
      HostPolicy: {
        claim: "lets hosts read settings, write objects and log, and nothing else",
        test: async () => {
          const arn = stack.physicalIds.get("HostPolicy") ?? "";
          expect(statementsOf(await policyDocument(aws, arn))).to.deep.equal({
            "ssm:GetParameters": SETTINGS_ARNS,
            "ssm:GetParametersByPath": SETTINGS_ARNS,
            "s3:PutObject": ["arn:aws:s3:::a-bucket/from/web/*"],
            "s3:AbortMultipartUpload": ["arn:aws:s3:::a-bucket/from/web/*"],
            "logs:CreateLogStream": LOG_ARNS,
            "logs:PutLogEvents": LOG_ARNS,
          });
        },
      },
      HostRole: {
        claim: "is for EC2 instances and has that policy alone",
        test: async () => {
          const RoleName = stack.physicalIds.get("HostRole") ?? "";
          const role = await callIam(aws, { Action: "GetRole", RoleName });
          const trust = JSON.parse(decodeURIComponent(textOf(role, "AssumeRolePolicyDocument")));
          expect(trust.Statement).to.deep.equal([
            {
              Effect: "Allow",
              Action: "sts:AssumeRole",
              Principal: { Service: "ec2.amazonaws.com" },
            },
          ]);
          const attached = await callIam(aws, { Action: "ListAttachedRolePolicies", RoleName });
          expect(textsOf(attached, "PolicyArn")).to.deep.equal([
            stack.physicalIds.get("HostPolicy"),
          ]);
          const inline = await callIam(aws, { Action: "ListRolePolicies", RoleName });
          expect(textsOf(inline, "member")).to.deep.equal([]);
        },
      },
      HostInstanceProfile: {
        claim: "carries that role",
        test: async () => {
          const InstanceProfileName = stack.physicalIds.get("HostInstanceProfile") ?? "";
          const profile = await callIam(aws, { Action: "GetInstanceProfile", InstanceProfileName });
          expect(textsOf(profile, "RoleName")).to.deep.equal([stack.physicalIds.get("HostRole")]);
        },
      },
    };
    for (const [name, { claim, test }] of Object.entries(properties)) {
      it(`${name} ${claim}`, test);
    }

    it("has no resource without a test here", async () => {
      const template = parseDocument(await readFile(TEMPLATE, "utf8"), { logLevel: "silent" });
      const declared = Object.keys(template.toJS().Resources).sort();
      expect(declared).to.deep.equal(Object.keys(properties).sort());
    });

    it("tells in its outputs what to start hosts with and where to look", () => {
      expect(Object.fromEntries(stack.outputs)).to.deep.equal({
        HostPolicyArn: stack.physicalIds.get("HostPolicy"),
        HostRoleArn: `arn:aws:iam::${ACCOUNT}:role/${stack.physicalIds.get("HostRole")}`,
        HostInstanceProfileName: stack.physicalIds.get("HostInstanceProfile"),
        StateLogGroupName: "/s3-offload-agent/web",
        FilesLogGroupName: "/s3-offload-agent/web/files",
      });
    });

    it("makes what the agent of that fleet reads as its configuration", async () => {
      const { stdout } = await run(
        process.execPath,
        [`${ROOT}/src/main.ts`, "config", "show", "--json"],
        { env: { ...aws.environment(), S3_OFFLOAD_FLEET: "web", S3_OFFLOAD_HOST_ID: "host-1" } },
      );
      expect(stdout).to.include("a-bucket");
      expect(stdout).to.include("from/web/{yyyy}/{host}/");
      expect(stdout).to.include("rate(7 minutes)");
    });
  });
});

const SETTINGS_ARNS = ["fleets/web", "fleets/web/*", "hosts/*"].map(
  (path) => `arn:aws:ssm:${REGION}:${ACCOUNT}:parameter/s3-offload-agent/${path}`,
);
const LOG_ARNS = ["web", "web/files"].map(
  (group) => `arn:aws:logs:${REGION}:${ACCOUNT}:log-group:/s3-offload-agent/${group}:*`,
);

interface DeployedStack {
  /** Logical id to the name or ARN that the resource got. */
  readonly physicalIds: ReadonlyMap<string, string>;
  readonly outputs: ReadonlyMap<string, string>;
}

async function deploy(
  aws: LocalAws,
  template: string,
  parameters: Record<string, string>,
): Promise<DeployedStack> {
  const StackName = "fleet-under-test";
  const numbered = Object.entries(parameters).flatMap(([key, value], index) => [
    [`Parameters.member.${index + 1}.ParameterKey`, key],
    [`Parameters.member.${index + 1}.ParameterValue`, value],
  ]);
  await callCloudFormation(aws, {
    Action: "CreateStack",
    StackName,
    TemplateBody: template,
    "Capabilities.member.1": "CAPABILITY_IAM",
    ...Object.fromEntries(numbered),
  });
  const stack = await callCloudFormation(aws, { Action: "DescribeStacks", StackName });
  expect(textOf(stack, "StackStatus")).to.equal("CREATE_COMPLETE");
  const resources = await callCloudFormation(aws, { Action: "DescribeStackResources", StackName });
  return {
    physicalIds: pairs(resources, "LogicalResourceId", "PhysicalResourceId"),
    outputs: pairs(stack, "OutputKey", "OutputValue"),
  };
}

/** The fleet's parameters: leaf name to type and value. */
async function settings(aws: LocalAws): Promise<Record<string, string>> {
  const root = "/s3-offload-agent/fleets/web";
  const client = new SSMClient(clientOptions(aws));
  const { Parameters = [] } = await client.send(new GetParametersByPathCommand({ Path: root }));
  return Object.fromEntries(
    Parameters.map(({ Name, Type, Value }) => [Name?.slice(root.length + 1), `${Type} ${Value}`]),
  );
}

/** Log group name to days of retention. */
async function logGroups(aws: LocalAws): Promise<Record<string, number | undefined>> {
  const client = new CloudWatchLogsClient(clientOptions(aws));
  const { logGroups: groups = [] } = await client.send(new DescribeLogGroupsCommand({}));
  return Object.fromEntries(groups.map((group) => [group.logGroupName, group.retentionInDays]));
}

async function policyDocument(aws: LocalAws, PolicyArn: string): Promise<PolicyDocument> {
  const policy = await callIam(aws, { Action: "GetPolicy", PolicyArn });
  const VersionId = textOf(policy, "DefaultVersionId");
  const version = await callIam(aws, { Action: "GetPolicyVersion", PolicyArn, VersionId });
  return JSON.parse(decodeURIComponent(textOf(version, "Document")));
}

interface PolicyDocument {
  Statement: { Effect: string; Action: string[]; Resource: string | string[] }[];
}

/** A policy as action to resources. What a policy could say beside that is refused. */
function statementsOf({ Statement }: PolicyDocument): Record<string, string[]> {
  const statements = Statement.flatMap(({ Effect, Action, Resource, ...others }) => {
    expect({ Effect, others: Object.keys(others) }).to.deep.equal({
      Effect: "Allow",
      others: ["Sid"],
    });
    return Action.map((action) => [action, [Resource].flat()] as const);
  });
  expect(statements).to.have.lengthOf(new Set(statements.map(([action]) => action)).size);
  return Object.fromEntries(statements);
}

function clientOptions({ endpoint }: LocalAws) {
  return {
    endpoint,
    region: REGION,
    credentials: { accessKeyId: "local-aws", secretAccessKey: "local-aws" },
  };
}

function callCloudFormation(aws: LocalAws, query: Record<string, string>): Promise<string> {
  return callQueryApi(aws, "cloudformation", query);
}

function callIam(aws: LocalAws, query: Record<string, string>): Promise<string> {
  return callQueryApi(aws, "iam", query);
}

/**
 * Calls one of the services of which the agent has no client, by the old query protocol. The local
 * AWS reads the service from the credential's scope and does not check the signature.
 * @returns the answer, which is XML
 */
async function callQueryApi(
  { endpoint }: LocalAws,
  service: string,
  query: Record<string, string>,
): Promise<string> {
  const scope = `local-aws/20260101/${REGION}/${service}/aws4_request`;
  const response = await fetch(endpoint, {
    method: "POST",
    headers: {
      authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=none`,
    },
    body: new URLSearchParams(query),
  });
  const answer = await response.text();
  if (!response.ok) throw new Error(`${query["Action"]}: ${response.status} ${answer}`);
  return answer;
}

/** The texts of all elements of that name, in order. */
function textsOf(xml: string, element: string): string[] {
  const pattern = new RegExp(`<${element}>([^<]*)</${element}>`, "g");
  return [...xml.matchAll(pattern)].map(([, text = ""]) => text.trim());
}

function textOf(xml: string, element: string): string {
  const [text] = textsOf(xml, element);
  if (text === undefined) throw new Error(`no ${element} in ${xml}`);
  return text;
}

/** Pairs two elements that always appear together. */
function pairs(xml: string, key: string, value: string): Map<string, string> {
  const values = textsOf(xml, value);
  return new Map(textsOf(xml, key).map((name, index) => [name, values[index] ?? ""]));
}
