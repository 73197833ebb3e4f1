import { expect } from "chai";
import { stableFraction } from "../../src/lib/stable-fraction.ts";
import { parseSchedule } from "../../src/schedule/schedule.ts";
import { printTable } from "../support/table.ts";
import { expectSpread, peakOfChance } from "./checks.ts";
import { sweepOnSchedule } from "./sweeping.ts";
import { FLEET_SIZES, hostIds, MINUTE_MS, makeWorld } from "./world.ts";

const INTERVAL_MS = 10 * MINUTE_MS;
const schedule = parseSchedule("rate(10 minutes)", { timezone: "UTC", splayMs: undefined });

/** Lets a fleet that starts in one second sweep for some time. */
async function sweepFor(
  ms: number,
  ids: readonly string[],
  fractionOf: (hostId: string) => number,
) {
  const world = makeWorld();
  const stop = new AbortController();
  const from = world.time.now();
  const sweeps = ids.map((hostId) => {
    for (const stream of [hostId, `files/${hostId}`]) world.logs.addStream(stream);
    const starts: number[] = [];
    const onSweep = (now: number) => void starts.push(now);
    const sweeping = { hostId, fraction: fractionOf(hostId), scheduleOf: () => schedule, onSweep };
    return { starts, ended: sweepOnSchedule(world, sweeping, stop.signal) };
  });
  await world.time.runUntil(from + ms);
  stop.abort();
  await world.time.runUntil(from + ms + MINUTE_MS);
  await Promise.all(sweeps.map(({ ended }) => ended));
  return {
    starts: sweeps.map(({ starts }) => starts),
    rate: world.sweepStarts.between(from, from + ms),
    puts: world.bucket.puts.between(from, from + ms),
    slowed: world.bucket.slowedPuts.between(from, from + ms),
    throttledLogs: world.logs.throttledPuts.between(from, from + ms).total,
    logPuts: world.logs.puts.between(from, from + ms),
  };
}

describe("the sweeps of a fleet that starts in one second", () => {
  const rows = [
    ["hosts", "sweeps/s mean", "p99", "peak", "PutObject/s peak", "slowed", "PutLogEvents/s peak"],
  ];
  after(() => printTable(rows));

  for (const hosts of FLEET_SIZES) {
    it(`begin spread over the interval, with ${hosts} hosts`, async () => {
      const ids = hostIds(hosts);
      const minutes = hosts > 10_000 ? 10 : 30;
      const { starts, rate, puts, slowed, logPuts, throttledLogs } = await sweepFor(
        minutes * MINUTE_MS,
        ids,
        (id) => stableFraction(id, "sweep"),
      );
      rows.push([
        `${hosts}`,
        ...[rate.mean, rate.p99, rate.peak, puts.peak, slowed.total, logPuts.peak].map((value) =>
          value.toFixed(value % 1 === 0 ? 0 : 1),
        ),
      ]);
      expectSpread(rate, "sweeps");
      expect(slowed.total, "PutObject slowed down by S3").to.equal(0);
      expect(throttledLogs, "PutLogEvents throttled").to.equal(0);
      for (const [index, own] of starts.entries()) {
        expect(own.length, ids[index]).to.equal((minutes * MINUTE_MS) / INTERVAL_MS);
        for (const [nth, at] of own.entries()) {
          if (nth > 0) expect(at - (own[nth - 1] ?? 0), ids[index]).to.equal(INTERVAL_MS);
        }
      }
    });
  }

  it("would begin together without the hosts' own places, which the check sees", async () => {
    const { rate } = await sweepFor(10 * MINUTE_MS, hostIds(1_000), () => 0.3);
    expect(rate.peak).to.equal(1_000);
    expect(() => expectSpread(rate, "sweeps")).to.throw("most in a second");
    expect(peakOfChance(rate.mean)).to.be.below(20);
  });
});
