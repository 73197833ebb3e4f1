import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect } from "chai";
import { runOnTinyDisk } from "../../support/tiny-disk.ts";

const HEAD = `
import { makeSpoolPlace, numbersOf, records } from ${JSON.stringify(import.meta.resolve("../../support/spool-place.ts"))};
import { settle } from ${JSON.stringify(import.meta.resolve("../../support/manual-clock.ts"))};
const place = await makeSpoolPlace(disk);
const DOWN = { kind: "failed", code: "ECONNREFUSED", message: "down" };
const UP = { kind: "accepted", rejected: 0 };
place.stream.answer = DOWN;
const free = () => {
  const { bavail, blocks, bsize } = fs.statfsSync(disk);
  return { bytes: bavail * bsize, share: bavail / blocks };
};
/** A disk that refused is asked again only after a while. */
const later = () => place.clock.advance(10_000);
const said = {};
`;
const TAIL = `
place.stream.answer = UP;
said.left = await process_.flush();
said.numbers = numbersOf(place.stream.taken);
said.dropped = process_.spool.losses.total;
said.refused = process_.refused.map((text) => text.split(": ").at(-1));
process.stdout.write(JSON.stringify(said));
`;

async function onTinyDisk(script: string): Promise<Record<string, unknown>> {
  await using folder = await mkdtempDisposable(`${tmpdir()}/s3oa-spool-disk-`);
  return runOnTinyDisk(folder.path, HEAD + script + TAIL) as Record<string, unknown>;
}

const upTo = (count: number) => Array.from({ length: count }, (_, nth) => nth);

describe("a spool on a disk that fills up", () => {
  it("leaves a tenth of it free, keeps the rest in memory, and loses nothing of it", async () => {
    const said = await onTinyDisk(`
      const process_ = await place.start();
      for (let nth = 0; nth < 100; nth += 1) {
        await process_.write(...records(1, { from: nth, bytes: 1_000 }));
        await later();
      }
      said.share = free().share;
      said.inMemory = process_.spool.onlyInMemory;
    `);
    expect(said["share"]).to.be.within(0.1, 0.25);
    expect(said["inMemory"]).to.be.within(40, 80);
    expect(said).to.deep.include({
      left: 0,
      numbers: upTo(100),
      dropped: 0,
      refused: ["the filesystem is nearly full"],
    });
  });

  it("sends from memory what a full disk does not take, bounded and counted", async () => {
    const said = await onTinyDisk(`
      const process_ = await place.start({ memoryBytesMax: 20_000 });
      fill();
      await process_.write(...records(100, { bytes: 974 }));
      said.inMemory = process_.spool.onlyInMemory;
    `);
    const dropped = Number(said["dropped"]);
    expect(said["inMemory"]).to.be.within(18, 20);
    expect(dropped).to.equal(100 - Number(said["inMemory"]));
    expect(said).to.deep.include({ left: 0, numbers: upTo(100).slice(dropped) });
  });

  it("writes again when there is room, and tells of the trouble once each time", async () => {
    const said = await onTinyDisk(`
      const process_ = await place.start();
      await process_.write("r0");
      fill();
      await process_.write("r1");
      await later();
      await process_.write("r2");
      said.meanwhile = process_.spool.onlyInMemory;
      makeRoom();
      await later();
      await process_.write("r3");
      said.afterwards = process_.spool.onlyInMemory;
      fill();
      await process_.write("r4");
    `);
    expect(said).to.deep.include({ meanwhile: 2, afterwards: 0, left: 0, dropped: 0 });
    expect(said["numbers"]).to.deep.equal(upTo(5));
    expect(said["refused"]).to.have.length(2);
  });

  it("sends from a disk that has become read-only what is on it, and the rest from memory", async () => {
    const said = await onTinyDisk(`
      const first = await place.start();
      await first.write("r0", "r1");
      await first.spool.close();
      setReadOnly(true);
      const process_ = await place.start();
      await process_.write("r2");
      said.waiting = process_.spool.waiting;
    `);
    expect(said).to.deep.include({ waiting: 3, left: 0, dropped: 0, refused: ["EROFS"] });
    expect(said["numbers"]).to.deep.equal(upTo(3));
  });

  it("moves its cursor on a disk without room, so that a restart repeats nothing", async () => {
    const said = await onTinyDisk(`
      const first = await place.start();
      await first.write(...records(20));
      fill();
      const batch = await first.spool.next(12);
      await first.spool.acknowledge(batch);
      const process_ = await place.start();
      said.waiting = process_.spool.waiting;
    `);
    expect(said).to.deep.include({ waiting: 8, left: 0, dropped: 0 });
    expect(said["numbers"]).to.deep.equal(upTo(20).slice(12));
  });
});
