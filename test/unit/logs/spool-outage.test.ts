import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import type { BatchAnswer } from "../../../src/logs/log-destination.ts";
import type { Spool } from "../../../src/logs/spool.ts";
import { ManualClock, settle } from "../../support/manual-clock.ts";
import {
  makeSpoolPlace,
  numbersOf,
  records,
  type SpoolPlace,
  type SpoolProcess,
  START,
} from "../../support/spool-place.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MEBIBYTE = 2 ** 20;
const DOWN: BatchAnswer = { kind: "failed", code: "ECONNREFUSED", message: "down" };
const UP: BatchAnswer = { kind: "accepted", rejected: 0 };

/** Lets so much time pass for a shipper that runs, with the disk's own time between its steps. */
async function pass({ clock }: SpoolPlace, { spool }: SpoolProcess, ms: number, turns = 20) {
  for (let turn = 0; turn < turns; turn += 1) {
    await clock.advance(ms / turns);
    await quiet(spool);
  }
}

/** A batch takes a few turns at the disk: to be read, acknowledged, released. */
async function quiet(spool: Spool): Promise<void> {
  for (let turn = 0; turn < 8; turn += 1) {
    await spool.written();
    await settle();
  }
}

async function bytesBelow(directory: string): Promise<number> {
  const names = await readdir(directory);
  const sizes = await Promise.all(
    names.map(async (name) => (await stat(join(directory, name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

describe("an outage of fifteen days", () => {
  it("costs what is older than the service takes, counted; the rest has its own time", async () => {
    await using place = await makeSpoolPlace();
    place.stream.answer = DOWN;
    let sent = 0;
    let process = await place.start();
    // A record every ten minutes, a try every hour, and a reboot every day.
    for (let hour = 0; hour < 15 * 24; hour += 1) {
      for (let nth = 0; nth < 6; nth += 1) {
        process.shipper.write(`r${sent}`, START + sent * (HOUR_MS / 6));
        place.clock.setWallClock(START + (sent + 1) * (HOUR_MS / 6));
        sent += 1;
      }
      await process.flush();
      if (hour % 24 === 23) process = await place.start();
    }
    expect(sent).to.equal(2_160);
    place.stream.answer = UP;
    expect(await process.flush()).to.equal(0);
    const numbers = numbersOf(place.stream.taken);
    const old = sent - numbers.length;
    // One day of them, and ten minutes for the way.
    expect(old).to.be.within(144, 146);
    expect(numbers).to.deep.equal(Array.from({ length: numbers.length }, (_, nth) => old + nth));
    const times = numbers.map((number) => START + number * (HOUR_MS / 6));
    expect(place.stream.takenAt).to.deep.equal(times);
    const told = process.told.filter(({ event }) => event.startsWith("logs."));
    expect(told.at(-1)).to.include({ event: "logs.dropped", reason: "old", records: old });
  });

  it("drops what is too old while it lasts, so that it is neither kept nor read again", async () => {
    await using place = await makeSpoolPlace();
    place.stream.answer = DOWN;
    const { write, flush, spool } = await place.start();
    for (let nth = 0; nth < 40; nth += 1) await write(...records(100, { bytes: 1_000 }));
    const before = await bytesBelow(place.directory);
    await place.clock.advance(15 * DAY_MS);
    await flush();
    expect([spool.waiting, spool.losses.total]).to.deep.equal([0, 4_000]);
    expect(await bytesBelow(place.directory)).to.be.below(before / 3);
  });

  it("does not lose what waits to a clock that is set a month ahead by mistake, and back", async () => {
    await using place = await makeSpoolPlace();
    place.stream.answer = DOWN;
    const { write, flush } = await place.start();
    await write(...records(100));
    place.clock.setWallClock(START + 30 * DAY_MS);
    await flush();
    place.clock.setWallClock(START);
    place.stream.answer = UP;
    expect(await flush()).to.equal(0);
    expect(place.stream.taken).to.have.length(100);
  });

  it("on a line too slow for a whole batch ends with halves of it, and whole ones where it can", async () => {
    await using place = await makeSpoolPlace();
    const { write, flush } = await place.start();
    for (let nth = 0; nth < 30; nth += 1) {
      await write(...records(100, { from: nth * 100, bytes: 1_000 }));
    }
    let recordsMax = 200;
    const put = place.stream.put.bind(place.stream);
    place.stream.put = async (events, signal) => {
      if (events.length <= recordsMax) return await put(events, signal);
      return { kind: "failed", code: "TimeoutError", message: "too slow", isTimeout: true };
    };
    for (let tries = 0; tries < 5; tries += 1) await flush();
    expect(place.stream.taken.length).to.be.above(0);
    recordsMax = 10_000;
    expect(await flush()).to.equal(0);
    expect(numbersOf(place.stream.taken)).to.deep.equal([...new Array(3_000).keys()]);
  });
});

describe("a shipper that runs on a spool", () => {
  it("waits as long as the service asks, and never less than its own pause", async () => {
    await using place = await makeSpoolPlace();
    const process = await place.start();
    const { shipper } = process;
    const stop = new AbortController();
    place.stream.answer = { ...DOWN, code: "ThrottlingException", retryAfterMs: 30_000 };
    shipper.write("r0", place.clock.now());
    const run = shipper.run(stop.signal);
    await quiet(process.spool);
    await pass(place, process, 29_000);
    expect(place.stream.puts).to.equal(1);
    await pass(place, process, 2_000);
    expect(place.stream.puts).to.equal(2);
    place.stream.answer = UP;
    await pass(place, process, 31_000);
    expect(place.stream.taken).to.deep.equal(["r0"]);
    stop.abort();
    await run;
  });

  it("lets records wait for company: one batch each five seconds, however many come", async () => {
    await using place = await makeSpoolPlace();
    const process = await place.start();
    const stop = new AbortController();
    const run = process.shipper.run(stop.signal);
    for (let nth = 0; nth < 300; nth += 1) {
      process.shipper.write(`r${nth}`, place.clock.now());
      await pass(place, process, 100, 1);
    }
    await pass(place, process, 5_000, 1);
    stop.abort();
    await run;
    expect(place.stream.sizes.length).to.be.within(6, 8);
    expect(place.stream.taken).to.have.length(300);
  });

  it("sends a backlog five batches a second at most, oldest first, then what is fresh", async () => {
    await using place = await makeSpoolPlace();
    const process = await place.start();
    const { shipper, write, told } = process;
    place.stream.answer = DOWN;
    for (let nth = 0; nth < 80; nth += 1)
      await write(...records(100, { from: nth * 100, bytes: 1_000 }));
    const stop = new AbortController();
    const run = shipper.run(stop.signal);
    place.stream.answer = UP;
    const perSecond: number[] = [];
    for (let second = 0; second < 30; second += 1) {
      const before = place.stream.sizes.length;
      shipper.write(`r${8_000 + second}`, place.clock.now());
      await pass(place, process, 1_000, 10);
      perSecond.push(place.stream.sizes.length - before);
    }
    stop.abort();
    await run;
    expect(Math.max(...perSecond)).to.be.at.most(6);
    const numbers = numbersOf(place.stream.taken);
    expect(numbers.slice(0, 8_000)).to.deep.equal(Array.from({ length: 8_000 }, (_, nth) => nth));
    expect(numbers.length).to.be.above(8_010);
    expect(told).to.deep.equal([]);
  });
});

describe("ten thousand records a second for a minute", () => {
  const SECONDS = 60;
  const A_SECOND = 10_000;

  it("are held in bounded memory and bounded room, and each is sent or counted", async function () {
    this.timeout(120_000);
    await using place = await makeSpoolPlace();
    const limitBytes = 16 * MEBIBYTE;
    const { shipper, spool, flush } = await place.start({ limitBytes });
    place.stream.answer = DOWN;
    let memory = 0;
    let disk = 0;
    for (let second = 0; second < SECONDS; second += 1) {
      for (let tenth = 0; tenth < 10; tenth += 1) {
        const from = (second * 10 + tenth) * (A_SECOND / 10);
        for (const line of records(A_SECOND / 10, { from, bytes: 100 })) {
          shipper.write(line, place.clock.now());
        }
        place.clock.setWallClock(place.clock.now() + 100);
        memory = Math.max(memory, spool.memoryBytes);
        await new Promise(setImmediate);
      }
      if (second % 10 === 0) await flush();
      await spool.written();
      disk = Math.max(disk, await bytesBelow(place.directory));
    }
    expect(memory).to.be.at.most(8 * MEBIBYTE);
    expect(disk).to.be.at.most(limitBytes + 512);
    place.stream.answer = UP;
    expect(await flush()).to.equal(0);
    const numbers = numbersOf(place.stream.taken);
    expect(new Set(numbers).size).to.equal(numbers.length);
    expect(numbers.length + spool.losses.total).to.equal(SECONDS * A_SECOND);
    expect(numbers.at(-1)).to.equal(SECONDS * A_SECOND - 1);
    expect(numbers.length).to.be.above(100_000);
  });

  it("are held in bounded memory where there is no disk, and the newest of them are sent", async () => {
    const clock = new ManualClock(START);
    await using place = await makeSpoolPlace();
    const { shipper, spool, flush } = await place.start({ limitBytes: 0 });
    place.stream.answer = DOWN;
    let memory = 0;
    for (let second = 0; second < SECONDS; second += 1) {
      for (const line of records(A_SECOND, { from: second * A_SECOND })) {
        shipper.write(line, clock.now());
        memory = Math.max(memory, spool.memoryBytes);
      }
      await settle();
    }
    expect(memory).to.be.at.most(8 * MEBIBYTE);
    place.stream.answer = UP;
    expect(await flush()).to.equal(0);
    expect(place.stream.taken.length + spool.losses.total).to.equal(SECONDS * A_SECOND);
    expect(numbersOf(place.stream.taken).at(-1)).to.equal(SECONDS * A_SECOND - 1);
  });
});
