import {
  appendFile,
  copyFile,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { expect } from "chai";
import type { BatchAnswer } from "../../../src/logs/log-destination.ts";
import { makeSpoolPlace, numbersOf, records } from "../../support/spool-place.ts";

const DOWN: BatchAnswer = { kind: "failed", code: "ECONNREFUSED", message: "down" };
const UP: BatchAnswer = { kind: "accepted", rejected: 0 };

const upTo = (count: number) => Array.from({ length: count }, (_, nth) => nth);

async function segmentsOf(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.endsWith(".log")).toSorted();
}

describe("a spool", () => {
  it("has on disk what was written, for the next process, in the order of writing", async () => {
    await using place = await makeSpoolPlace();
    const first = await place.start();
    await first.write(...records(3));
    expect([first.spool.waiting, first.spool.onlyInMemory]).to.deep.equal([3, 0]);
    const second = await place.start();
    expect(second.spool.waiting).to.equal(3);
    await second.write(...records(2, { from: 3 }));
    expect(await second.flush()).to.equal(0);
    expect(numbersOf(place.stream.taken)).to.deep.equal(upTo(5));
  });

  it("keeps each record exactly as it was, with its own time", async () => {
    await using place = await makeSpoolPlace();
    const lines = ['{"a":"ü€📦"}', " spaces  and \\n ", "1 2 3", "x".repeat(200_000)];
    const first = await place.start();
    for (const line of lines) {
      await first.write(line);
      place.clock.setWallClock(place.clock.now() + 1_000);
    }
    const second = await place.start();
    await second.flush();
    expect(place.stream.taken).to.deep.equal(lines);
    const since = place.stream.takenAt.map((time) => time - (place.stream.takenAt[0] ?? 0));
    expect(since).to.deep.equal([0, 1_000, 2_000, 3_000]);
  });

  it("leaves no segment behind when all was accepted and it was closed", async () => {
    await using place = await makeSpoolPlace();
    const { write, flush, spool } = await place.start();
    await write(...records(3));
    await flush();
    await spool.close();
    expect(await readdir(place.directory)).to.deep.equal(["cursor"]);
  });

  it("sends what came before it was opened behind what an earlier process left", async () => {
    await using place = await makeSpoolPlace();
    await (await place.start()).write("r0");
    const late = await place.start({ directory: join(place.folder, "other") });
    late.spool.append({ timestamp: place.clock.now(), message: "r1", bytes: 28 });
    await late.spool.open(place.directory);
    const { flush } = await place.start();
    await flush();
    expect(place.stream.taken).to.deep.equal(["r0"]);
  });

  it("repeats one batch, and no more, when the process is killed before it heard the answer", async () => {
    await using place = await makeSpoolPlace();
    const first = await place.start();
    await first.write(...records(25_000, { bytes: 30 }));
    const batch = await first.spool.next();
    await place.stream.put(batch?.events ?? [], new AbortController().signal);
    const second = await place.start();
    await second.flush();
    const numbers = numbersOf(place.stream.taken);
    expect(new Set(numbers).size).to.equal(25_000);
    expect(numbers.length - 25_000).to.equal(batch?.events.length);
    expect(numbers.slice(0, 10_000)).to.deep.equal(upTo(10_000));
  });

  it("goes on where the last accepted batch ended, in the middle of a segment", async () => {
    await using place = await makeSpoolPlace();
    const first = await place.start();
    await first.write(...records(20));
    const batch = await first.spool.next(7);
    if (batch !== undefined) await first.spool.acknowledge(batch);
    const second = await place.start();
    expect(second.spool.waiting).to.equal(13);
    await second.flush();
    expect(numbersOf(place.stream.taken)).to.deep.equal(upTo(20).slice(7));
  });

  it("begins a new segment at a mebibyte, and deletes one when all of it was accepted", async () => {
    await using place = await makeSpoolPlace();
    const { write, flush } = await place.start();
    for (let nth = 0; nth < 40; nth += 1)
      await write(...records(100, { from: nth * 100, bytes: 1_000 }));
    const names = await segmentsOf(place.directory);
    expect(names.length).to.be.within(4, 6);
    for (const name of names) {
      expect((await stat(join(place.directory, name))).size).to.be.at.most(2 ** 20);
    }
    expect(await flush()).to.equal(0);
    expect(numbersOf(place.stream.taken)).to.deep.equal(upTo(4_000));
    expect(await segmentsOf(place.directory)).to.have.length(1);
  });
});

describe("a spool that is at its limit", () => {
  it("drops the oldest segment, counts each record, and takes no more than the limit", async () => {
    await using place = await makeSpoolPlace();
    place.stream.answer = DOWN;
    const limitBytes = 2 ** 20;
    const { write, flush, told, spool } = await place.start({ limitBytes });
    for (let nth = 0; nth < 60; nth += 1) {
      await write(...records(40, { from: nth * 40, bytes: 1_000 }));
      let bytes = 0;
      for (const name of await segmentsOf(place.directory)) {
        bytes += (await stat(join(place.directory, name))).size;
      }
      expect(bytes).to.be.at.most(limitBytes);
    }
    place.stream.answer = UP;
    expect(await flush()).to.equal(0);
    const numbers = numbersOf(place.stream.taken);
    const dropped = 2_400 - numbers.length;
    expect(dropped).to.be.within(1_300, 1_700);
    expect(numbers).to.deep.equal(upTo(2_400).slice(dropped));
    expect(spool.losses.total).to.equal(dropped);
    expect(told.at(-1)).to.deep.include({
      event: "logs.dropped",
      reason: "full",
      records: dropped,
    });
  });

  it("does not count as dropped what was under way and arrived", async () => {
    await using place = await makeSpoolPlace();
    const { write, shipper, spool } = await place.start({ limitBytes: 2 ** 20 });
    await write(...records(500, { bytes: 1_000 }));
    place.stream.isHeld = true;
    const flushing = shipper.flush(new AbortController().signal);
    while (place.stream.held.length === 0) await spool.written();
    for (let nth = 0; nth < 40; nth += 1)
      await write(...records(50, { from: 500 + nth * 50, bytes: 1_000 }));
    place.stream.isHeld = false;
    place.stream.held[0]?.();
    expect(await flushing).to.equal(0);
    const numbers = numbersOf(place.stream.taken);
    expect(new Set(numbers).size).to.equal(numbers.length);
    expect(numbers.slice(0, 500)).to.deep.equal(upTo(500));
    expect(numbers.length + spool.losses.total).to.equal(2_500);
  });

  it("counts what was dropped while it was under way and did not arrive", async () => {
    await using place = await makeSpoolPlace();
    const { write, shipper, spool, flush } = await place.start({ limitBytes: 2 ** 20 });
    await write(...records(500, { bytes: 1_000 }));
    place.stream.isHeld = true;
    const flushing = shipper.flush(new AbortController().signal);
    while (place.stream.held.length === 0) await spool.written();
    for (let nth = 0; nth < 40; nth += 1)
      await write(...records(50, { from: 500 + nth * 50, bytes: 1_000 }));
    place.stream.held[0]?.(DOWN);
    await flushing;
    place.stream.isHeld = false;
    expect(await flush()).to.equal(0);
    const numbers = numbersOf(place.stream.taken);
    expect(new Set(numbers).size).to.equal(numbers.length);
    expect(numbers.length + spool.losses.total).to.equal(2_500);
  });

  it("gives each of two spools its half, and takes from the one that has more", async () => {
    await using place = await makeSpoolPlace();
    const state = await place.start({ limitBytes: 2 ** 21 });
    const { space } = state;
    const files = await place.start({ space, directory: join(place.folder, "files") });
    await state.write(...records(500, { bytes: 1_000 }));
    for (let nth = 0; nth < 60; nth += 1) await files.write(...records(100, { bytes: 1_000 }));
    expect(state.spool.losses.total).to.equal(0);
    expect(files.spool.losses.total).to.be.above(4_000);
    await state.flush();
    expect(numbersOf(place.stream.taken)).to.deep.equal(upTo(500));
  });

  it("shrinks when the limit is lowered, and is of no use to the disk at all with none", async () => {
    await using place = await makeSpoolPlace();
    const { write, flush, space, spool } = await place.start();
    for (let nth = 0; nth < 50; nth += 1)
      await write(...records(100, { from: nth * 100, bytes: 1_000 }));
    space.setLimit(2 ** 21);
    await spool.written();
    const left = spool.waiting;
    expect(left).to.be.within(1_000, 2_100);
    expect(left + spool.losses.total).to.equal(5_000);
    space.setLimit(0);
    await write(...records(10, { from: 5_000, bytes: 1_000 }));
    expect(spool.onlyInMemory).to.equal(10);
    expect(await flush()).to.equal(0);
    expect(numbersOf(place.stream.taken)).to.deep.equal(upTo(5_010).slice(5_000 - left));
  });

  it("tells of what an earlier process has dropped and could not tell", async () => {
    await using place = await makeSpoolPlace();
    const first = await place.start({ limitBytes: 2 ** 20 });
    for (let nth = 0; nth < 30; nth += 1) await first.write(...records(100, { bytes: 1_000 }));
    const dropped = first.spool.losses.total;
    expect(dropped).to.be.above(1_000);
    const second = await place.start();
    await second.flush();
    expect(second.told).to.deep.equal([
      {
        event: "logs.dropped",
        destination: place.stream.name,
        records: dropped,
        reason: "full",
        Fleet: "web",
        LogEventsDropped: dropped,
      },
    ]);
    // Once it is told, nobody tells it again.
    await second.write("later");
    await second.flush();
    const third = await place.start();
    await third.write("last");
    await third.flush();
    expect(third.told).to.deep.equal([]);
  });
});

describe("a spool that finds leftovers", () => {
  it("loses of a damaged segment only the damaged records, and counts them", async () => {
    await using place = await makeSpoolPlace();
    await (await place.start()).write(...records(10, { bytes: 50 }));
    const [name = ""] = await segmentsOf(place.directory);
    const path = join(place.directory, name);
    const lines = (await readFile(path, "latin1")).split("\n");
    // Line 0 is the header: records 3 and 7 are hit, and 5 swallows the line end before 6.
    lines[4] = lines[4]?.replace("xx", "xy") ?? "";
    lines[8] = "\0".repeat(40);
    lines.splice(6, 2, `${lines[6]}${lines[7]}`);
    await writeFile(path, lines.join("\n"), "latin1");
    const { flush, told, spool } = await place.start();
    expect(await flush()).to.equal(0);
    expect(numbersOf(place.stream.taken)).to.deep.equal([0, 1, 2, 4, 8, 9]);
    expect(spool.losses.total).to.equal(4);
    expect(told[0]).to.include({ event: "logs.dropped", reason: "damaged", records: 4 });
  });

  it("takes a torn last line for one damaged record, and never writes behind it", async () => {
    await using place = await makeSpoolPlace();
    await (await place.start()).write(...records(3));
    const [name = ""] = await segmentsOf(place.directory);
    await appendFile(join(place.directory, name), "deadbeef 3 179");
    const { write, flush, spool } = await place.start();
    await write(...records(2, { from: 3 }));
    expect(await flush()).to.equal(0);
    expect(numbersOf(place.stream.taken)).to.deep.equal([0, 1, 2, 3, 4]);
    expect(spool.losses.total).to.equal(1);
  });

  it("sends again what is there when the cursor is missing or damaged, in whichever slot", async () => {
    for (const damage of ["gone", "empty", "first slot", "second slot", "both slots"]) {
      await using place = await makeSpoolPlace();
      const first = await place.start();
      await first.write(...records(9));
      for (const count of [2, 3]) {
        const batch = await first.spool.next(count);
        if (batch !== undefined) await first.spool.acknowledge(batch);
      }
      const path = join(place.directory, "cursor");
      const text = await readFile(path, "latin1");
      const broken = "0".repeat(255);
      if (damage === "gone") await rm(path);
      if (damage === "empty") await writeFile(path, "");
      if (damage === "first slot") await writeFile(path, broken + text.slice(255));
      if (damage === "second slot") await writeFile(path, `${text.slice(0, 256)}${broken}\n`);
      if (damage === "both slots") await writeFile(path, `${broken}\n${broken}\n`);
      const { flush, spool } = await place.start();
      expect(await flush(), damage).to.equal(0);
      expect(spool.losses.total, damage).to.equal(0);
      const [begin = -1, ...rest] = numbersOf(place.stream.taken);
      expect(begin, damage).to.be.oneOf(damage.endsWith("slot") ? [2, 5] : [0]);
      expect(rest.at(-1), damage).to.equal(8);
    }
  });

  it("counts the records of a segment that is missing", async () => {
    await using place = await makeSpoolPlace();
    const first = await place.start();
    for (let nth = 0; nth < 30; nth += 1)
      await first.write(...records(100, { from: nth * 100, bytes: 1_000 }));
    const names = await segmentsOf(place.directory);
    expect(names.length).to.be.above(2);
    await rm(join(place.directory, names[1] ?? ""));
    const { flush, spool } = await place.start();
    expect(await flush()).to.equal(0);
    expect(place.stream.taken.length + spool.losses.total).to.equal(3_000);
    expect(spool.losses.total).to.equal(
      Number.parseInt(names[2] ?? "", 10) - Number.parseInt(names[1] ?? "", 10),
    );
  });

  it("leaves alone what is not its own, and does not follow links", async () => {
    await using place = await makeSpoolPlace();
    await mkdir(join(place.directory, "0000000000000000.log"), { recursive: true });
    await writeFile(join(place.directory, "notes.txt"), "mine");
    await writeFile(join(place.folder, "secret"), "not to be read");
    await symlink(join(place.folder, "secret"), join(place.directory, "0000000000000005.log"));
    const { write, flush, spool } = await place.start();
    await write(...records(3));
    expect(await flush()).to.equal(0);
    expect(numbersOf(place.stream.taken)).to.deep.equal([0, 1, 2]);
    expect(spool.losses.total).to.be.at.most(1);
    const inside = await readdir(place.directory, { withFileTypes: true });
    const kindOf = (name: string) => inside.find((one) => one.name === name);
    expect(kindOf("0000000000000000.log")?.isDirectory()).to.equal(true);
    expect(kindOf("0000000000000005.log")?.isSymbolicLink()).to.equal(true);
    expect(kindOf("notes.txt")?.isFile()).to.equal(true);
  });

  it("sets aside a segment of a newer version, and deletes nothing of it", async () => {
    await using place = await makeSpoolPlace();
    await mkdir(place.directory);
    const header = "s3-offload-agent spool 2";
    const checksum = crc32(header).toString(16).padStart(8, "0");
    const newer = `${checksum} ${header}\nwhat nobody knows yet\n`;
    await writeFile(join(place.directory, "0000000000000000.log"), newer);
    const { write, flush, setAside, spool } = await place.start();
    await write("r0");
    expect(await flush()).to.equal(0);
    expect(place.stream.taken).to.deep.equal(["r0"]);
    const aside = join(place.directory, "0000000000000000.log.set-aside-1");
    expect([setAside, await readFile(aside, "utf8")]).to.deep.equal([[aside], newer]);
    expect(spool.losses.total).to.equal(0);
  });

  it("deletes an accepted segment that a crash has left, and sends nothing of it", async () => {
    await using place = await makeSpoolPlace();
    const first = await place.start();
    await first.write(...records(3));
    const [name = ""] = await segmentsOf(place.directory);
    const content = await readFile(join(place.directory, name));
    await first.flush();
    await first.spool.close();
    await writeFile(join(place.directory, name), content);
    const { flush } = await place.start();
    await flush();
    expect(numbersOf(place.stream.taken)).to.deep.equal([0, 1, 2]);
    expect(await segmentsOf(place.directory)).to.deep.equal([]);
  });

  it("takes no record from a segment with the numbers of others, and goes on behind it", async () => {
    await using other = await makeSpoolPlace();
    await (await other.start()).write(...records(100));
    await (await other.start()).write(...records(3, { from: 100 }));
    await using place = await makeSpoolPlace();
    await (await place.start()).write(...records(3));
    await (await place.start()).write(...records(3, { from: 3 }));
    const foreign = join(other.directory, "0000000000000100.log");
    await copyFile(foreign, join(place.directory, "0000000000000000.log"));
    const { write, flush, spool } = await place.start();
    await write(...records(2, { from: 6 }));
    expect(await flush()).to.equal(0);
    expect(numbersOf(place.stream.taken)).to.deep.equal([3, 4, 5, 6, 7]);
    expect(spool.losses.total).to.equal(3);
  });
});

describe("a spool whose directory is removed", () => {
  it("still sends what was in it, and has a new one for what comes", async () => {
    await using place = await makeSpoolPlace();
    place.stream.answer = DOWN;
    const first = await place.start();
    await first.write(...records(5));
    await first.flush();
    await rm(place.directory, { recursive: true });
    await first.write(...records(5, { from: 5 }));
    expect(await segmentsOf(place.directory)).to.have.length(1);
    place.stream.answer = UP;
    expect(await first.flush()).to.equal(0);
    expect(numbersOf(place.stream.taken)).to.deep.equal(upTo(10));
    await first.write(...records(1, { from: 10 }));
    const { flush } = await place.start();
    await flush();
    expect(numbersOf(place.stream.taken)).to.deep.equal(upTo(11));
  });
});
