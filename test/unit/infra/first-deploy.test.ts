import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { madeUpResources } from "../../../tools/infra/made-up.ts";
import { asList, asMap, readTemplate } from "../../../tools/infra/template.ts";
import { isAllowed } from "../../support/iam-simulation.ts";

const TEMPLATE = new URL("../../../infra/fleet.yaml", import.meta.url);
const KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const PARAMETERS = { Fleet: "web", Bucket: "a-bucket", KeyPrefix: "web/" };

// What the local AWS takes, and AWS itself does not.
describe("a first deployment of infra/fleet.yaml", () => {
  let template: string;
  before(async () => {
    template = await readFile(TEMPLATE, "utf8");
  });

  const propertiesOf = (id: string, parameters: Readonly<Record<string, string>> = {}) => {
    const resources = madeUpResources(readTemplate(template), { ...PARAMETERS, ...parameters });
    const found = resources.find((resource) => resource.id === id);
    if (found === undefined) throw new Error(`no resource ${id}`);
    return found.properties;
  };

  it("names its dashboard as CloudWatch allows, whatever the fleet is called", () => {
    // https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html
    const nameOf = (Fleet: string) => propertiesOf("Dashboard", { Fleet })["DashboardName"];
    expect(nameOf("web")).to.equal("s3-offload-agent-web");
    expect(nameOf(`web.example_1-${"x".repeat(114)}`)).to.match(/^[A-Za-z0-9_-]{1,255}$/);
  });

  it("gives the log alarm's role what its query takes, and only that group", async () => {
    const may = async (action: string, resource: string) => {
      const policies = asList(propertiesOf("HostSilentRole")["Policies"]).map(
        (policy) => asMap(policy)["PolicyDocument"],
      );
      const arn = "arn:aws:sts::123456789012:assumed-role/HostSilentRole/query";
      return await isAllowed({ arn, policies }, { action, resource, context: {} });
    };
    const groupArn = (name: string) =>
      `arn:aws:logs:eu-central-1:123456789012:log-group:/s3-offload-agent/${name}:*`;
    expect(await may("logs:StartQuery", groupArn("web"))).to.equal(true);
    expect(await may("logs:GetQueryResults", groupArn("web"))).to.equal(true);
    expect(await may("logs:StartQuery", groupArn("other"))).to.equal(false);
    // IAM knows no resources for these.
    expect(await may("logs:StopQuery", "*")).to.equal(true);
    expect(await may("logs:DescribeLogGroups", "*")).to.equal(true);
  });

  it("lets the log alarm's role read a group that is encrypted, with that key alone", () => {
    const actionsWith = (parameters: Readonly<Record<string, string>>) => {
      const [policy = null] = asList(propertiesOf("HostSilentRole", parameters)["Policies"]);
      const statements = asMap(asMap(policy)["PolicyDocument"])["Statement"] ?? [];
      return asList(statements)
        .map(asMap)
        .filter(({ Action }) => JSON.stringify(Action).includes("kms:"));
    };
    expect(actionsWith({})).to.deep.equal([]);
    expect(actionsWith({ LogKeyArn: KEY })).to.deep.equal([
      { Effect: "Allow", Action: ["kms:Decrypt", "kms:DescribeKey"], Resource: KEY },
    ]);
  });

  it("can be told how many hosts are usually unwell: no count of hosts or files is fixed at none", () => {
    const fixed = madeUpResources(readTemplate(template), {
      ...PARAMETERS,
      ExpectedHosts: "100000",
      FilesFailedMax: "100",
      HostsMissingMax: "100",
      HostsBehindMax: "100",
      HostsUnwellMax: "100",
      FilesHeldMax: "100",
    }).flatMap(({ id, properties }) =>
      properties["Threshold"] === "0" || properties["Threshold"] === 0 ? [id] : [],
    );
    // What these tell of is a loss.
    expect(fixed).to.deep.equal(["LogEventsDropped", "FileOpenedLate"]);
  });
});
