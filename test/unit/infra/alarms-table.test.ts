import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { runInsights } from "../../../tools/cloudwatch/insights-language.ts";
import { madeUpResources } from "../../../tools/infra/made-up.ts";
import type { ResolvedResource } from "../../../tools/infra/resolve.ts";
import { asMap, readTemplate } from "../../../tools/infra/template.ts";
import { AlarmEvaluator } from "../../support/alarms/alarm-evaluator.ts";
import { FAULT_CASES } from "../../support/alarms/faults.ts";

const ROOT = new URL("../../../", import.meta.url);
const TOPIC = "arn:aws:sns:eu-central-1:123456789012:on-call";
const PARAMETERS = { Fleet: "web", Bucket: "a-bucket", KeyPrefix: "" };
/** With every alarm there is. */
const ALL = { ...PARAMETERS, ExpectedHosts: "3", LogAlarms: "yes" };

const isAlarm = ({ type }: ResolvedResource) =>
  /^AWS::CloudWatch::(Log|Composite)?Alarm$/.test(type);

describe("the alarms of infra/fleet.yaml", () => {
  let template: string;
  let runbook: string;
  let alarms: readonly ResolvedResource[];
  const alarmsWith = (parameters: Readonly<Record<string, string>>) =>
    madeUpResources(readTemplate(template), parameters).filter(isAlarm);
  before(async () => {
    template = await readFile(new URL("infra/fleet.yaml", ROOT), "utf8");
    runbook = await readFile(new URL("docs/runbook.md", ROOT), "utf8");
    alarms = alarmsWith(ALL);
  });

  it("are what CloudWatch takes, by its documented limits", () => {
    expect(AlarmEvaluator.of(template, ALL).alarms).to.have.length(alarms.length - 1);
  });

  it("each have a test in which their fault fires them; the composite is in each of those", () => {
    const single = alarms.filter(({ type }) => type !== "AWS::CloudWatch::CompositeAlarm");
    const tested = new Set(FAULT_CASES.map(({ alarm }) => alarm));
    expect(single.map(({ id }) => id).sort()).to.deep.equal([...tested].sort());
  });

  it("each say in one sentence what is wrong, where the runbook tells of it, and which query to ask", () => {
    const names = madeUpResources(readTemplate(template), ALL).flatMap(({ type, properties }) =>
      type === "AWS::Logs::QueryDefinition" ? [String(properties["Name"])] : [],
    );
    for (const { id, properties } of alarms) {
      const name = String(properties["AlarmName"]).replace("s3-offload-agent/web/", "");
      const description = String(properties["AlarmDescription"]);
      const [, anchor, query] =
        /\. docs\/runbook\.md#([a-z-]+); query ([a-z-]+)$/.exec(description) ?? [];
      expect(anchor, `the runbook in ${id}: ${description}`).to.equal(name);
      expect(names, `the query in ${id}`).to.include(`s3-offload-agent/web/${query}`);
      const section = runbook.split("\n## ").find((part) => part.startsWith(`${name}\n`));
      if (section === undefined) expect.fail(`no section ${name} in docs/runbook.md`);
      expect(section, `the query in the runbook's ${name}`).to.include(`\`${query}\``);
      expect(runbook, "the table").to.include(`| [${name}](#${name}) |`);
      for (const part of ["**Means**", "**See more**", "**Mend**", "**Safe to ignore**"]) {
        expect(section, `runbook, ${name}`).to.include(part);
      }
    }
  });

  it("are the only ones that the runbook tells of", () => {
    const told = [...runbook.matchAll(/^\| \[([a-z-]+)\]/gm)].map(([, name]) => name);
    const names = alarms.map(({ properties }) => String(properties["AlarmName"]).split("/").at(-1));
    expect(told.sort()).to.deep.equal(names.sort());
  });

  it("each say how missing data is treated", () => {
    for (const { id, type, properties } of alarms) {
      if (type === "AWS::CloudWatch::CompositeAlarm") continue;
      expect(properties["TreatMissingData"], id).to.match(/^(ignore|breaching|notBreaching)$/);
    }
  });

  it("tell nobody without a topic", () => {
    for (const { id, properties } of alarms) {
      expect(properties["AlarmActions"], id).to.deep.equal([]);
      expect(properties["OKActions"] ?? [], id).to.deep.equal([]);
    }
  });

  it("each tell the topic, or only the one over all of them does, so that nobody is told twice", () => {
    for (const messages of ["each", "health"]) {
      const told = alarmsWith({ ...ALL, AlarmTopicArn: TOPIC, AlarmMessages: messages });
      for (const { id, type, properties } of told) {
        const isComposite = type === "AWS::CloudWatch::CompositeAlarm";
        const actions = isComposite === (messages === "health") ? [TOPIC] : [];
        expect(properties["AlarmActions"], `${id} with ${messages}`).to.deep.equal(actions);
      }
    }
  });

  it("do without a number of expected hosts, and without log alarms", () => {
    const fewer = alarmsWith({ ...PARAMETERS, LogAlarms: "no" });
    const missing = alarms.filter(({ id }) => !fewer.some((other) => other.id === id));
    expect(missing.map(({ id }) => id)).to.deep.equal(["HostsMissing", "HostSilent"]);
    AlarmEvaluator.of(template, { ...PARAMETERS, LogAlarms: "no" }).play([], { from: 0, to: 0 });
  });

  it("ask their log group with a query that finds the host again", () => {
    const host = alarms.find(({ id }) => id === "HostSilent");
    const query = asMap(host?.properties["ScheduledQueryConfiguration"]);
    expect(query["LogGroupIdentifiers"]).to.deep.equal(["/s3-offload-agent/web"]);
    const message = JSON.stringify({ event: "agent.heartbeat", host: "h", HostsLate: 0 });
    const event = { timestamp: 0, logStream: "h", message };
    const rows = runInsights(
      `${query["QueryString"]} | stats min(silentMinutes) as minutes by host`,
      [event],
      16 * 60_000,
    );
    expect(rows).to.deep.equal([{ host: "h", minutes: "16" }]);
  });
});
