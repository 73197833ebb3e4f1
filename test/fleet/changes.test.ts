import { expect } from "chai";
import { cohortOf } from "../../src/config/canary.ts";
import { printTable } from "../support/table.ts";
import { expectSpread, getsBetween, shareShown, shown, spanShown } from "./checks.ts";
import { FULL_READ_REQUESTS, SimulatedFleet } from "./fleet.ts";
import { HIGHER_THROUGHPUT } from "./parameter-store-model.ts";
import { quantile } from "./rate-meter.ts";
import { FLEET_SIZES, HOUR_MS, MINUTE_MS, makeWorld, SECOND_MS } from "./world.ts";

/** A fleet at work, with a change under way and time to reach everybody. */
async function changeAndReach(
  fleet: SimulatedFleet,
  leaves: Readonly<Record<string, string>>,
  id: number,
) {
  const { world } = fleet;
  const from = world.time.now();
  let doneAt = from;
  const reached: { readonly hostId: string; readonly at: number }[] = [];
  fleet.onApplied = ({ hostId }) => void reached.push({ hostId, at: world.time.now() });
  const changing = fleet.change(leaves, id).then((at) => {
    doneAt = at;
  });
  await fleet.pass(fleet.reachMs);
  await changing;
  const took = reached.map(({ at }) => at - doneAt);
  return {
    ids: new Set(reached.map(({ hostId }) => hostId)),
    portions: [0.5, 0.99, 1].map((share) => quantile(took, share)),
    ...getsBetween(world, from, world.time.now()),
  };
}

describe("a change of the parameters", () => {
  const rows = [
    [
      "change",
      "hosts",
      "spread",
      "Gets/s mean",
      "p99",
      "peak",
      "throttled",
      "took effect on",
      "50/99/100 % after",
    ],
  ];
  after(() => printTable(rows));
  const report = (
    what: string,
    fleet: SimulatedFleet,
    { gets, throttledShare, ids, portions }: Awaited<ReturnType<typeof changeAndReach>>,
  ) =>
    rows.push([
      what,
      `${fleet.hosts.length}`,
      spanShown(fleet.pace.spreadMs),
      ...[gets.mean, gets.p99, gets.peak].map(shown),
      shareShown(throttledShare),
      `${ids.size}`,
      ids.size === 0 ? "" : portions.map(spanShown).join(", "),
    ]);

  for (const hosts of FLEET_SIZES) {
    it(`reaches all of ${hosts} hosts in the time that was foreseen, without throttling`, async () => {
      const fleet = new SimulatedFleet(makeWorld(), { hosts, isSaved: true });
      await fleet.boot();
      const change = await changeAndReach(fleet, { concurrency: "9", prefix: "{host}/new/" }, 2);
      report("good", fleet, change);
      fleet.stop();
      expect(change.ids.size).to.equal(hosts);
      expect(change.portions[2]).to.be.at.most(fleet.reachMs);
      expect(change.throttledShare, "throttled").to.be.below(0.001);
      const { intervalMs, spreadMs } = fleet.pace;
      const most =
        hosts *
        (SECOND_MS / intervalMs +
          FULL_READ_REQUESTS *
            (SECOND_MS / Math.max(spreadMs, intervalMs) + SECOND_MS / (6 * HOUR_MS)));
      expectSpread(change.gets, "Gets", { mean: most * 1.3, inOneGo: 1 + FULL_READ_REQUESTS });
    });

    it(`that is bad changes none of ${hosts} hosts, and each says so once`, async () => {
      const fleet = new SimulatedFleet(makeWorld(), { hosts, isSaved: true });
      await fleet.boot();
      const before = fleet.hosts[0]?.config?.hash;
      expect(before).to.be.a("string");
      const change = await changeAndReach(fleet, { concurrency: "9", schedule: "rate(0 days)" }, 2);
      report("bad", fleet, change);
      expect(change.ids.size).to.equal(0);
      expect(fleet.records.get("config.refused"), "reports").to.equal(hosts);
      for (const { hostId, config, refresher } of fleet.hosts) {
        expect(config?.hash, hostId).to.equal(before);
        expect(refresher?.report.refusal, hostId).to.include("/schedule ");
      }
      // The last good one stands over a reboot, too.
      fleet.stop();
      await fleet.boot();
      expect(fleet.hosts.every(({ config }) => config?.hash === before)).to.equal(true);
      fleet.stop();
    });

    it(`for 1 % of ${hosts} hosts reaches those of the hash and no others`, async () => {
      const fleet = new SimulatedFleet(makeWorld(), { hosts, isSaved: true });
      await fleet.boot();
      const within = (percent: number) =>
        new Set(
          fleet.hosts
            .filter(({ hostId }) => cohortOf(hostId, percent) === "canary")
            .map(({ hostId }) => hostId),
        );
      const one = { "canary/concurrency": "9", "canary/percent": "1" };
      const first = await changeAndReach(fleet, one, 2);
      report("canary 1 %", fleet, first);
      expect(first.ids).to.deep.equal(within(1));
      const ten = within(10);
      expect(first.ids.isSubsetOf(ten), "a growing percent only adds hosts").to.equal(true);
      expect(ten.size / hosts).to.be.closeTo(0.1, 0.1);
      const hashes = new Set(fleet.hosts.map(({ config }) => config?.hash));
      expect(hashes.size).to.equal(first.ids.size === 0 ? 1 : 2);
      // For the largest fleet, the second step would tell nothing new and take half a minute.
      if (hosts <= 10_000) {
        const second = await changeAndReach(fleet, { "canary/percent": "10" }, 3);
        report("canary 10 %", fleet, second);
        expect(second.ids).to.deep.equal(ten.difference(first.ids));
      }
      fleet.stop();
    });
  }

  it("reaches 100000 hosts sooner where the account has the higher throughput", async () => {
    const hosts = 100_000;
    // 70 of the 100 GetParametersByPath a second; polls go against a limit of their own.
    const spreadMs = ((FULL_READ_REQUESTS * hosts) / 70) * SECOND_MS;
    const pace = { intervalMs: 10 * MINUTE_MS, spreadMs };
    const world = makeWorld({ throughput: HIGHER_THROUGHPUT });
    const fleet = new SimulatedFleet(world, { hosts, isSaved: true, pace });
    await fleet.boot();
    const change = await changeAndReach(fleet, { concurrency: "9" }, 2);
    report("higher tier", fleet, change);
    fleet.stop();
    expect(change.ids.size).to.equal(hosts);
    expect(change.throttledShare, "throttled").to.be.below(0.001);
  });

  it("would be throttled at a pace for a smaller fleet, which the check sees", async () => {
    const pace = { intervalMs: MINUTE_MS, spreadMs: MINUTE_MS };
    const fleet = new SimulatedFleet(makeWorld(), { hosts: 10_000, isSaved: true, pace });
    await fleet.boot();
    const change = await changeAndReach(fleet, { concurrency: "9" }, 2);
    fleet.stop();
    expect(change.throttledShare).to.be.above(0.3);
    expect(change.ids.size).to.be.below(10_000);
  });
});
