import { expect } from "chai";
import { Heartbeats, SLOT_MS } from "../../src/agent/heartbeats.ts";
import { printTable } from "../support/table.ts";
import { expectSpread, shown } from "./checks.ts";
import { PUT_PER_SECOND_SMALL } from "./log-model.ts";
import { VirtualClock } from "./virtual-clock.ts";
import { FLEET_SIZES, hostIds, makeWorld, SECOND_MS, type World } from "./world.ts";

/** So late in a slot, and so long, a host may beat. */
const MARGIN_MS = 10 * SECOND_MS;
const SPREAD_MS = 240 * SECOND_MS;

const SLOTS = 3;

/** A host's heartbeats, whose last slot survives restarts. */
class BeatingHost {
  readonly beats: { readonly slotAt: number; readonly at: number }[] = [];
  readonly #world: World;
  readonly #hostId: string;
  #lastSlot: number | undefined;
  #stop = new AbortController();

  constructor(world: World, hostId: string) {
    this.#world = world;
    this.#hostId = hostId;
    world.logs.addStream(hostId);
  }

  boot(): void {
    this.#stop = new AbortController();
    const heartbeats = new Heartbeats({
      hostId: this.#hostId,
      clock: new VirtualClock(this.#world.time),
      lastSlot: this.#lastSlot,
      keepSlot: async (slot) => {
        this.#lastSlot = slot;
      },
      beat: async (slotAt) => {
        this.beats.push({ slotAt, at: this.#world.time.now() });
        this.#world.logs.put(this.#hostId);
      },
    });
    void heartbeats.run(this.#stop.signal);
  }

  stop(): void {
    this.#stop.abort();
  }
}

describe("the heartbeats", () => {
  const rows = [["hosts", "beats", "PutLogEvents/s mean", "p99", "peak", "throttled"]];
  after(() => printTable(rows));

  for (const hosts of FLEET_SIZES) {
    it(`of ${hosts} hosts: one a slot, never two, in their part of it, whatever restarts`, async () => {
      const world = makeWorld();
      const { time, random, logs } = world;
      const fleet = hostIds(hosts).map((hostId) => new BeatingHost(world, hostId));
      for (const host of fleet) host.boot();
      const firstSlotAt = Math.ceil(time.now() / SLOT_MS) * SLOT_MS;
      await time.runUntil(firstSlotAt);

      // A slot in peace; in the next two every host restarts at any time, and then all at once.
      const restlessAt = firstSlotAt + SLOT_MS;
      await time.runUntil(restlessAt);
      for (const host of fleet) {
        time.ringAt(restlessAt + random() * 1.2 * SLOT_MS, () => {
          host.stop();
          host.boot();
        });
      }
      time.ringAt(restlessAt + 1.4 * SLOT_MS, () => {
        for (const host of fleet) host.stop();
        for (const host of fleet) host.boot();
      });
      const until = firstSlotAt + SLOTS * SLOT_MS;
      await time.runUntil(until - 1);
      for (const host of fleet) host.stop();

      const all = Array.from({ length: SLOTS }, (_, index) => firstSlotAt + index * SLOT_MS);
      for (const host of fleet) {
        const own = host.beats.filter(({ slotAt }) => slotAt >= firstSlotAt);
        const isRight = own.every(({ slotAt, at }, index) => {
          const intoMs = at - slotAt - MARGIN_MS;
          return slotAt === all[index] && intoMs >= 0 && intoMs <= SPREAD_MS + 1;
        });
        if (!isRight || own.length !== SLOTS) expect(own).to.deep.equal(all);
      }
      const rate = logs.puts.between(firstSlotAt, until);
      const throttled = logs.throttledPuts.between(firstSlotAt, until).total;
      rows.push([
        `${hosts}`,
        `${rate.total}`,
        ...[rate.mean, rate.p99, rate.peak, throttled].map(shown),
      ]);
      expectSpread(rate, "PutLogEvents", { mean: hosts / (SPREAD_MS / SECOND_MS) });
      expect(rate.peak, "of what the smaller regions take").to.be.below(PUT_PER_SECOND_SMALL);
      expect(throttled).to.equal(0);
    });
  }

  it("would come together without the hosts' own moments, which the check sees", async () => {
    const world = makeWorld();
    const from = world.time.now();
    const fleet = Array.from({ length: 1_000 }, () => new BeatingHost(world, "the-same-for-all"));
    for (const host of fleet) host.boot();
    await world.time.runUntil(from + 2 * SLOT_MS);
    for (const host of fleet) host.stop();
    const rate = world.logs.puts.between(from, world.time.now());
    const check = () =>
      expectSpread(rate, "PutLogEvents", { mean: 1_000 / (SPREAD_MS / SECOND_MS) });
    expect(check).to.throw("most in a second");
  });
});
