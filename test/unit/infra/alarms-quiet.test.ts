import { readFile } from "node:fs/promises";
import { expect } from "chai";
import type { LogRecord } from "../../../tools/cloudwatch/metric-points.ts";
import { AlarmEvaluator } from "../../support/alarms/alarm-evaluator.ts";
import { SLOW_DOWN } from "../../support/memory-store.ts";
import { FLEET, ObservedFleet, type ObservedHost } from "../../support/observed-daemon.ts";

const TEMPLATE = new URL("../../../infra/fleet.yaml", import.meta.url);

const HOUR_MINUTES = 60;
const MINUTE_MS = 60_000;
/** Before that the alarms of a new stack know nothing. */
const FIRST_MS = 20 * MINUTE_MS;

/** With every alarm there is, and every threshold at its default. */
const PARAMETERS = { Fleet: FLEET, Bucket: "a-bucket", KeyPrefix: "", ExpectedHosts: "4" };

describe("on a healthy day", () => {
  let fleet: ObservedFleet;
  let alarms: () => AlarmEvaluator;
  let span: { readonly from: number; readonly to: number };

  before(async function () {
    // A day of four hosts: some seconds, more on a busy machine.
    this.timeout(120_000);
    const template = await readFile(TEMPLATE, "utf8");
    alarms = () => AlarmEvaluator.of(template, PARAMETERS);
    fleet = await ObservedFleet.make();
    const startAt = fleet.time.now();
    await liveThroughADay(fleet);
    span = { from: startAt + FIRST_MS, to: fleet.time.now() };
  });
  after(async () => await fleet?.[Symbol.asyncDispose]());

  it("hosts have worked", () => {
    const events = fleet.logs.records.map(({ message }) => JSON.parse(message).event);
    const count = (event: string) => events.filter((one) => one === event).length;
    expect(count("file.removed")).to.equal(fleet.store.objects.size).and.to.be.at.least(500);
    // Of four hosts and 288 slots, one each may be without a heartbeat for its restart.
    expect(count("agent.heartbeat")).to.be.at.least(4 * 287);
    expect(count("config.unreachable"), "the blip of the Parameter Store").to.be.at.least(1);
    expect(count("config.applied"), "the change of the configuration").to.be.at.least(8);
    expect(count("agent.started"), "the restarts").to.equal(8);
  });

  it("no alarm fires", () => {
    expect(alarms().play(fleet.logs.records, span).fired).to.deep.equal([]);
  });

  it("no alarm fires though CloudWatch takes every record twice", () => {
    const twice = fleet.logs.records.flatMap((record) => [record, record]);
    const { fired } = alarms().play(twice, span);
    expect(fired).to.deep.equal([]);
  });

  it("no alarm fires though each host loses a heartbeat every two hours", () => {
    const { fired } = alarms().play(withoutSome(fleet.logs.records), span);
    expect(fired).to.deep.equal([]);
  });

  it("no alarm fires though records come four minutes late", () => {
    const late = fleet.logs.records.map((record) => ({
      ...record,
      arrivedAt: record.at + 4 * MINUTE_MS,
    }));
    expect(alarms().play(late, span).fired).to.deep.equal([]);
  });

  it("but two lost heartbeats more are told of: the check can fail", () => {
    const silent = fleet.logs.records.filter(({ at, stream }) => {
      const hour = (at - span.from) / (HOUR_MINUTES * MINUTE_MS);
      return stream !== "web-1" || hour < 5 || hour > 5.5;
    });
    const { fired } = alarms().play(silent, span);
    expect(fired).to.include.members(["HostsMissing", "HostSilent", "FleetHealth"]);
  });
});

/**
 * Twenty-four hours of three hosts that sweep every ten minutes and one that does once a day: busy
 * hours in the morning, a release at noon, a throttled request now and then, a Parameter Store that
 * fails for ten minutes, and each host is restarted once, one of them with the machine.
 */
async function liveThroughADay(fleet: ObservedFleet): Promise<void> {
  const { ssm, store } = fleet;
  fleet.set("expected-hosts", "4");
  ssm.set("/s3-offload-agent/hosts/daily-1/schedule", "cron(15 3 * * ? *)");
  const [daily, ...others] = await fleet.addHosts("daily-1", "web-1", "web-2", "web-3");
  // Every fiftieth request is turned away once, and is sent again by the same sweep.
  store.reply = (_, nth) => (nth % 50 === 0 ? SLOW_DOWN : "store");
  for (let hour = 0; hour < 24; hour += 1) {
    const isBusy = hour >= 8 && hour < 12;
    for (const host of others) await produce(host, hour, isBusy ? 30 : 4);
    if (daily !== undefined) await produce(daily, hour, 1);
    if (hour === 12) fleet.set("concurrency", "8");
    if (hour === 15) ssm.denied.add("ssm:GetParametersByPath");
    await fleet.pass(10);
    ssm.denied.clear();
    await restartAt(hour, daily, ...others);
    await fleet.pass(HOUR_MINUTES - 10);
  }
}

async function produce(host: ObservedHost, hour: number, files: number): Promise<void> {
  for (let n = 0; n < files; n += 1) await host.write(`file-${hour}-${n}`);
}

/** One host after the other, from five o'clock on. */
async function restartAt(hour: number, ...hosts: (ObservedHost | undefined)[]): Promise<void> {
  const host = hosts[hour - 5];
  await host?.stop();
  host?.start();
}

/** Leaves out every 24th heartbeat of each host, each host's at another time. */
function withoutSome(records: readonly LogRecord[]): readonly LogRecord[] {
  const beats = new Map<string, number>();
  return records.filter(({ stream, message }) => {
    if (!message.includes('"agent.heartbeat"')) return true;
    const nth = (beats.get(stream) ?? beats.size * 5) + 1;
    beats.set(stream, nth);
    return nth % 24 !== 0;
  });
}
