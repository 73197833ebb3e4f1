import { expect } from "chai";
import { printTable } from "../support/table.ts";
import { expectSpread, getsBetween, shareShown, shown, spanShown } from "./checks.ts";
import { FULL_READ_REQUESTS, SimulatedFleet } from "./fleet.ts";
import { DEFAULT_THROUGHPUT } from "./parameter-store-model.ts";
import { quantile } from "./rate-meter.ts";
import { FLEET_SIZES, HOUR_MS, MINUTE_MS, makeWorld, SECOND_MS } from "./world.ts";

describe("a fleet whose hosts all start in one second", () => {
  const rows = [
    [
      "start",
      "hosts",
      "refresh",
      "Gets/s mean",
      "p99",
      "peak",
      "throttled",
      "configured 50/99/100 %",
    ],
  ];
  after(() => printTable(rows));

  for (const hosts of FLEET_SIZES) {
    it(`asks for nothing then if it has a configuration: ${hosts} hosts`, async () => {
      const world = makeWorld();
      const fleet = new SimulatedFleet(world, { hosts, isSaved: true });
      const from = world.time.now();
      await fleet.boot();
      await fleet.pass(1.1 * fleet.pace.intervalMs);
      const first = getsBetween(world, from, from + MINUTE_MS);
      const { gets, throttledShare } = getsBetween(world, from, world.time.now());
      rows.push([
        "saved",
        `${hosts}`,
        spanShown(fleet.pace.intervalMs),
        ...[gets.mean, gets.p99, gets.peak].map(shown),
        shareShown(throttledShare),
        "at once",
      ]);
      // Polls, and the full reads of every six hours.
      const usual =
        hosts / (fleet.pace.intervalMs / SECOND_MS) +
        (FULL_READ_REQUESTS * hosts) / ((6 * HOUR_MS) / SECOND_MS);
      // A host that polls and then reads everything makes three requests in one go.
      const about = { mean: usual * 1.2, inOneGo: 1 + FULL_READ_REQUESTS };
      expectSpread(first.gets, "Gets in the first minute", about);
      expectSpread(gets, "Gets", about);
      expect(throttledShare, "throttled").to.equal(0);
      expect(gets.total, "every host has polled").to.be.at.least(0.95 * hosts);
      expect(fleet.hosts.every(({ config }) => config !== undefined)).to.equal(true);
      fleet.stop();
    });
  }

  for (const hosts of FLEET_SIZES) {
    // Everything that a hundred thousand hosts need takes hours at 40 requests a second.
    const isWhole = hosts <= 10_000;
    it(`spreads its first calls if it has none: ${hosts} hosts`, async () => {
      const world = makeWorld();
      const fleet = new SimulatedFleet(world, { hosts, isSaved: false });
      const from = world.time.now();
      const configuredAt: number[] = [];
      fleet.onApplied = () => void configuredAt.push(world.time.now() - from);
      await fleet.boot();
      const perSecond = DEFAULT_THROUGHPUT.getParameters;
      const leastMs = ((FULL_READ_REQUESTS * hosts) / perSecond) * SECOND_MS;
      await fleet.pass(isWhole ? 2 * leastMs + 21 * MINUTE_MS : MINUTE_MS);
      const until = world.time.now();
      const early = world.store.gets.between(from, from + SECOND_MS);
      const busyUntil = Math.min(until, from + leastMs);
      const { gets, throttledShare } = getsBetween(world, from, busyUntil);
      fleet.stop();
      const portions = isWhole
        ? [0.5, 0.99, 1].map((share) => spanShown(quantile(configuredAt, share))).join(", ")
        : `${configuredAt.length} hosts after ${spanShown(until - from)}`;
      rows.push([
        "nothing saved",
        `${hosts}`,
        "",
        ...[gets.mean, gets.p99, gets.peak].map(shown),
        shareShown(throttledShare),
        portions,
      ]);
      // Of the first second none can have failed and come again.
      expectSpread(early, "first calls", { mean: hosts / 30 });
      if (isWhole) expect(configuredAt.length, "configured in the end").to.equal(hosts);
      const served = gets.total * (1 - throttledShare);
      const possible = ((busyUntil - from) / SECOND_MS) * perSecond;
      if (hosts > 1_000) expect(served / possible, "of what SSM can serve").to.be.above(0.6);
    });
  }

  it("would ask all at once without the hosts' own places, which the check sees", async () => {
    const world = makeWorld();
    const fleet = new SimulatedFleet(
      { ...world, random: () => 0 },
      { hosts: 1_000, isSaved: false },
    );
    const from = world.time.now();
    await fleet.boot();
    await fleet.pass(30 * SECOND_MS);
    const { gets, throttledShare } = getsBetween(world, from, world.time.now());
    fleet.stop();
    expect(throttledShare).to.be.above(0.5);
    expect(() => expectSpread(gets, "first calls", { mean: 1_000 / 30 })).to.throw(
      "most in a second",
    );
  });
});
