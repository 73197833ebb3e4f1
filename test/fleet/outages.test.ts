import { expect } from "chai";
import { stableFraction } from "../../src/lib/stable-fraction.ts";
import { printTable } from "../support/table.ts";
import { getsBetween, shareShown, shown, spanShown } from "./checks.ts";
import { SimulatedFleet } from "./fleet.ts";
import { DEFAULT_THROUGHPUT } from "./parameter-store-model.ts";
import { sweepOnSchedule } from "./sweeping.ts";
import { FLEET_SIZES, HOUR_MS, MINUTE_MS, makeWorld, SECOND_MS } from "./world.ts";

const OUTAGE_MS = 2 * HOUR_MS;
const SWEEP_EVERY_MS = 10 * MINUTE_MS;
/** What a fleet may ask after an outage, on average: others in the account read parameters, too. */
const GETS_MEAN_MAX = 0.75 * DEFAULT_THROUGHPUT.getParameters;
const THROTTLED_MAX = 0.15;
/** Sweeps of one host have nothing to do with those of another: so many show what there is to see. */
const SWEEPING_HOSTS_MAX = 200;

/** Lets some hosts of a fleet sweep as their configuration says. @returns each one's sweeps */
function sweepFleet(fleet: SimulatedFleet, stop: AbortSignal): number[][] {
  return fleet.hosts.slice(0, SWEEPING_HOSTS_MAX).map((host) => {
    const { hostId } = host;
    for (const stream of [hostId, `files/${hostId}`]) fleet.world.logs.addStream(stream);
    const starts: number[] = [];
    const schedule = host.config?.routes[0]?.schedule;
    if (schedule === undefined) throw new Error(`${hostId} has no configuration`);
    const sweeping = {
      hostId,
      fraction: stableFraction(hostId, "sweep"),
      scheduleOf: () => host.config?.routes[0]?.schedule ?? schedule,
      onSweep: (now: number) => void starts.push(now),
    };
    void sweepOnSchedule(fleet.world, sweeping, stop);
    return starts;
  });
}

describe("two hours without the Parameter Store", () => {
  const rows = [
    [
      "hosts",
      "refresh",
      "Gets/s before",
      "during: mean",
      "peak",
      "after: mean",
      "p99",
      "peak",
      "throttled",
      "all reached after",
    ],
  ];
  after(() => printTable(rows));

  for (const hosts of FLEET_SIZES) {
    it(`cost ${hosts} hosts no sweep, and none comes back with the others`, async () => {
      const world = makeWorld();
      const fleet = new SimulatedFleet(world, { hosts, isSaved: true });
      await fleet.boot();
      const stop = new AbortController();
      const from = world.time.now();
      const sweeps = sweepFleet(fleet, stop.signal);
      await fleet.pass(10 * MINUTE_MS);

      const downAt = world.time.now();
      world.store.setDown(true);
      await fleet.pass(OUTAGE_MS);
      world.store.setDown(false);
      const upAt = world.time.now();
      const cutOff = () =>
        fleet.hosts.filter(({ refresher }) => refresher?.report.unreachable !== undefined).length;
      const wereCutOff = cutOff();
      // Nobody waits longer than the longest pause, which is the refresh interval of large fleets.
      const longestMs = Math.max(10 * MINUTE_MS, fleet.pace.intervalMs) + 2 * MINUTE_MS;
      let reachedAfterMs = 0;
      while (cutOff() > 0 && reachedAfterMs < longestMs) {
        await fleet.pass(longestMs / 20);
        reachedAfterMs = world.time.now() - upAt;
      }
      const until = world.time.now();
      stop.abort();
      fleet.stop();

      const before = getsBetween(world, from, downAt);
      const during = getsBetween(world, downAt, upAt);
      const after = getsBetween(world, upAt, until);
      rows.push([
        `${hosts}`,
        spanShown(fleet.pace.intervalMs),
        shown(before.gets.mean),
        ...[during.gets.mean, during.gets.peak].map(shown),
        ...[after.gets.mean, after.gets.p99, after.gets.peak].map(shown),
        shareShown(after.throttledShare),
        spanShown(reachedAfterMs),
      ]);
      expect(wereCutOff, "hosts that noticed").to.be.above(hosts / 3);
      expect(cutOff(), "hosts that are still cut off").to.equal(0);
      expect(after.gets.mean, "Gets a second afterwards").to.be.below(GETS_MEAN_MAX);
      expect(after.throttledShare, "throttled afterwards").to.be.below(THROTTLED_MAX);
      for (const starts of sweeps) {
        const gaps = starts.slice(1).map((at, index) => at - (starts[index] ?? 0));
        expect(new Set(gaps), "between two sweeps").to.deep.equal(new Set([SWEEP_EVERY_MS]));
        const first = starts[0] ?? Number.POSITIVE_INFINITY;
        const last = starts.at(-1) ?? Number.NEGATIVE_INFINITY;
        expect(first - from).to.be.at.most(SWEEP_EVERY_MS);
        expect(until - last).to.be.at.most(SWEEP_EVERY_MS);
      }
    });
  }

  it("would end in a stampede without growing, random pauses, which the check sees", async () => {
    const world = { ...makeWorld(), random: () => 0 };
    const fleet = new SimulatedFleet(world, { hosts: 400, isSaved: true });
    await fleet.boot();
    world.store.setDown(true);
    await fleet.pass(10 * MINUTE_MS);
    world.store.setDown(false);
    const upAt = world.time.now();
    await fleet.pass(30 * SECOND_MS);
    const after = getsBetween(world, upAt, world.time.now());
    fleet.stop();
    expect(after.throttledShare).to.be.above(THROTTLED_MAX);
    expect(after.gets.mean).to.be.above(GETS_MEAN_MAX);
  });
});
