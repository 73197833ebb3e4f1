import { execFileSync } from "node:child_process";
import { lstat, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { expect } from "chai";
import { entryOf } from "../../../src/sweep/entry.ts";
import {
  type LeftoverContext,
  readOwnName,
  recoverLeftovers,
  restore,
} from "../../../src/sweep/leftovers.ts";
import { asideName } from "../../../src/sweep/own-names.ts";
import { POLICY } from "../../support/memory-store.ts";
import { makePlace, type SweepPlace } from "../../support/sweep-place.ts";

const HEX = "0123456789abcdef";
const aside = (name: string) => `.s3oa-${HEX}-${name}`;
const cutAside = (name: string) => asideName(Buffer.from(name), Buffer.from(HEX, "hex")).toString();
const long = (bytes: number) => "n".repeat(bytes - 1) + (bytes % 10);

/** The entry that a scan gives. */
async function entryAt({ root }: SweepPlace, path: string) {
  return entryOf(Buffer.from(path), await lstat(`${root}/${path}`, { bigint: true }));
}

/** Writes a file, with the directories above it, and gives its entry. */
async function put(place: SweepPlace, path: string, content = path) {
  await mkdir(`${place.root}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
  await writeFile(`${place.root}/${path}`, content);
  return await entryAt(place, path);
}

/** Writes down that a file was uploaded under this path. */
async function noteUploaded(place: SweepPlace, at: string, path: string): Promise<void> {
  const { inode, bytes, mtimeNs } = (await entryAt(place, at)).fingerprint;
  const { ledger, root } = place.context();
  const rest = { sha256: "0".repeat(64), bucket: "b", key: path };
  await ledger.add({ root, path: Buffer.from(path), inode, bytes, mtimeNs, ...rest });
}

const contextOf = (place: SweepPlace): LeftoverContext => place.context();

/** What the agent takes a name for: the path of a leftover, or which other kind it is. */
async function readAs(place: SweepPlace, at: string): Promise<string> {
  const own = readOwnName(await entryAt(place, at), contextOf(place));
  return own.kind === "leftover" ? own.entry.path.toString() : `(${own.kind})`;
}

describe("readOwnName", () => {
  it("a leftover is a file under the name that it had, in the directory where it is", async () => {
    await using place = await makePlace(0);
    for (const directory of ["", "d/", "d/e/"]) {
      await put(place, `${directory}${aside("f")}`);
      expect(await readAs(place, `${directory}${aside("f")}`)).to.equal(`${directory}f`);
    }
  });

  it("keeps where the file is, and its facts", async () => {
    await using place = await makePlace(0);
    const entry = await put(place, `d/${aside("f")}`);
    const own = readOwnName(entry, contextOf(place));
    expect(own).to.deep.equal({
      kind: "leftover",
      entry: { ...entry, path: Buffer.from("d/f") },
    });
  });

  it("what this process has put aside itself is none, until it is done with it", async () => {
    await using place = await makePlace(0);
    await put(place, aside("f"));
    const { active } = place.context().asides;
    active.add(aside("f"));
    expect(await readAs(place, aside("f"))).to.equal("(active)");
    active.delete(aside("f"));
    expect(await readAs(place, aside("f"))).to.equal("f");
  });

  for (const bytes of [233, 240, 254, 255]) {
    it(`a name of ${bytes} bytes is whole with the ledger, and its beginning without`, async () => {
      await using place = await makePlace(0);
      const name = long(bytes);
      const at = `d/${cutAside(name)}`;
      await put(place, at);
      expect(await readAs(place, at)).to.equal(`d/${name.slice(0, 232)}`);
      await noteUploaded(place, at, `d/${name}`);
      expect(await readAs(place, at)).to.equal(`d/${name}`);
    });
  }

  it("a file with a long name whose directory was renamed has that name there", async () => {
    await using place = await makePlace(0);
    const at = `now/${cutAside(long(250))}`;
    await put(place, at);
    await noteUploaded(place, at, `before/${long(250)}`);
    expect(await readAs(place, at)).to.equal(`now/${long(250)}`);
  });

  it("the ledger is not believed about a name that begins otherwise", async () => {
    await using place = await makePlace(0);
    const at = `d/${cutAside(long(250))}`;
    await put(place, at);
    await noteUploaded(place, at, `d/another${long(240)}`);
    expect(await readAs(place, at)).to.equal(`d/${long(250).slice(0, 232)}`);
    await put(place, aside("f"));
    await noteUploaded(place, aside("f"), "e/g");
    expect(await readAs(place, aside("f"))).to.equal("f");
  });

  it("a file in the agent's own directory comes from where the ledger says, else from the top", async () => {
    await using place = await makePlace(0);
    const at = `.s3oa-aside/${aside("f")}`;
    await put(place, at);
    expect(await readAs(place, at)).to.equal("f");
    await noteUploaded(place, at, "d/e/f");
    expect(await readAs(place, at)).to.equal("d/e/f");
    const other = `.s3oa-aside/below/${aside("g")}`;
    await put(place, other);
    expect(await readAs(place, other)).to.equal("g");
    const cut = `.s3oa-aside/${cutAside(long(250))}`;
    await put(place, cut);
    await noteUploaded(place, cut, `d/${long(250)}`);
    expect(await readAs(place, cut)).to.equal(`d/${long(250)}`);
  });

  it("whatever else begins so only pretends to be the agent's", async () => {
    await using place = await makePlace(0);
    for (const name of [".s3oa-", ".s3oa-x", `.s3oa-${HEX}`, aside(".."), aside("."), aside("")]) {
      await put(place, name);
      expect(await readAs(place, name), name).to.equal("(pretender)");
    }
    await symlink("f", `${place.root}/${aside("link")}`);
    execFileSync("mkfifo", [`${place.root}/${aside("fifo")}`]);
    for (const name of ["link", "fifo"]) {
      expect(await readAs(place, aside(name)), name).to.equal("(pretender)");
    }
    await put(place, ".s3oa-aside/plain");
    expect(await readAs(place, ".s3oa-aside/plain")).to.equal("(pretender)");
  });
});

describe("restore", () => {
  /** Reads a name and gives the file its own back; where it is then. */
  async function restoreAt(place: SweepPlace, at: string): Promise<string> {
    const own = readOwnName(await entryAt(place, at), contextOf(place));
    if (own.kind !== "leftover") throw new Error("it is no leftover");
    const now = await restore(own.entry, place.context().directories);
    expect(now.path).to.deep.equal(own.entry.path);
    expect(now.fingerprint).to.deep.equal((await entryAt(place, now.at.toString())).fingerprint);
    return now.at.toString();
  }

  it("gives the name back, with the facts as they are then", async () => {
    await using place = await makePlace(0);
    await put(place, `d/${aside("f")}`, "content");
    expect(await restoreAt(place, `d/${aside("f")}`)).to.equal("d/f");
    expect(await readdir(`${place.root}/d`)).to.deep.equal(["f"]);
  });

  it("gives it back to where the file came from, out of the agent's own directory", async () => {
    await using place = await makePlace(0);
    await mkdir(`${place.root}/d`);
    const at = `.s3oa-aside/${aside("f")}`;
    await put(place, at);
    await noteUploaded(place, at, "d/f");
    expect(await restoreAt(place, at)).to.equal("d/f");
  });

  for (const [what, take] of [
    ["a file", (path: string) => writeFile(path, "theirs")],
    ["a directory", async (path: string) => await mkdir(path)],
    ["a dangling link", (path: string) => symlink("nowhere", path)],
  ] as const) {
    it(`${what} has the name: it stays aside, and nothing is replaced`, async () => {
      await using place = await makePlace(0);
      await put(place, aside("f"), "mine");
      await take(`${place.root}/f`);
      const before = await lstat(`${place.root}/f`, { bigint: true });
      expect(await restoreAt(place, aside("f"))).to.equal(aside("f"));
      expect((await lstat(`${place.root}/f`, { bigint: true })).ino).to.equal(before.ino);
      expect(await readFile(`${place.root}/${aside("f")}`, "utf8")).to.equal("mine");
    });
  }

  for (const [what, make] of [
    ["gone", undefined],
    ["a file", (path: string) => writeFile(path, "")],
    ["a link", (path: string) => symlink("/tmp", path)],
  ] as const) {
    it(`the directory that it came from is ${what}: it stays aside`, async () => {
      await using place = await makePlace(0);
      const at = `.s3oa-aside/${aside("f")}`;
      await put(place, at);
      await noteUploaded(place, at, "d/f");
      await make?.(`${place.root}/d`);
      expect(await restoreAt(place, at)).to.equal(at);
    });
  }

  it("nothing may be changed there: it stays aside, and can be uploaded all the same", async () => {
    await using place = await makePlace(0);
    await put(place, `d/${aside("f")}`);
    const isRoot = process.geteuid?.() === 0;
    const [forbid, allow] = isRoot ? ["chattr +i", "chattr -i"] : ["chmod 500", "chmod 700"];
    execFileSync("sh", ["-c", `${forbid} ${place.root}/d`]);
    try {
      expect(await restoreAt(place, `d/${aside("f")}`)).to.equal(`d/${aside("f")}`);
      const report = await place.run();
      expect(report).to.include({ filesUndeletable: 1, directoriesUnreadable: 0 });
      expect(place.store.objects.get("d/f")?.toString()).to.equal(`d/${aside("f")}`);
    } finally {
      execFileSync("sh", ["-c", `${allow} ${place.root}/d`]);
    }
  });
});

describe("recoverLeftovers", () => {
  const recover = async (place: SweepPlace) => {
    const restored: string[] = [];
    const left = await recoverLeftovers(place.context().directories.root, {
      ...contextOf(place),
      onRestored: (path) => restored.push(path),
    });
    return { left, restored: restored.toSorted() };
  };

  it("gives all of them their names back and leaves everything else alone", async () => {
    await using place = await makePlace(1);
    for (const at of [aside("a"), `d/${aside("b")}`, `.s3oa-aside/${aside("c")}`, ".s3oa-x"]) {
      await put(place, at);
    }
    expect(await recover(place)).to.deep.equal({ left: 0, restored: ["a", "c", "d/b"] });
    expect((await place.left()).toSorted()).to.deep.equal([
      ".s3oa-aside",
      ".s3oa-x",
      "a",
      "c",
      "d",
      "f0",
    ]);
    expect(place.store.requests).to.deep.equal([]);
  });

  it("counts those that could not have theirs, so that it is tried again", async () => {
    await using place = await makePlace(0);
    await put(place, aside("a"));
    await put(place, "a");
    expect(await recover(place)).to.deep.equal({ left: 1, restored: [] });
  });

  it("where it cannot look there may be some", async () => {
    await using place = await makePlace(0);
    await put(place, `d/${aside("a")}`);
    const isRoot = process.geteuid?.() === 0;
    execFileSync("chmod", ["755", place.root]);
    execFileSync("chmod", ["000", `${place.root}/d`]);
    if (isRoot) process.seteuid?.(65_534);
    try {
      expect(await recover(place)).to.deep.equal({ left: 1, restored: [] });
    } finally {
      if (isRoot) process.seteuid?.(0);
      execFileSync("chmod", ["700", `${place.root}/d`]);
    }
  });

  it("a tree that is deeper than the agent goes holds none of its own", async () => {
    await using place = await makePlace(0);
    execFileSync("mkdir", ["-p", "d/".repeat(130)], { cwd: place.root });
    expect(await recover(place)).to.deep.equal({ left: 0, restored: [] });
  });
});

describe("sweep: leftovers of a crash", () => {
  it("have their names back, are told of, and are moved like any other", async () => {
    await using place = await makePlace(0);
    await put(place, `d/${aside("f")}`, "content");
    await place.run();
    expect(place.observer.notices).to.deep.equal([{ path: "d/f", notice: { kind: "restored" } }]);
    // The renaming was a change: it settles first.
    place.pass(3_600_000);
    await place.run();
    expect(place.store.objects.get("d/f")?.toString()).to.equal("content");
    expect(await readdir(`${place.root}/d`)).to.deep.equal([]);
  });

  it("are decided on once, though their own names may come by in the same scan", async () => {
    await using place = await makePlace(0);
    // More than the kernel gives at once, so that new names come in behind the old ones.
    const paths = Array.from({ length: 1_500 }, (_, n) => `${"n".repeat(100)}${n}`);
    for (const [n, path] of paths.entries()) {
      const random = n.toString(16).padStart(16, "0");
      await writeFile(`${place.root}/.s3oa-${random}-${path}`, "");
    }
    const decided: string[] = [];
    place.observer.onDecided = (entry) => decided.push(entry.path.toString());
    await place.run({ policy: { ...POLICY, settleMs: 7_200_000 } });
    expect(decided.toSorted()).to.deep.equal(paths.toSorted());
  });

  it("whose name is taken are uploaded under it all the same, and so is the other file", async () => {
    await using place = await makePlace(0);
    await put(place, aside("f"), "older");
    await put(place, "f", "newer");
    const report = await place.run({ concurrency: 1 });
    expect(report).to.include({ filesRemoved: 2, filesFailed: 0 });
    const contents = [...place.store.objects.values()].map(String);
    expect(contents.toSorted()).to.deep.equal(["newer", "older"]);
    expect([...place.store.objects.keys()].every((key) => /^f($|\.sha256-)/.test(key))).to.equal(
      true,
    );
  });

  it("names that only pretend are told of and counted, and stay", async () => {
    await using place = await makePlace(0);
    for (const at of [".s3oa-x", aside(".."), ".s3oa-aside/plain"]) await put(place, at);
    await symlink("x", `${place.root}/${aside("link")}`);
    expect(await place.run()).to.include({ filesIgnored: 4, filesRemoved: 0, backlogFiles: 0 });
    expect(Object.fromEntries(place.observer.decisions)).to.deep.equal({
      ".s3oa-x": { action: "ignore", reason: "reserved-name" },
      [aside("..")]: { action: "ignore", reason: "reserved-name" },
      ".s3oa-aside/plain": { action: "ignore", reason: "reserved-name" },
      [aside("link")]: { action: "ignore", reason: "not-regular" },
    });
    expect(place.store.requests).to.deep.equal([]);
  });

  it("a dry run renames nothing", async () => {
    await using place = await makePlace(0);
    await put(place, aside("f"));
    expect(await place.run({ isDryRun: true })).to.include({ backlogFiles: 1 });
    expect(await place.left()).to.deep.equal([aside("f")]);
  });
});
