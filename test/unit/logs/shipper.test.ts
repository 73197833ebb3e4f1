import { Writable } from "node:stream";
import { expect } from "chai";
import fc from "fast-check";
import {
  BATCH_BYTES_MAX,
  BATCH_EVENTS_MAX,
  BATCH_SPAN_MS_MAX,
  batchLength,
  EVENT_BYTES_MAX,
  EVENT_OVERHEAD_BYTES,
  inOrder,
  type LogEvent,
  makeLogEvent,
} from "../../../src/logs/batch.ts";
import type { BatchAnswer, LogDestination } from "../../../src/logs/log-destination.ts";
import { makeLogger } from "../../../src/logs/logger.ts";
import { LogShipper } from "../../../src/logs/shipper.ts";
import { Spool } from "../../../src/logs/spool.ts";
import { SpoolSpace } from "../../../src/logs/spool-space.ts";
import { makeStreamSink } from "../../../src/logs/stream-sink.ts";
import { ManualClock, settle } from "../../support/manual-clock.ts";

const event = (timestamp: number, bytes = 100): LogEvent => ({ timestamp, message: "x", bytes });

describe("batchLength", () => {
  it("takes 10,000 events and not one more", () => {
    const many = Array.from({ length: BATCH_EVENTS_MAX + 1 }, () => event(0, 30));
    expect(batchLength(many.slice(1))).to.equal(BATCH_EVENTS_MAX);
    expect(batchLength(many)).to.equal(BATCH_EVENTS_MAX);
  });

  it("takes 1,048,576 bytes and not one more", () => {
    const half = BATCH_BYTES_MAX / 2;
    expect(batchLength([event(0, half), event(0, half)])).to.equal(2);
    expect(batchLength([event(0, half), event(0, half + 1)])).to.equal(1);
  });

  it("takes less than 24 hours, whichever way the clock was set", () => {
    expect(batchLength([event(0), event(BATCH_SPAN_MS_MAX - 1)])).to.equal(2);
    expect(batchLength([event(0), event(BATCH_SPAN_MS_MAX)])).to.equal(1);
    expect(batchLength([event(BATCH_SPAN_MS_MAX), event(0)])).to.equal(1);
  });

  it("always takes the first event, so that a queue can be emptied", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 2_000 }), (text) => {
        expect(batchLength([makeLogEvent(text, 0)])).to.equal(1);
      }),
    );
  });
});

describe("makeLogEvent", () => {
  it("counts bytes of UTF-8 and the overhead of 26", () => {
    expect(makeLogEvent("ü€", 0).bytes).to.equal(2 + 3 + 26);
  });

  it("cuts what is too long, marks the cut, and breaks no character", () => {
    for (const character of ["x", "ü", "€", "📦"]) {
      const { message, bytes } = makeLogEvent(character.repeat(EVENT_BYTES_MAX), 0);
      expect(bytes).to.be.at.most(EVENT_BYTES_MAX);
      expect(bytes).to.be.above(EVENT_BYTES_MAX - 4);
      expect(bytes).to.equal(Buffer.byteLength(message) + EVENT_OVERHEAD_BYTES);
      expect(message)
        .to.match(/\.\.\.\[cut\]$/)
        .and.not.include("\ufffd");
    }
  });

  it("sorts a batch by time and keeps the order of equals", () => {
    const events = [event(2), { ...event(1), message: "a" }, { ...event(1), message: "b" }];
    expect(inOrder(events).map(({ timestamp, message }) => `${timestamp}${message}`)).to.deep.equal(
      ["1a", "1b", "2x"],
    );
  });
});

/** A destination that enforces what the service documents, and fails on demand. */
class FakeDestination implements LogDestination {
  readonly name = "group";
  readonly taken: string[] = [];
  isMissing = false;
  created = 0;
  puts = 0;
  failure: BatchAnswer | undefined;
  /** Awaited before an answer. */
  gate: Promise<void> = Promise.resolve();

  async put(events: readonly LogEvent[]): Promise<BatchAnswer> {
    this.puts += 1;
    const bytes = events.reduce((sum, { message }) => sum + Buffer.byteLength(message) + 26, 0);
    expect(bytes).to.be.at.most(1_048_576);
    expect(events.length).to.be.within(1, 10_000);
    const times = events.map(({ timestamp }) => timestamp);
    expect(times).to.deep.equal(times.toSorted((a, b) => a - b));
    await this.gate;
    if (this.isMissing) return { kind: "missing" };
    if (this.failure !== undefined) return this.failure;
    this.taken.push(...events.map(({ message }) => message));
    return { kind: "accepted", rejected: 0 };
  }

  async create(): Promise<undefined> {
    this.created += 1;
    this.isMissing = false;
  }
}

function begin(options: { memoryBytesMax?: number; random?: number } = {}) {
  const clock = new ManualClock();
  const destination = new FakeDestination();
  const { memoryBytesMax = 8 * 2 ** 20, random = 0 } = options;
  const spool = new Spool({ clock, space: new SpoolSpace(), owner: "/agent/web", memoryBytesMax });
  const about = { destination, spool, clock, fleet: "web" };
  const shipper = new LogShipper({ ...about, random: () => random });
  const lines: string[] = [];
  const told = { write: (line: string) => lines.push(JSON.parse(line).event) };
  const base = { fleet: "web", host: "h", version: "1" };
  const logger = makeLogger({ clock, random: () => 0, base, local: [], state: [told], files: [] });
  shipper.setLogger(logger);
  const stop = new AbortController();
  return {
    clock,
    destination,
    shipper,
    lines,
    stop,
    write: (text: string) => shipper.write(text, clock.now()),
  };
}

describe("LogShipper", () => {
  it("ships everything, in order, in as many batches as it takes", async () => {
    const { destination, shipper, write } = begin();
    const texts = Array.from({ length: 12_345 }, (_, index) => `record ${index}`);
    for (const text of texts) write(text);
    expect(await shipper.flush(AbortSignal.timeout(60_000))).to.equal(0);
    expect(destination.taken).to.deep.equal(texts);
    expect(destination.puts).to.equal(2);
  });

  it("makes what is missing, once, and ships then", async () => {
    const { destination, shipper, write } = begin();
    destination.isMissing = true;
    write("a");
    expect(await shipper.flush(AbortSignal.timeout(60_000))).to.equal(0);
    expect([destination.created, destination.taken]).to.deep.equal([1, ["a"]]);
  });

  it("never grows beyond its bound: the oldest records go, counted, and it says so", async () => {
    const { clock, destination, shipper, lines, write, stop } = begin({ memoryBytesMax: 10_000 });
    destination.failure = { kind: "failed", code: "E", message: "down" };
    const run = shipper.run(stop.signal);
    for (let index = 0; index < 1_000; index += 1) write(`${index}`.padStart(74));
    await settle();
    expect(shipper.dropped).to.be.above(880);
    destination.failure = undefined;
    await clock.advance(20_000);
    expect(destination.taken.at(-1)?.trim()).to.equal("999");
    expect(destination.taken.length + shipper.dropped).to.equal(1_000);
    expect(lines).to.include("logs.dropped");
    stop.abort();
    await run;
  });

  it("says once that the destination is down, and once that it is back; nothing is lost", async () => {
    const { clock, destination, shipper, lines, write, stop } = begin();
    destination.failure = { kind: "failed", code: "E", message: "down" };
    const run = shipper.run(stop.signal);
    write("a");
    await clock.advance(60_000);
    expect(destination.puts).to.be.above(3);
    expect(lines).to.deep.equal(["logs.unavailable"]);
    destination.failure = undefined;
    await clock.advance(60_000);
    expect(lines).to.deep.equal(["logs.unavailable", "logs.recovered"]);
    expect(destination.taken).to.deep.equal(["a"]);
    stop.abort();
    await run;
  });

  it("waits longer after each failure, up to 61 seconds", async () => {
    const { clock, destination, shipper, write, stop } = begin({ random: 0.999_999 });
    destination.failure = { kind: "failed", code: "E", message: "down" };
    write("a");
    const run = shipper.run(stop.signal);
    await settle();
    const times: number[] = [];
    for (let puts = 0; times.length < 7; await clock.advance(1_000)) {
      if (destination.puts > puts) times.push(clock.monotonic() / 1_000);
      puts = destination.puts;
    }
    const gaps = times.map((time, index) => time - (times[index - 1] ?? 0)).slice(1);
    expect(gaps.slice(0, 3)).to.deep.equal([16, 31, 61]);
    expect(Math.max(...gaps)).to.equal(61);
    stop.abort();
    await run;
  });

  it("does not count as dropped what arrived after all", async () => {
    const { clock, destination, shipper, write, stop } = begin({ memoryBytesMax: 1_000 });
    const gate = Promise.withResolvers<void>();
    destination.gate = gate.promise;
    for (let index = 0; index < 8; index += 1) write(`${index}`.padStart(74));
    const run = shipper.run(stop.signal);
    await settle();
    for (let index = 8; index < 16; index += 1) write(`${index}`.padStart(74));
    gate.resolve();
    await clock.advance(10_000);
    expect(destination.taken.length + shipper.dropped).to.equal(16);
    stop.abort();
    await run;
  });

  it("ships what comes while a batch is under way exactly once", async () => {
    const { clock, destination, shipper, write, stop } = begin();
    const gate = Promise.withResolvers<void>();
    destination.gate = gate.promise;
    write("a");
    const run = shipper.run(stop.signal);
    await settle();
    write("b");
    gate.resolve();
    await clock.advance(10_000);
    expect(destination.taken).to.deep.equal(["a", "b"]);
    stop.abort();
    await run;
  });
});

describe("makeStreamSink", () => {
  it("drops what a reader that does not read would make us hold", () => {
    const stuck = new Writable({ write() {} });
    const sink = makeStreamSink(stuck);
    for (let index = 0; index < 20; index += 1) sink.write("x".repeat(2 ** 20), 0);
    expect(stuck.writableLength).to.be.below(10 * 2 ** 20);
    expect(sink.dropped).to.be.above(9);
  });

  it("survives a reader that went away", async () => {
    const broken = new Writable({ write: (_chunk, _encoding, done) => done(new Error("EPIPE")) });
    const sink = makeStreamSink(broken);
    sink.write("a", 0);
    await new Promise((resolve) => broken.once("close", resolve));
    sink.write("b", 0);
    expect(sink.dropped).to.equal(2);
  });
});
