import { expect } from "chai";
import { takeBatch } from "../../support/strict-stream.ts";

const NOW = Date.UTC(2026, 10, 24);
const HOUR_MS = 3_600_000;

const event = (hours: number, message = "x") => ({ timestamp: NOW + hours * HOUR_MS, message });

describe("a batch, as the double of CloudWatch Logs sees it", () => {
  for (const [what, events] of [
    ["none", []],
    ["10,001 events", Array.from({ length: 10_001 }, () => event(0))],
    ["too many bytes", Array.from({ length: 5 }, () => event(0, "x".repeat(2 ** 18 - 26)))],
    ["an empty message", [event(0, "")]],
    ["no order", [event(0), event(-1)]],
    ["more than a day", [event(-25), event(0)]],
  ] as const) {
    it(`is refused as a whole for ${what}`, () => {
      expect(() => takeBatch(events, NOW)).to.throw();
    });
  }

  it("is taken at the edges of all of them", () => {
    const full = Array.from({ length: 4 }, () => event(0, "x".repeat(2 ** 18 - 26)));
    expect(takeBatch(full, NOW).taken).to.have.length(4);
    expect(takeBatch([event(-24), event(0)], NOW).taken).to.have.length(2);
  });

  it("loses the events that are too old or too new, and no other", () => {
    const events = [event(-14 * 24 - 1), event(-1), event(2), event(2.1)];
    const { taken, tooOld, tooNew } = takeBatch(events, NOW);
    expect([taken, tooOld, tooNew]).to.deep.equal([[events[1], events[2]], 1, 1]);
  });
});
