import {
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { expect } from "chai";
import { Directories } from "../../../src/sweep/directory.ts";
import { type Entry, entryOf } from "../../../src/sweep/entry.ts";
import { quarantine, releaseFromQuarantine } from "../../../src/sweep/quarantine.ts";
import { descriptorsBelow } from "../../support/descriptors.ts";
import { makePlace, type SweepPlace } from "../../support/sweep-place.ts";

const Q = ".s3oa-quarantine";

async function put(place: SweepPlace, at: string, content = at): Promise<Entry> {
  await mkdir(`${place.root}/${at}`.replace(/\/[^/]*$/, ""), { recursive: true });
  await writeFile(`${place.root}/${at}`, content);
  return await entryAt(place, at);
}

async function entryAt({ root }: SweepPlace, at: string, path = at): Promise<Entry> {
  const stats = await lstat(`${root}/${at}`, { bigint: true });
  return entryOf(Buffer.from(path), stats, Buffer.from(at));
}

const textOf = ({ root }: SweepPlace, at: string) => readFile(`${root}/${at}`, "utf8");
const directoriesOf = (place: SweepPlace) => place.context().directories;

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => "done",
    (error) => error.code ?? error.name,
  );
}

describe("quarantine", () => {
  it("moves the file to the same path below the quarantine, which is the owner's alone", async () => {
    await using place = await makePlace(0);
    const before = descriptorsBelow(place.root);
    const entry = await put(place, "d/e/f");
    const moved = await quarantine(entry, directoriesOf(place));
    expect(moved?.path.toString()).to.equal("d/e/f");
    expect(moved?.at.toString()).to.equal(`${Q}/d/e/f`);
    expect(moved).to.deep.equal(await entryAt(place, `${Q}/d/e/f`, "d/e/f"));
    expect(moved?.fingerprint.inode).to.equal(entry.fingerprint.inode);
    for (const made of [Q, `${Q}/d`, `${Q}/d/e`]) {
      expect((await stat(`${place.root}/${made}`)).mode & 0o777, made).to.equal(0o700);
    }
    expect(await readdir(`${place.root}/d/e`)).to.deep.equal([]);
    await directoriesOf(place)[Symbol.asyncDispose]();
    expect(descriptorsBelow(place.root)).to.equal(before);
  });

  it("a leftover goes there under the name that it had", async () => {
    await using place = await makePlace(0);
    await put(place, "d/.s3oa-0123456789abcdef-f", "content");
    const entry = await entryAt(place, "d/.s3oa-0123456789abcdef-f", "d/f");
    await quarantine(entry, directoriesOf(place));
    expect(await textOf(place, `${Q}/d/f`)).to.equal("content");
  });

  it("replaces nothing: a file whose place is taken stays", async () => {
    await using place = await makePlace(0);
    await put(place, `${Q}/f`, "older");
    const entry = await put(place, "f", "newer");
    expect(await quarantine(entry, directoriesOf(place))).to.equal(undefined);
    expect(await textOf(place, "f")).to.equal("newer");
    expect(await textOf(place, `${Q}/f`)).to.equal("older");
  });

  it("a file that has changed, or is another one or gone, stays", async () => {
    await using place = await makePlace(0);
    const entry = await put(place, "f");
    await writeFile(`${place.root}/f`, "changed");
    expect(await quarantine(entry, directoriesOf(place))).to.equal(undefined);
    const now = await entryAt(place, "f");
    await put(place, "g");
    await rename(`${place.root}/g`, `${place.root}/f`);
    expect(await quarantine(now, directoriesOf(place))).to.equal(undefined);
    expect(await textOf(place, "f")).to.equal("g");
    await rename(`${place.root}/f`, `${place.root}/elsewhere`);
    expect(await quarantine(now, directoriesOf(place))).to.equal(undefined);
    expect(await place.left()).not.to.include(Q);
  });

  it("what takes the name in the last moment is not told of as quarantined, and not lost", async () => {
    await using place = await makePlace(0);
    const entry = await put(place, "f", "bad");
    await put(place, "g", "good");
    class Striking extends Directories {
      override async open(path: Buffer) {
        // The way to the quarantine begins at the top, after the file was looked at.
        if (path.length === 0 && (await place.left()).includes("g") && this.isArmed) {
          await rename(`${place.root}/g`, `${place.root}/f`);
        }
        this.isArmed = true;
        return await super.open(path);
      }
      isArmed = false;
    }
    await using directories = new Striking(directoriesOf(place).root);
    expect(await quarantine(entry, directories)).to.equal(undefined);
    await place.run();
    expect(await textOf(place, "f")).to.equal("good");
    expect(place.observer.notices.at(-1)?.notice).to.deep.equal({ kind: "released" });
  });

  it("what cannot be done is thrown, and the file is where it was", async () => {
    for (const [code, prepare] of [
      ["ENOTDIR", (path: string) => writeFile(path, "")],
      ["ENOTDIR", (path: string) => symlink("/tmp", path)],
    ] as const) {
      await using place = await makePlace(0);
      const entry = await put(place, "f");
      await prepare(`${place.root}/${Q}`);
      expect(await codeOf(quarantine(entry, directoriesOf(place)))).to.equal(code);
      expect(await textOf(place, "f")).to.equal("f");
    }
  });
});

describe("releaseFromQuarantine", () => {
  it("gives the file its place back, making what is missing, and clears up behind it", async () => {
    await using place = await makePlace(0);
    await put(place, `${Q}/d/e/f`, "content");
    const entry = await entryAt(place, `${Q}/d/e/f`, "d/e/f");
    expect(await releaseFromQuarantine(entry, directoriesOf(place))).to.equal(true);
    expect(await textOf(place, "d/e/f")).to.equal("content");
    expect(await readdir(`${place.root}/${Q}`)).to.deep.equal([]);
  });

  it("removes no directory that still holds something", async () => {
    await using place = await makePlace(0);
    await put(place, `${Q}/d/e/f`);
    await put(place, `${Q}/d/g`);
    const entry = await entryAt(place, `${Q}/d/e/f`, "d/e/f");
    await releaseFromQuarantine(entry, directoriesOf(place));
    expect(await readdir(`${place.root}/${Q}/d`)).to.deep.equal(["g"]);
  });

  it("replaces nothing: whose place is taken stays in quarantine", async () => {
    await using place = await makePlace(0);
    await put(place, `${Q}/f`, "older");
    await put(place, "f", "newer");
    const entry = await entryAt(place, `${Q}/f`, "f");
    expect(await releaseFromQuarantine(entry, directoriesOf(place))).to.equal(false);
    expect(await textOf(place, "f")).to.equal("newer");
    expect(await textOf(place, `${Q}/f`)).to.equal("older");
  });

  it("a file that is gone is no failure; a way that is blocked is one, and the file stays", async () => {
    await using place = await makePlace(0);
    await put(place, `${Q}/d/f`, "content");
    const entry = await entryAt(place, `${Q}/d/f`, "d/f");
    await symlink("/tmp", `${place.root}/d`);
    expect(await codeOf(releaseFromQuarantine(entry, directoriesOf(place)))).to.equal("ENOTDIR");
    expect(await textOf(place, `${Q}/d/f`)).to.equal("content");
    await rename(`${place.root}/d`, `${place.root}/link`);
    await rename(`${place.root}/${Q}/d/f`, `${place.root}/elsewhere`);
    expect(await releaseFromQuarantine(entry, directoriesOf(place))).to.equal(false);
  });
});
