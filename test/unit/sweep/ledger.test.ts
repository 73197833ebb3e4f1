import { mkdtempDisposable, readFile, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect } from "chai";
import fc from "fast-check";
import { Ledger, type Uploaded } from "../../../src/sweep/ledger.ts";
import { stateFileIn } from "../../support/entries.ts";
import { hardPath } from "../../support/names.ts";
import { runOnTinyDisk } from "../../support/tiny-disk.ts";

const ROOT = "/watched";

const uploaded = (inode: number, changes: Partial<Uploaded> = {}): Uploaded => ({
  root: ROOT,
  path: Buffer.from(`d/f${inode}`),
  inode: BigInt(inode),
  bytes: 10n,
  mtimeNs: 1_700_000_000_123_456_789n,
  sha256: "0123456789abcdef".repeat(4),
  bucket: "b",
  key: `p/d/f${inode}`,
  ...changes,
});

async function makePlace() {
  const folder = await mkdtempDisposable(`${tmpdir()}/s3oa-ledger-`);
  const file = stateFileIn(folder.path, "ledger");
  const ledger = Ledger.of(file, await file.load());
  return {
    file,
    ledger,
    /** What an agent knows that is started now, whether this one has ended well or not. */
    async later() {
      const again = stateFileIn(folder.path, "ledger");
      return Ledger.of(again, await again.peek());
    },
    async [Symbol.asyncDispose]() {
      await file.close();
      await folder.remove();
    },
  };
}

const inodesIn = (ledger: Ledger) => [...ledger.list()].map(({ inode }) => Number(inode));

describe("the ledger", () => {
  it("finds a file by its facts, whatever it is called now", async () => {
    await using place = await makePlace();
    const one = uploaded(1);
    await place.ledger.add(one);
    expect(place.ledger.find(ROOT, one)).to.equal(one);
    for (const changes of [{ inode: 2n }, { bytes: 11n }, { mtimeNs: one.mtimeNs + 1n }]) {
      expect(place.ledger.find(ROOT, { ...one, ...changes })).to.equal(undefined);
    }
    expect(place.ledger.find("/other", one)).to.equal(undefined);
  });

  it("what was added is on disk when that resolves, as it was, whatever the name", async () => {
    await using place = await makePlace();
    await fc.assert(
      fc.asyncProperty(
        hardPath.filter((path) => !path.includes("/") && !/^\.{1,2}$/.test(path.toString())),
        async (path) => {
          await place.ledger.add(uploaded(1, { path }));
          expect([...(await place.later()).list()]).to.deep.equal([uploaded(1, { path })]);
        },
      ),
      { numRuns: 30 },
    );
  });

  it("the same file uploaded to another bucket or under another name is one, as it was last", async () => {
    await using place = await makePlace();
    await place.ledger.add(uploaded(1));
    const last = uploaded(1, { bucket: "other", path: Buffer.from("g"), key: "g" });
    await place.ledger.add(last);
    expect(place.ledger.size).to.equal(1);
    expect(place.ledger.find(ROOT, last)).to.equal(last);
    expect([...(await place.later()).list()]).to.deep.equal([last]);
  });

  it("what was dropped is not known again after a restart, and can come anew", async () => {
    await using place = await makePlace();
    for (const inode of [1, 2, 3]) await place.ledger.add(uploaded(inode));
    place.ledger.drop(uploaded(2));
    place.ledger.drop(uploaded(9));
    expect(inodesIn(place.ledger)).to.deep.equal([1, 3]);
    await place.file.close();
    expect(inodesIn(await place.later())).to.deep.equal([1, 3]);
    await place.ledger.add(uploaded(2));
    expect(inodesIn(await place.later())).to.deep.equal([1, 3, 2]);
  });

  it("a drop that a crash has lost leaves the file known, which does no harm", async () => {
    await using place = await makePlace();
    await place.ledger.add(uploaded(1));
    place.ledger.drop(uploaded(1));
    expect(inodesIn(await place.later())).to.deep.equal([1]);
  });

  it("is written anew when most of it is of no use any more, and not before", async () => {
    await using place = await makePlace();
    const { ledger, file } = place;
    await ledger.add(uploaded(0));
    const { ino } = await stat(file.path);
    await ledger.compact();
    expect((await stat(file.path)).ino).to.equal(ino);
    for (let inode = 1; file.bytes < 2 ** 20 + 4_000; inode += 1) {
      const adding = Array.from({ length: 200 }, (_, n) => uploaded(1_000 * inode + n));
      await Promise.all(adding.map((one) => ledger.add(one)));
      for (const one of adding) ledger.drop(one);
    }
    await ledger.compact();
    expect(file.bytes).to.be.below(2_000);
    // Files that come after it are still there, and what was noted before it changes nothing.
    await ledger.add(uploaded(5));
    expect(inodesIn(await place.later())).to.deep.equal([0, 5]);
  });

  it("loses nothing that was acknowledged, whoever compacts it while others add and drop", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom("add", "add", "drop", "compact", "waste", "turn"), {
          minLength: 5,
          maxLength: 60,
        }),
        async (acts) => {
          await using place = await makePlace();
          const { ledger, file } = place;
          // With so much of no use in the file a compaction is worth it.
          const waste = () => file.append({ waste: "x".repeat(2 ** 20 + 60 * 1_000) });
          await waste();
          const running: Promise<void>[] = [];
          const acknowledged: number[] = [];
          const dropped = new Set<number>();
          for (const [inode, act] of acts.entries()) {
            if (act === "add") {
              const adding = ledger.add(uploaded(inode));
              running.push(adding.then(() => void acknowledged.push(inode)));
            } else if (act === "drop") {
              const oldest = acknowledged.find((one) => !dropped.has(one));
              if (oldest === undefined) continue;
              dropped.add(oldest);
              ledger.drop(uploaded(oldest));
            } else if (act === "compact") running.push(ledger.compact());
            else if (act === "waste") running.push(waste());
            else await nextTurn();
          }
          await Promise.all(running);
          const left = acknowledged.filter((one) => !dropped.has(one));
          // A drop that is not written yet does no harm; what was added and not dropped is there.
          expect(inodesIn(await place.later())).to.include.members(left);
          await file.close();
          expect(inodesIn(await place.later())).to.have.members(left);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("is left alone while what it holds is of use", async () => {
    await using place = await makePlace();
    const { ledger, file } = place;
    const adding = Array.from({ length: 6_000 }, (_, inode) => uploaded(inode));
    await Promise.all(adding.map((one) => ledger.add(one)));
    expect(file.bytes).to.be.greaterThan(2 ** 20);
    const { ino } = await stat(file.path);
    await ledger.compact();
    expect((await stat(file.path)).ino).to.equal(ino);
  });

  it("no more than 50,000 are remembered: those added last", () => {
    const file = stateFileIn("/nonexistent", "ledger");
    const records = Array.from({ length: 50_010 }, (_, n) => {
      const { inode, bytes, mtimeNs, path, ...rest } = uploaded(n);
      const [texts, name] = [[inode, bytes, mtimeNs].map(String), path.toString()];
      return { ...rest, path: name, inode: texts[0], bytes: texts[1], mtimeNs: texts[2] };
    });
    // The first one is uploaded once more at the end: it is young again.
    const ledger = Ledger.of(file, [
      ...records.slice(0, 50_000),
      records[0],
      ...records.slice(-10),
    ]);
    expect(ledger.size).to.equal(50_000);
    expect(ledger.find(ROOT, uploaded(0))).not.to.equal(undefined);
    expect(ledger.find(ROOT, uploaded(10))).to.equal(undefined);
    expect(ledger.find(ROOT, uploaded(11))).not.to.equal(undefined);
    expect(ledger.find(ROOT, uploaded(50_009))).not.to.equal(undefined);
  });
});

describe("the ledger: what it reads", () => {
  const { inode, bytes, mtimeNs, path, ...rest } = uploaded(1);
  const whole = {
    ...rest,
    path: path.toString(),
    inode: String(inode),
    bytes: String(bytes),
    mtimeNs: String(mtimeNs),
  };
  const read = (record: unknown) => Ledger.of(stateFileIn("/nonexistent", "ledger"), [record]).size;

  it("takes a whole record", () => expect(read(whole)).to.equal(1));

  const bad: readonly (readonly [keyof typeof whole, readonly unknown[]])[] = [
    ["root", ["", 1, null, undefined]],
    ["path", ["", "..", "../x", "a/../b", "/etc/x", "a//b", "a/", ".", "a%00b", "%2E%2E/x", 1]],
    ["inode", ["", "x", "1.5", "1e3", "0x1", " 1", 1, "9".repeat(31)]],
    ["bytes", ["", "ten", null]],
    ["mtimeNs", ["", "1n", undefined]],
    ["sha256", ["", "0".repeat(63), "0".repeat(65), "G".repeat(64), "A".repeat(64)]],
    ["bucket", ["", 1]],
    ["key", ["", []]],
  ];
  for (const [name, values] of bad) {
    it(`takes none with another ${name}`, () => {
      for (const value of values) expect(read({ ...whole, [name]: value })).to.equal(0);
    });
  }

  it("takes nothing else, and the rest all the same", () => {
    const none = [null, undefined, 1, "a", [], {}, { dropped: 1 }, { dropped: "unknown" }];
    const ledger = Ledger.of(stateFileIn("/nonexistent", "ledger"), [...none, whole, ...none]);
    expect(ledger.size).to.equal(1);
  });
});

describe("the ledger on a full disk", () => {
  it("says that it is not written, and knows the file all the same until it ends", async () => {
    await using folder = await mkdtempDisposable(`${tmpdir()}/s3oa-ledger-`);
    const said = runOnTinyDisk(
      folder.path,
      `
      const { Ledger } = await import(${JSON.stringify(import.meta.resolve("../../../src/sweep/ledger.ts"))});
      const { stateFileIn } = await import(${JSON.stringify(import.meta.resolve("../../support/entries.ts"))});
      const file = stateFileIn(disk, "ledger");
      const ledger = Ledger.of(file, await file.load());
      fill();
      const one = { root: "/r", path: Buffer.from("f"), inode: 1n, bytes: 1n, mtimeNs: 1n,
        sha256: "0".repeat(64), bucket: "b", key: "k".repeat(5000) };
      const said = { add: await codeOf(ledger.add(one)), isKnown: ledger.find("/r", one) === one };
      said.later = Ledger.of(file, await stateFileIn(disk, "ledger").peek()).size;
      process.stdout.write(JSON.stringify(said));`,
    );
    expect(said).to.deep.equal({ add: "ENOSPC", isKnown: true, later: 0 });
  });

  it("is a file of lines with a checksum each, which people can read", async () => {
    await using place = await makePlace();
    await place.ledger.add(uploaded(1));
    const lines = (await readFile(place.file.path, "utf8")).split("\n");
    expect(lines[1]).to.match(/^[0-9a-f]{8} \{.*"path":"d\/f1".*\}$/);
  });
});
