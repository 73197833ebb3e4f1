import { expect } from "chai";
import fc from "fast-check";
import type { EventName } from "../../../src/logs/events.ts";
import type { BatchAnswer } from "../../../src/logs/log-destination.ts";
import { LogShipper } from "../../../src/logs/shipper.ts";
import { Spool } from "../../../src/logs/spool.ts";
import { SpoolSpace } from "../../../src/logs/spool-space.ts";
import { checkedLogger } from "../../support/checked-logger.ts";
import { ManualClock, settle } from "../../support/manual-clock.ts";
import { StrictStream } from "../../support/strict-stream.ts";

const DAY_MS = 86_400_000;
const START = Date.UTC(2026, 10, 24);
const DOWN: BatchAnswer = { kind: "failed", code: "ECONNREFUSED", message: "down" };

function make(options: { readonly memoryBytesMax?: number; readonly random?: number } = {}) {
  const clock = new ManualClock(START);
  const stream = new StrictStream(() => clock.now());
  const stop = new AbortController();
  const told: { event: EventName; [field: string]: unknown }[] = [];
  const { memoryBytesMax } = options;
  const spool = new Spool({
    owner: "/agent/web",
    clock,
    space: new SpoolSpace(),
    ...(memoryBytesMax === undefined ? {} : { memoryBytesMax }),
  });
  const shipper = new LogShipper({
    destination: stream,
    spool,
    clock,
    random: () => options.random ?? 0,
    fleet: "web",
  });
  const logger = checkedLogger(clock);
  shipper.setLogger({
    log: (event, fields) => {
      const { _aws, ...others } = fields as { readonly _aws?: unknown };
      told.push({ event, ...others });
      logger.log(event, fields);
    },
    setLevel() {},
    setFileEvents() {},
  });
  return { clock, stream, stop, told, shipper, toldEvents: () => told.map(({ event }) => event) };
}

const never = new AbortController().signal;

describe("LogShipper within the service's limits", () => {
  it("ships whatever comes exactly once, whatever its size and time", async () => {
    const anyRecord = fc.record({
      size: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 300_000 })),
      time: fc.integer({ min: 0, max: 3 * DAY_MS }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(anyRecord, { maxLength: 25 }), async (records) => {
        const { clock, stream, shipper } = make();
        clock.setWallClock(START + 3 * DAY_MS);
        for (const [nth, { size, time }] of records.entries()) {
          shipper.write(`${nth} `.padEnd(size, "x"), START + time);
        }
        expect(await shipper.flush(never)).to.equal(0);
        const order = stream.taken.map((message) => Number.parseInt(message, 10));
        expect(order.toSorted((a, b) => a - b)).to.deep.equal(records.map((_, nth) => nth));
        expect(shipper.dropped).to.equal(0);
      }),
      { numRuns: 40 },
    );
  });

  it("keeps the order of writing when times are equal, over several batches", async () => {
    const { stream, shipper } = make();
    const lines = Array.from({ length: 25_000 }, (_, nth) => `r${nth}`);
    for (const line of lines) shipper.write(line, START);
    expect(await shipper.flush(never)).to.equal(0);
    expect(stream.taken).to.deep.equal(lines);
    expect(stream.puts).to.equal(3);
  });
});

describe("LogShipper and a stream that is missing", () => {
  it("makes it once for many batches, and loses no record by it", async () => {
    const { clock, stream, shipper, stop, told } = make();
    stream.exists = false;
    for (let nth = 0; nth < 20_001; nth += 1) shipper.write(`r${nth}`, START);
    void shipper.run(stop.signal);
    await clock.advance(60_000);
    expect([stream.creates, stream.taken.length, told.length]).to.deep.equal([1, 20_001, 0]);
    stop.abort();
  });

  it("keeps the records while it may not make it, and says why once", async () => {
    const { clock, stream, shipper, stop, told } = make();
    stream.exists = false;
    stream.refusal = { code: "AccessDeniedException", message: "may not" };
    shipper.write("a", START);
    void shipper.run(stop.signal);
    await clock.advance(600_000);
    expect(told).to.deep.equal([
      {
        event: "logs.unavailable",
        destination: "/agent/state",
        code: "AccessDeniedException",
        message: "may not",
      },
    ]);
    stream.refusal = undefined;
    await clock.advance(600_000);
    expect(stream.taken).to.deep.equal(["a"]);
    stop.abort();
  });
});

describe("LogShipper and an outage", () => {
  it("tells of each outage once, and of each end once with the number of failures", async () => {
    const { clock, stream, shipper, stop, told } = make();
    void shipper.run(stop.signal);
    for (const line of ["a", "b"]) {
      stream.answer = DOWN;
      shipper.write(line, START);
      const before = stream.puts;
      await clock.advance(60_000);
      const failures = stream.puts - before;
      expect(failures).to.be.above(2);
      stream.answer = { kind: "accepted", rejected: 0 };
      await clock.advance(60_000);
      expect(told.splice(0)).to.deep.equal([
        {
          event: "logs.unavailable",
          destination: stream.name,
          code: "ECONNREFUSED",
          message: "down",
        },
        { event: "logs.recovered", destination: stream.name, failures },
      ]);
    }
    expect(stream.taken).to.deep.equal(["a", "b"]);
    stop.abort();
  });

  it("holds no more than its bound: drops the oldest, counts them, and reports the number", async () => {
    const { clock, stream, shipper, stop, told } = make({ memoryBytesMax: 10_000 });
    stream.answer = DOWN;
    // Each counts 100 bytes: 74 of text and 26.
    const lines = Array.from({ length: 500 }, (_, nth) => `${nth}`.padStart(74, "0"));
    for (const line of lines) shipper.write(line, START);
    const dropped = shipper.dropped;
    expect(dropped).to.be.within(400, 410);
    void shipper.run(stop.signal);
    await clock.advance(5_000);
    stream.answer = { kind: "accepted", rejected: 0 };
    await clock.advance(60_000);
    expect(stream.taken).to.deep.equal(lines.slice(dropped));
    // What was reported is not reported again with the next batch.
    shipper.write("later", START);
    await clock.advance(60_000);
    expect(stream.taken.at(-1)).to.equal("later");
    expect(told.filter(({ event }) => event === "logs.dropped")).to.deep.equal([
      {
        event: "logs.dropped",
        destination: stream.name,
        records: dropped,
        reason: "memory",
        Fleet: "web",
        LogEventsDropped: dropped,
      },
    ]);
    stop.abort();
  });

  it("pauses longer after each failure, never less than a second, never more than 61", async () => {
    for (const [random, first, cap] of [
      [0, 1_000, 1_000],
      [0.5, 8_500, 31_000],
    ] as const) {
      const { clock, stream, shipper, stop } = make({ random });
      stream.answer = DOWN;
      shipper.write("a", START);
      void shipper.run(stop.signal);
      const gaps: number[] = [];
      for (let nth = 0; nth < 6; nth += 1) {
        const { puts } = stream;
        const from = clock.monotonic();
        while (stream.puts === puts || puts === 0) {
          await clock.advance(500);
          if (puts === 0) break;
        }
        if (puts > 0) gaps.push(clock.monotonic() - from);
      }
      stop.abort();
      expect(Math.abs((gaps[0] ?? 0) - first)).to.be.at.most(500);
      expect(gaps).to.deep.equal(gaps.toSorted((a, b) => a - b));
      expect(gaps.slice(-2)).to.deep.equal([cap, cap]);
    }
  });
});

describe("LogShipper and a batch under way", () => {
  it("ships what comes in the meantime exactly once, after it, one batch at a time", async () => {
    const { clock, stream, shipper, stop } = make();
    stream.isHeld = true;
    shipper.write("a", START);
    void shipper.run(stop.signal);
    await settle();
    shipper.write("b", START);
    shipper.write("c", START - 5);
    await clock.advance(30_000);
    expect([stream.puts, stream.taken.length]).to.deep.equal([1, 0]);
    stream.held[0]?.();
    await settle();
    expect(stream.taken).to.deep.equal(["a"]);
    await clock.advance(5_000);
    stream.held[0]?.();
    await clock.advance(30_000);
    expect(stream.taken).to.deep.equal(["a", "c", "b"]);
    stop.abort();
  });

  it("sends a batch again that failed, and no part of it twice", async () => {
    const { clock, stream, shipper, stop } = make();
    stream.isHeld = true;
    shipper.write("a", START);
    void shipper.run(stop.signal);
    await settle();
    shipper.write("b", START);
    stream.held[0]?.(DOWN);
    await clock.advance(1_000);
    stream.held[0]?.();
    await clock.advance(30_000);
    expect(stream.taken).to.deep.equal(["a", "b"]);
    stop.abort();
  });

  it("loses no record between taken and dropped, and ships none twice, when the queue overflows", async () => {
    const { clock, stream, shipper, stop } = make({ memoryBytesMax: 2_000 });
    stream.isHeld = true;
    const lines = Array.from({ length: 40 }, (_, nth) => `${nth}`.padStart(74, "0"));
    for (const line of lines.slice(0, 8)) shipper.write(line, START);
    void shipper.run(stop.signal);
    await settle();
    for (const line of lines.slice(8)) shipper.write(line, START);
    stream.held[0]?.();
    stream.isHeld = false;
    await clock.advance(30_000);
    expect(new Set(stream.taken).size).to.equal(stream.taken.length);
    expect(stream.taken.length + shipper.dropped).to.be.at.least(lines.length);
    expect(stream.taken.slice(-5)).to.deep.equal(lines.slice(-5));
    stop.abort();
  });

  it("reports how many records the service rejected, and does not send them again", async () => {
    const { clock, stream, shipper, stop, told } = make();
    stream.answer = { kind: "accepted", rejected: 2 };
    for (const line of ["a", "b", "c"]) shipper.write(line, START);
    void shipper.run(stop.signal);
    await clock.advance(60_000);
    expect(told).to.deep.equal([
      {
        event: "logs.rejected",
        destination: "/agent/state",
        records: 2,
        Fleet: "web",
        LogEventsDropped: 2,
      },
    ]);
    expect(stream.puts).to.equal(1);
    stop.abort();
  });
});

describe("LogShipper when the agent ends", () => {
  it("gives up at the signal, says how many records are left, and blames nobody", async () => {
    const { stream, shipper, told } = make();
    stream.isHeld = true;
    for (const line of ["a", "b", "c"]) shipper.write(line, START);
    const giveUp = new AbortController();
    const left = shipper.flush(giveUp.signal);
    await settle();
    giveUp.abort();
    expect(await left).to.equal(3);
    expect(told).to.deep.equal([]);
  });

  it("does not send anything when the signal has come before", async () => {
    const { stream, shipper } = make();
    shipper.write("a", START);
    expect(await shipper.flush(AbortSignal.abort())).to.equal(1);
    expect(stream.puts).to.equal(0);
  });

  it("tries once, without a pause, when the destination is down", async () => {
    const { clock, stream, shipper } = make();
    stream.answer = DOWN;
    shipper.write("a", START);
    expect(await shipper.flush(never)).to.equal(1);
    expect([stream.puts, clock.sleepers]).to.deep.equal([1, 0]);
  });

  it("ships the rest of a run that was stopped, each record once", async () => {
    const { clock, stream, shipper, stop } = make();
    const run = shipper.run(stop.signal);
    shipper.write("a", START);
    await clock.advance(5_000);
    shipper.write("b", START);
    stop.abort();
    await run;
    expect(stream.taken).to.deep.equal(["a"]);
    expect(await shipper.flush(never)).to.equal(0);
    expect(stream.taken).to.deep.equal(["a", "b"]);
  });
});
