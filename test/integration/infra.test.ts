import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";
import {
  BODY_BYTES_MAX,
  checkTemplate,
  lint,
  readTemplates,
  untried,
} from "../../tools/infra/check.ts";
import type { CheckedStack } from "../../tools/infra/check-stack.ts";
import { clientsOf } from "../../tools/infra/clients.ts";
import { reportOf } from "../../tools/infra/report.ts";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { deployInfra, toldOf } from "../support/checked-infra.ts";
import { GOOD_VALUES } from "../support/good-values.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const run = promisify(execFile);

const FILES = await readTemplates();

describe("infra/", () => {
  let aws: LocalAws;
  before(async function () {
    // A cold start of the local AWS.
    this.timeout(120_000);
    aws = await startLocalAws();
  });
  after(async () => await aws?.stop());

  it("has no findings of cfn-lint", async function () {
    // It loads the schema of every AWS resource: 2 s here, more on a busy machine.
    this.timeout(120_000);
    expect(await lint(FILES.map(({ path }) => path))).to.equal("");
  });

  for (const file of FILES) {
    describe(`${file.name}.yaml`, () => {
      let stacks: ReadonlyMap<string, CheckedStack>;
      before(async function () {
        this.timeout(120_000);
        stacks = await checkTemplate(clientsOf(aws), file);
      });

      it("becomes what it declares, as each resource's own service or its schema says", () => {
        expect(reportOf(file, stacks).findings).to.deep.equal([]);
      });

      it("is tried with every condition both ways and every parameter beside its default", () => {
        expect(untried(file, stacks)).to.deep.equal([]);
      });

      it("fits into a request to CloudFormation", () => {
        expect(file.bytes).to.be.below(BODY_BYTES_MAX);
      });

      it("has policies that IAM takes", () => {
        // Without white space; "IAM and AWS STS quotas" in the IAM User Guide.
        const limits = { PolicyDocument: 6_144, AssumeRolePolicyDocument: 2_048 };
        for (const { resolved } of stacks.values()) {
          for (const { type, properties } of Object.values(resolved.resources)) {
            if (!type.startsWith("AWS::IAM::")) continue;
            for (const [name, limit] of Object.entries(limits)) {
              const document = JSON.stringify(properties[name] ?? {});
              expect(document.length, name).to.be.at.most(limit);
            }
          }
        }
      });

      it("describes every parameter, and shows each in a group", () => {
        const { Parameters, Metadata } = file.template;
        const groups = Metadata["AWS::CloudFormation::Interface"] as unknown as {
          readonly ParameterGroups: readonly { readonly Parameters: readonly string[] }[];
        };
        const shown = groups.ParameterGroups.flatMap((group) => group.Parameters);
        expect(shown.toSorted()).to.deep.equal(Object.keys(Parameters).toSorted());
        for (const [name, { Description = "" }] of Object.entries(Parameters)) {
          expect(Description, name).to.match(/^[A-Z].{10,}\.$/);
        }
      });

      it("keeps what was stored and logged when the stack goes", () => {
        const kept = ["AWS::S3::Bucket", "AWS::Logs::LogGroup"];
        for (const [id, { Type, DeletionPolicy }] of Object.entries(file.template.Resources)) {
          if (kept.includes(Type)) expect(DeletionPolicy, id).to.equal("RetainExceptOnCreate");
        }
      });
    });
  }

  describe("fleet.yaml's parameters", () => {
    /** A stack whose every setting has been given, and what its Parameter Store holds. */
    let stack: CheckedStack;
    before(async () => {
      const parameters = {
        Fleet: "web",
        Bucket: "a-bucket",
        BucketOwner: "123456789012",
        KeyPrefix: "from/web/",
        KeyPattern: "{host}/{yyyy}/",
        Schedule: "rate(7 minutes)",
        MinAge: "45s",
        ExpectedHosts: "12",
      };
      stack = await deployInfra(aws, { template: "fleet", name: "fleet-web", parameters });
    });

    it("are what the agent of that fleet reads as its configuration", async () => {
      const { stdout } = await run(process.execPath, [MAIN, "config", "show", "--json"], {
        env: { ...aws.environment(), S3_OFFLOAD_FLEET: "web", S3_OFFLOAD_HOST_ID: "i-1" },
      });
      const [route] = JSON.parse(stdout).routes;
      const settings: { name: string; value: string; origin: string }[] = route.settings;
      const ofFleet = settings.filter(({ origin }) => origin === "fleet");
      expect(Object.fromEntries(ofFleet.map(({ name, value }) => [name, value]))).to.deep.equal({
        bucket: "a-bucket",
        "bucket-owner": "123456789012",
        prefix: `from/web/${toldOf(stack, "HostRole")["RoleId"]}:{host}/{yyyy}/`,
        schedule: "rate(7 minutes)",
        "min-age": "45s",
      });
    });

    const patternOf = (logicalId: string) =>
      new RegExp(String(toldOf(stack, logicalId)["AllowedPattern"]));

    it("take what the agent takes", () => {
      const ids = {
        bucket: "BucketParameter",
        schedule: "ScheduleParameter",
        "min-age": "MinAgeParameter",
      } as const;
      for (const [name, id] of Object.entries(ids)) {
        for (const [text] of GOOD_VALUES[name as keyof typeof ids]) {
          expect(text.trim(), id).to.match(patternOf(id));
        }
      }
    });

    it("refuse a slip when it is written, and a prefix that hosts could not write below", () => {
      const roleId = toldOf(stack, "HostRole")["RoleId"];
      const slips = {
        BucketParameter: ["", "My-Bucket", "s3://bucket", "bucket/folder", "a"],
        BucketOwnerParameter: ["12345678901", "me"],
        ScheduleParameter: ["10 minutes", "rate(0 minutes)", "rate(10)", "* * * *", "hourly"],
        MinAgeParameter: ["30", "30 seconds", "-1s"],
        ExpectedHostsParameter: ["many", "-1", "1.5"],
        PrefixParameter: [
          "",
          "{host}/",
          "from/web/{host}/",
          `from/other/${roleId}:{host}/`,
          `from/web/${roleId}:i-2/`,
          `from/web/${roleId}:{host}/{yyyy}`,
        ],
      };
      for (const [id, texts] of Object.entries(slips)) {
        const value = String(toldOf(stack, id)["Value"]);
        expect(value, id).to.match(patternOf(id));
        for (const text of texts) expect(text, id).not.to.match(patternOf(id));
      }
    });
  });
});
