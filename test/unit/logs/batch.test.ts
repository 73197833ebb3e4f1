import { expect } from "chai";
import fc from "fast-check";
import { batchLength, inOrder, type LogEvent, makeLogEvent } from "../../../src/logs/batch.ts";

// The service's own numbers, written out: the test must not follow the code if that is wrong.
const BATCH_BYTES = 1_048_576;
const BATCH_EVENTS = 10_000;
const DAY_MS = 86_400_000;
const EVENT_BYTES = 262_144;

const event = (bytes: number, timestamp = 0): LogEvent => ({ timestamp, message: "", bytes });

const EDGES: readonly (readonly [what: string, queue: readonly LogEvent[], length: number])[] = [
  ["no events", [], 0],
  ["10,000 events", new Array(10_000).fill(event(27)), 10_000],
  ["10,001 events", new Array(10_001).fill(event(27)), 10_000],
  ["exactly 1,048,576 bytes", new Array(4).fill(event(262_144)), 4],
  ["a byte more", [...new Array(3).fill(event(262_144)), event(262_145)], 3],
  ["a byte more in front", [event(262_145), ...new Array(3).fill(event(262_144))], 3],
  ["a millisecond less than a day", [event(30, 0), event(30, DAY_MS - 1)], 2],
  ["more than a day", [event(30, 0), event(30, 5), event(30, DAY_MS + 1), event(30, 6)], 2],
  ["a clock set back a day", [event(30, DAY_MS + 1), event(30, 0)], 1],
  ["a clock set back an hour", [event(30, 3_600_000), event(30, 0), event(30, 9)], 3],
];

describe("a batch at the edges", () => {
  for (const [what, queue, length] of EDGES) {
    it(`of ${what} takes ${length}`, () => {
      expect(batchLength(queue)).to.equal(length);
    });
  }

  it("keeps every limit, takes at least one event, and stops only for a reason", () => {
    const anyEvent = fc.record({
      timestamp: fc.integer({ min: 0, max: 2 * DAY_MS }),
      message: fc.constant(""),
      bytes: fc.integer({ min: 27, max: EVENT_BYTES }),
    });
    fc.assert(
      fc.property(fc.array(anyEvent, { minLength: 1, maxLength: 60 }), (queue) => {
        const fits = (events: readonly LogEvent[]) => {
          const times = events.map(({ timestamp }) => timestamp);
          const bytes = events.reduce((sum, one) => sum + one.bytes, 0);
          const span = Math.max(...times) - Math.min(...times);
          return bytes <= BATCH_BYTES && events.length <= BATCH_EVENTS && span < DAY_MS;
        };
        const length = batchLength(queue);
        expect(length).to.be.within(1, queue.length);
        expect(fits(queue.slice(0, length))).to.equal(true);
        if (length < queue.length) expect(fits(queue.slice(0, length + 1))).to.equal(false);
      }),
    );
  });

  it("is put in the order of times without losing an event, equals as they came", () => {
    const anyTimes = fc.array(fc.integer({ min: 0, max: 20 }));
    fc.assert(
      fc.property(anyTimes, (times) => {
        const events = times.map((time, nth) => ({ ...event(nth, time), message: String(nth) }));
        const before = structuredClone(events);
        const sorted = inOrder(events);
        expect(events).to.deep.equal(before);
        expect(sorted).to.have.members(events).and.have.length(events.length);
        for (const [nth, one] of sorted.entries()) {
          const next = sorted[nth + 1];
          if (next === undefined) continue;
          expect(one.timestamp).to.be.at.most(next.timestamp);
          if (one.timestamp === next.timestamp) expect(one.bytes).to.be.lessThan(next.bytes);
        }
      }),
    );
  });
});

describe("a record as an event", () => {
  /** Records are JSON, so they begin with a brace; what follows can be anything. */
  const anyText = fc.string({ unit: "binary", maxLength: 40 }).map((text) => `{${text}`);

  it("has its text whole where it is short, and counts its bytes in UTF-8 with 26 more", () => {
    fc.assert(
      fc.property(anyText, fc.nat(), (text, time) => {
        expect(makeLogEvent(text, time)).to.deep.equal({
          timestamp: time,
          message: text,
          bytes: new TextEncoder().encode(text).length + 26,
        });
      }),
    );
  });

  it("is whole at exactly the limit and cut one byte above it", () => {
    const most = "x".repeat(EVENT_BYTES - 26);
    expect(makeLogEvent(most, 0)).to.deep.equal({
      timestamp: 0,
      message: most,
      bytes: EVENT_BYTES,
    });
    const cut = makeLogEvent(`${most}x`, 0);
    expect(cut.message).to.match(/^x+\.\.\.\[cut\]$/);
    expect(cut.bytes).to.equal(EVENT_BYTES);
  });

  it("that is cut begins as it was, ends with the mark, and breaks no character", () => {
    const anyCharacter = fc.constantFrom("x", "\u00fc", "\u20ac", "\u{1f4e6}", "\u{10ffff}");
    fc.assert(
      fc.property(anyText, anyCharacter, fc.nat({ max: 8 }), (start, character, shift) => {
        const text = `${start}${"y".repeat(shift)}${character.repeat(EVENT_BYTES)}`;
        const { message, bytes } = makeLogEvent(text, 0);
        expect(message.endsWith("...[cut]")).to.equal(true);
        const kept = message.slice(0, -"...[cut]".length);
        expect(text.startsWith(kept)).to.equal(true);
        expect(kept.isWellFormed()).to.equal(true);
        expect(bytes).to.equal(new TextEncoder().encode(message).length + 26);
        expect(bytes).to.be.within(EVENT_BYTES - 3, EVENT_BYTES);
      }),
      { numRuns: 30 },
    );
  });
});
