import { createHash } from "node:crypto";
import { mkdir, mkdtempDisposable, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Oracle } from "../../support/oracle.ts";

const sha256Of = (text: string) => createHash("sha256").update(text).digest("hex");

const bucketOf = (objects: Readonly<Record<string, string>>) =>
  new Map(Object.entries(objects).map(([key, text]) => [key, sha256Of(text)]));

describe("the oracle", () => {
  let folder: string;
  let temporary: Awaited<ReturnType<typeof mkdtempDisposable>>;
  let oracle: Oracle;

  const judge = (objects: Readonly<Record<string, string>>) =>
    oracle.verify({ objects: bucketOf(objects), directories: [folder] });

  beforeEach(async () => {
    temporary = await mkdtempDisposable(join(tmpdir(), "oracle-"));
    folder = temporary.path;
    oracle = new Oracle();
  });
  afterEach(() => temporary.remove());

  it("finds lost what is neither in the bucket nor on disk, and only that", async () => {
    await writeFile(join(folder, "a"), "on disk");
    oracle.closed(join(folder, "a"), "on disk");
    oracle.closed(join(folder, "b"), "in the bucket");
    oracle.closed(join(folder, "c"), "nowhere");
    const verdict = await judge({ b: "in the bucket" });
    expect(verdict.lost).to.deep.equal([
      { path: join(folder, "c"), sha256: sha256Of("nowhere"), bytes: 7 },
    ]);
    expect(verdict).to.include({ files: 3, bytes: 27, onDisk: 1, duplicates: 0 });
  });

  it("finds a file on disk under any name and in any folder, dot files too", async () => {
    await mkdir(join(folder, ".aside"));
    await writeFile(join(folder, "a"), "content");
    oracle.closed(join(folder, "a"), "content");
    await rename(join(folder, "a"), join(folder, ".aside", ".a"));
    expect((await judge({})).lost).to.deep.equal([]);
  });

  it("takes no link for a file", async () => {
    await writeFile(`${folder}-elsewhere`, "content");
    try {
      await symlink(`${folder}-elsewhere`, join(folder, "a"));
      oracle.closed(join(folder, "a"), "content");
      expect((await judge({})).lost).to.have.length(1);
    } finally {
      await rm(`${folder}-elsewhere`);
    }
  });

  it("finds the older of two versions lost as well", async () => {
    oracle.closed("a", "first");
    oracle.closed("a", "second");
    expect((await judge({ a: "second" })).lost).to.have.length(1);
  });

  it("misses nothing that its producer took away, and allows it in the bucket", async () => {
    oracle.closed("a", "first");
    oracle.abandoned("a", "first");
    oracle.closed("a", "second");
    expect(await judge({ a: "second" })).to.deep.include({ lost: [], foreign: [], files: 1 });
    expect(await judge({ a: "first", b: "second" })).to.deep.include({ lost: [], foreign: [] });
  });

  it("still misses the same content that another path was closed with", async () => {
    for (const path of ["a", "b"]) oracle.closed(path, "same");
    oracle.abandoned("a", "same");
    expect((await judge({})).lost.map(({ path }) => path)).to.deep.equal(["b"]);
  });

  it("finds an object foreign whose bytes nobody closed, a part of a file too", async () => {
    oracle.closed("a", "whole");
    const verdict = await judge({ a: "whole", half: "who", other: "else" });
    expect(verdict.foreign.map(({ key }) => key)).to.deep.equal(["half", "other"]);
  });

  it("finds an unfinished file touched when a state of it is in the bucket", async () => {
    const path = join(folder, "a");
    await writeFile(path, "12");
    oracle.writing(path, "1");
    oracle.writing(path, "12");
    expect((await judge({})).touched).to.deep.equal([]);
    expect((await judge({ a: "1" })).touched).to.deep.equal([{ path, what: "uploaded" }]);
    oracle.closed(path, "123");
    expect((await judge({ a: "12" })).touched).to.deep.equal([{ path, what: "uploaded" }]);
  });

  it("finds an unfinished file touched when it is gone, and not once it is closed", async () => {
    const path = join(folder, "a");
    oracle.writing(path, "12");
    expect((await judge({})).touched).to.deep.equal([{ path, what: "gone from disk" }]);
    oracle.closed(path, "123");
    expect((await judge({ a: "123" })).touched).to.deep.equal([]);
  });

  it("allows a file that is closed with what it held while it was written", async () => {
    oracle.writing("a", "12");
    oracle.closed("a", "12");
    expect(await judge({ a: "12" })).to.deep.include({ lost: [], foreign: [], touched: [] });
  });

  it("counts as duplicates the objects beyond the first with the same content", async () => {
    oracle.closed("a", "one");
    oracle.closed("b", "two");
    expect(await judge({ a: "one", "a-1": "one", "a-2": "one", b: "two" })).to.include({
      duplicates: 2,
    });
  });
});
