import { execFileSync } from "node:child_process";
import { mkdir, readdir, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import type { BatchAnswer } from "../../../src/logs/log-destination.ts";
import { makeSpoolPlace, numbersOf, records } from "../../support/spool-place.ts";

const DOWN: BatchAnswer = { kind: "failed", code: "ECONNREFUSED", message: "down" };
const UP: BatchAnswer = { kind: "accepted", rejected: 0 };

/** What somebody does to the oldest segment, or the cursor, while the agent is at work. */
const DISTURBANCES: Readonly<Record<string, (path: string) => Promise<void>>> = {
  "is gone": (path) => rm(path),
  "is empty": (path) => truncate(path, 0),
  "is a directory": async (path) => {
    await rm(path);
    await mkdir(path);
  },
  "is a FIFO": async (path) => {
    await rm(path);
    execFileSync("mkfifo", [path]);
  },
  "is a link": async (path) => {
    await rm(path);
    await symlink("/dev/zero", path);
  },
  "is another file": (path) => writeFile(path, "something else\n".repeat(1_000)),
};

describe("a spool that somebody disturbs while it is in use", () => {
  for (const [what, disturb] of Object.entries(DISTURBANCES)) {
    it(`sends everything else, and counts what is lost, when its oldest segment ${what}`, async () => {
      await using place = await makeSpoolPlace();
      place.stream.answer = DOWN;
      const { write, flush, spool } = await place.start();
      for (let nth = 0; nth < 30; nth += 1) {
        await write(...records(100, { from: nth * 100, bytes: 1_000 }));
      }
      const [oldest = ""] = (await readdir(place.directory)).toSorted();
      await disturb(join(place.directory, oldest));
      place.stream.answer = UP;
      expect(await flush()).to.equal(0);
      const numbers = numbersOf(place.stream.taken);
      expect(numbers).to.deep.equal(numbers.toSorted((one, other) => one - other));
      expect(numbers.at(-1)).to.equal(2_999);
      expect(numbers.length).to.be.above(1_900).and.below(3_000);
      expect(numbers.length + spool.losses.total).to.equal(3_000);
    });

    it(`loses and repeats nothing while it runs, and starts again, when its cursor ${what}`, async () => {
      await using place = await makeSpoolPlace();
      const first = await place.start();
      await first.write(...records(3));
      await first.flush();
      await disturb(join(place.directory, "cursor"));
      await first.write(...records(3, { from: 3 }));
      await first.flush();
      expect(numbersOf(place.stream.taken)).to.deep.equal([0, 1, 2, 3, 4, 5]);
      await first.write(...records(3, { from: 6 }));
      const second = await place.start();
      await second.flush();
      expect(new Set(numbersOf(place.stream.taken)).size).to.equal(9);
    });
  }

  it("goes on at its place when its directory is moved away, for the next process", async () => {
    await using place = await makeSpoolPlace();
    place.stream.answer = DOWN;
    const first = await place.start();
    await first.write("r0");
    await rename(place.directory, join(place.folder, "away"));
    await first.write("r1");
    const second = await place.start();
    place.stream.answer = UP;
    await second.flush();
    expect(numbersOf(place.stream.taken)).to.deep.equal([1]);
    // Whoever has it open still has what was in it.
    await first.flush();
    expect(numbersOf(place.stream.taken)).to.include(0);
    expect(first.spool.losses.total).to.equal(0);
  });
});

describe("a spool that another owner has left", () => {
  it("is dropped and counted, so that no log group gets the records of another one", async () => {
    await using place = await makeSpoolPlace();
    const first = await place.start({ owner: "/agent/old" });
    for (let nth = 0; nth < 30; nth += 1) {
      await first.write(...records(100, { from: nth * 100, bytes: 1_000 }));
    }
    const batch = await first.spool.next(7);
    if (batch !== undefined) await first.spool.acknowledge(batch);
    const second = await place.start();
    expect([second.spool.waiting, second.spool.losses.total]).to.deep.equal([0, 2_993]);
    await second.write("r3000");
    expect(await second.flush()).to.equal(0);
    expect(numbersOf(place.stream.taken)).to.deep.equal([3_000]);
    expect(second.told).to.have.length(1);
    expect(second.told[0]).to.include({ event: "logs.dropped", reason: "foreign", records: 2_993 });
    // What is told is not told again, and what is its own is kept.
    await second.write("r3001");
    const third = await place.start();
    await third.flush();
    expect(numbersOf(place.stream.taken)).to.deep.equal([3_000, 3_001]);
    expect(third.spool.losses.total).to.equal(0);
  });
});
