import { expect } from "chai";
import { beatAt, SLOT_MS } from "../../../src/agent/heartbeats.ts";
import { hostIdsByBeat } from "../../../tools/host-ids.ts";

describe("host ids by their heartbeat", () => {
  // From the beginning of a slot to its end, which has no heartbeats.
  for (const offsetMs of [0, 10_000, 150_000, 249_000, 260_000, 299_999]) {
    it(`come one soon after the other from ${offsetMs} ms of a slot on`, () => {
      const from = 5_000_000 * SLOT_MS + offsetMs;
      const slots = [5_000_000, 5_000_001];
      const beats = hostIdsByBeat("web", from).map((id) => {
        return slots.map((slot) => beatAt(id, slot)).find((at) => at >= from) ?? 0;
      });
      expect(beats).to.deep.equal(beats.toSorted((one, other) => one - other));
      // No heartbeats come for a minute around the end of a slot.
      expect(beats[20]).to.be.within(from, from + 120_000);
    });
  }
});
