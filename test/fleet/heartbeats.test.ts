import { expect } from "chai";
import { Heartbeats, SLOT_MS } from "../../src/agent/heartbeats.ts";
import { printTable } from "../support/table.ts";
import { expectSpread, shown } from "./checks.ts";
import { PUT_PER_SECOND_SMALL } from "./log-model.ts";
import { VirtualClock } from "./virtual-clock.ts";
import { FLEET_SIZES, hostIds, MINUTE_MS, makeWorld, SECOND_MS, type World } from "./world.ts";

/** So late in a slot, and so long, a host may beat. */
const MARGIN_MS = 10 * SECOND_MS;
const SPREAD_MS = 240 * SECOND_MS;

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
      beat: (slotAt) => {
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
    it(`of ${hosts} hosts: one a slot, never two, in their part of it, whatever restarts`, async function () {
      this.timeout(10 * MINUTE_MS);
      const world = makeWorld();
      const { time, random, logs } = world;
      const fleet = hostIds(hosts).map((hostId) => new BeatingHost(world, hostId));
      for (const host of fleet) host.boot();
      const firstSlotAt = Math.ceil(time.now() / SLOT_MS) * SLOT_MS;
      await time.runUntil(firstSlotAt);

      // Three slots in peace; in the next three every host restarts twice at any time, and then all
      // at once.
      const restlessAt = firstSlotAt + 3 * SLOT_MS;
      await time.runUntil(restlessAt);
      for (const host of fleet) {
        for (let count = 0; count < 2; count += 1) {
          time.ringAt(restlessAt + random() * 2.5 * SLOT_MS, () => {
            host.stop();
            host.boot();
          });
        }
      }
      time.ringAt(restlessAt + 2.6 * SLOT_MS, () => {
        for (const host of fleet) host.stop();
        for (const host of fleet) host.boot();
      });
      const until = restlessAt + 4 * SLOT_MS;
      await time.runUntil(until - 1);
      for (const host of fleet) host.stop();

      let beats = 0;
      for (const host of fleet) {
        const own = host.beats.filter(({ slotAt }) => slotAt >= firstSlotAt);
        beats += own.length;
        const slots = own.map(({ slotAt }) => slotAt);
        const all = Array.from({ length: 7 }, (_, index) => firstSlotAt + index * SLOT_MS);
        expect(slots).to.deep.equal(all);
        for (const { slotAt, at } of own) {
          expect(at - slotAt).to.be.within(MARGIN_MS, MARGIN_MS + SPREAD_MS + 1);
        }
      }
      const rate = logs.puts.between(firstSlotAt, until);
      const throttled = logs.throttledPuts.between(firstSlotAt, until).total;
      rows.push([
        `${hosts}`,
        `${beats}`,
        ...[rate.mean, rate.p99, rate.peak, throttled].map(shown),
      ]);
      expectSpread(rate, "PutLogEvents", hosts / (SPREAD_MS / SECOND_MS));
      expect(rate.peak, "of what the smaller regions take").to.be.below(PUT_PER_SECOND_SMALL);
      expect(throttled).to.equal(0);
    });
  }
});
