import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { BeatFile } from "../../../src/agent/beat-file.ts";
import { Heartbeats, SLOT_MS } from "../../../src/agent/heartbeats.ts";
import { stableFraction } from "../../../src/lib/stable-fraction.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const START = Date.UTC(2026, 0, 1);
const HOUR = 3_600_000;

/** A host's heartbeats, and what survives when it is killed. */
class Host {
  readonly clock: ManualClock;
  readonly beats: { readonly slotAt: number; readonly at: number }[] = [];
  readonly #hostId: string;
  #kept: number | undefined;
  /** How long the disk takes to keep a slot. */
  keepMs = 0;
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(hostId: string, now = START) {
    this.#hostId = hostId;
    this.clock = new ManualClock(now);
  }

  start(): void {
    this.#stop = new AbortController();
    const heartbeats = new Heartbeats({
      hostId: this.#hostId,
      clock: this.clock,
      lastSlot: this.#kept,
      keepSlot: async (slot) => {
        this.#kept = slot;
        if (this.keepMs > 0) await this.clock.sleep(this.keepMs);
      },
      beat: async (slotAt) => void this.beats.push({ slotAt, at: this.clock.now() }),
    });
    this.#running = heartbeats.run(this.#stop.signal);
  }

  async kill(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

describe("heartbeats", () => {
  it("come once in each slot of 300 s of UTC, at slot + 10 s + u('beat') * 240 s", async () => {
    for (const hostId of ["a", "b", "c", "d"]) {
      const host = new Host(hostId, START + 17_000);
      host.start();
      await host.clock.advance(2 * HOUR);
      expect(host.beats.length).to.be.within(23, 24);
      const expected = 10_000 + stableFraction(hostId, "beat") * 240_000;
      for (const { slotAt, at } of host.beats) {
        expect(slotAt % SLOT_MS).to.equal(0);
        expect(at - slotAt).to.be.closeTo(expected, 1);
      }
      expect(new Set(host.beats.map(({ slotAt }) => slotAt)).size).to.equal(host.beats.length);
      await host.kill();
    }
  });

  it("of a slot that a slow disk has let pass are left out: they would count for the next one", async () => {
    const host = new Host("a");
    host.keepMs = SLOT_MS;
    host.start();
    await host.clock.advance(HOUR);
    expect(host.beats).to.deep.equal([]);
    host.keepMs = 1_000;
    await host.clock.advance(HOUR);
    expect(host.beats.length).to.be.within(10, 12);
    for (const { slotAt, at } of host.beats) expect(at - slotAt).to.be.below(SLOT_MS);
    await host.kill();
  });

  it("are never two for one slot, however often the agent is restarted", async () => {
    const host = new Host("a");
    for (let restart = 0; restart < 500; restart += 1) {
      host.start();
      await host.clock.advance(((restart * 7_919) % 40_000) + 1);
      await host.kill();
    }
    const slots = host.beats.map(({ slotAt }) => slotAt);
    expect(slots.length).to.be.above(10);
    expect(new Set(slots).size).to.equal(slots.length);
  });

  it("are never two for one slot, where the clock is set back and the agent started again", async () => {
    const host = new Host("a");
    host.start();
    await host.clock.advance(2 * SLOT_MS);
    const before = host.beats.length;
    await host.kill();
    const { at } = host.beats.at(-1) ?? { at: 0 };
    host.clock.setWallClock(at - 5_000);
    host.start();
    await host.clock.advance(20_000);
    expect(host.beats).to.have.length(before);
    await host.kill();
  });

  it("are not caught up: after a start they come at their own moment", async () => {
    const moment = 10_000 + stableFraction("a", "beat") * 240_000;
    const host = new Host("a", START + moment + 5_000);
    host.start();
    await host.clock.advance(SLOT_MS - 6_000);
    expect(host.beats).to.deep.equal([]);
    await host.clock.advance(1_001);
    expect(host.beats).to.have.length(1);
    await host.kill();
  });

  it("go on when the clock is set, back or ahead, without a second one for a slot", async () => {
    for (const jump of [-HOUR, HOUR, -3 * SLOT_MS]) {
      const host = new Host("a");
      host.start();
      await host.clock.advance(HOUR);
      host.clock.setWallClock(host.clock.now() + jump);
      await host.clock.advance(3 * HOUR);
      const slots = host.beats.map(({ slotAt }) => slotAt);
      expect(new Set(slots.slice(-20)).size, `${jump}`).to.equal(
        Math.min(20, slots.slice(-20).length),
      );
      // A host whose clock was wrong for a while is not silent for that long afterwards.
      const last = host.beats.at(-1)?.at ?? 0;
      expect(host.clock.now() - last).to.be.below(2 * SLOT_MS);
      await host.kill();
    }
  });
});

describe("the file of the last heartbeat", () => {
  it("keeps the slot and how long a sweep was waited for, and knows none where there is none or garbage", async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), "beat-"));
    const file = new BeatFile(folder.path);
    expect(await file.read()).to.equal(undefined);
    for (const beat of [
      { slot: 123_456, waitedMs: 600_001 },
      { slot: 123_457, waitedMs: undefined },
    ]) {
      await file.keep(beat);
      expect(await new BeatFile(folder.path).read()).to.deep.equal(beat);
    }
    for (const garbage of ["", "12", "1e9\n", "\0\0\0\n", "-1\n", "12 x\n", "12 -1\n"]) {
      await writeFile(join(folder.path, "beat"), garbage);
      expect(await file.read(), JSON.stringify(garbage)).to.equal(undefined);
    }
    await new BeatFile("/proc/nowhere").keep({ slot: 1, waitedMs: 0 });
  });
});
