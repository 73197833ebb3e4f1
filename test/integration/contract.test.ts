import { expect } from "chai";
import { readMeasured } from "../../tools/cost/measured.ts";
import { fleetResources } from "../../tools/infra/fleet-resources.ts";
import { checkRecord } from "../../tools/records/record-rules.ts";
import { breaches, type GroupRecords, type Uses, usesOf } from "../support/contract.ts";
import { toldFleet } from "../support/told-fleet.ts";

describe("what the stack leans on is what agents write", function () {
  // The agents live for half a minute, and a heartbeat may be five minutes away.
  this.timeout(420_000);
  let uses: Uses;
  let groups: readonly GroupRecords[];

  before(async () => {
    const told = await toldFleet();
    uses = usesOf(await fleetResources({ Fleet: told.fleet, ExpectedHosts: "5" }));
    const group = `/s3-offload-agent/${told.fleet}`;
    groups = [
      { group, events: told.state },
      { group: `${group}/files`, events: told.files },
    ];
  });

  const changed = (from: string, to: string): readonly GroupRecords[] =>
    groups.map(({ group, events }) => ({
      group,
      events: events.map((event) => ({ ...event, message: event.message.replaceAll(from, to) })),
    }));

  it("every metric, with its unit and dimensions, and every field and event", () => {
    expect(breaches(uses, groups)).to.deep.equal([]);
  });

  it("every alarm but the composite one, every chart, and every query is among them", async () => {
    const users = [...uses.metrics, ...uses.fields].map(({ by }) => by);
    const resources = await fleetResources({ ExpectedHosts: "5" });
    for (const { id, type } of resources) {
      if (/::(?:Alarm|LogAlarm|QueryDefinition|MetricFilter)$/.test(type)) {
        expect(users).to.include(id);
      }
    }
    expect(uses.metrics.length).to.be.above(40);
    expect(uses.events.length).to.be.above(15);
  });

  it("every record is as the tables say", () => {
    const wrong = groups.flatMap(({ events }) =>
      events.flatMap(({ message }) => checkRecord(message)),
    );
    expect([...new Set(wrong)]).to.deep.equal([]);
  });

  it("records are about as long as the costs were reckoned with (npm run cost:measure)", async () => {
    const measured = await readMeasured();
    const lengths = (event: string, fits: (record: Record<string, unknown>) => boolean) => {
      const messages = groups.flatMap(({ events }) => events.map(({ message }) => message));
      const records = messages.filter((message) => {
        const record = JSON.parse(message);
        return record.event === event && fits(record);
      });
      const sum = records.reduce((all, message) => all + Buffer.byteLength(message), 0);
      return sum / records.length;
    };
    const isIdle = ({ filesRemoved, filesFailed }: Record<string, unknown>) =>
      filesRemoved === 0 && filesFailed === 0;
    for (const [now, then] of [
      [lengths("agent.heartbeat", () => true), measured.heartbeatBytes],
      [lengths("sweep.completed", isIdle), measured.sweepBytes],
      [lengths("file.removed", () => true), measured.fileRemovedBytes],
    ] as const) {
      // These hosts and files have shorter names.
      expect(now / then).to.be.within(0.7, 1.2);
    }
  });

  for (const [what, from, to] of [
    ["a metric has another name", '"Heartbeats"', '"Heartbeat"'],
    [
      "a metric has another unit",
      '"Name":"FreePercent","Unit":"Percent"',
      '"Name":"FreePercent","Unit":"Count"',
    ],
    ["a dimension has another name", '"Route"', '"Path"'],
    ["the namespace is another one", '"S3OffloadAgent"', '"Agent"'],
    ["a metric is text", '"HostsLate":0', '"HostsLate":"no"'],
    [
      "a latency is one value",
      /* of a record with two */ '"UploadLatencyMs":[',
      '"UploadLatencyMs":0,"x":[',
    ],
    ["a field has another name", '"backlogBytes":', '"backlogSize":'],
    ["an event has another name", '"config.refused"', '"config.rejected"'],
  ] as const) {
    it(`would be found broken if ${what}`, () => {
      expect(breaches(uses, changed(from, to))).not.to.deep.equal([]);
    });
  }
});
