import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import {
  mkdir,
  mkdtempDisposable,
  open,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect } from "chai";
import { CACHED_MAX, Directories, Directory } from "../../../src/sweep/directory.ts";
import { collect } from "../../support/collect.ts";
import { descriptorsBelow } from "../../support/descriptors.ts";

const b = (text: string) => Buffer.from(text);
/** A watched directory and another one beside it, and how many descriptors lead there. */
async function makePlace() {
  const base = await mkdtempDisposable(`${tmpdir()}/s3oa-directory-`);
  const root = `${base.path}/root`;
  await mkdir(`${root}/a/b/c`, { recursive: true });
  await mkdir(`${base.path}/outside`);
  await writeFile(`${root}/a/b/f`, "right");
  await writeFile(`${base.path}/outside/f`, "wrong");
  const handle = await open(root);
  const rootDirectory = await Directory.ofRoot(handle);
  return {
    root,
    outside: `${base.path}/outside`,
    descriptors: () => descriptorsBelow(base.path),
    rootDirectory,
    directories: new Directories(rootDirectory),
    async [Symbol.asyncDispose]() {
      await handle.close();
      await base.remove();
    },
  };
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => "done",
    (error) => error.code ?? error.name,
  );
}

const textAt = (directory: Directory, name: string) => readFile(directory.at(b(name)), "utf8");

/** Opens a path below a mount of its own. */
const OPEN_BELOW_MOUNT = `
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { Directories, Directory } from ${JSON.stringify(import.meta.resolve("../../../src/sweep/directory.ts"))};
const root = process.argv[1];
// A bind mount of the very filesystem: only the mount tells them apart.
execFileSync("mount", ["--bind", root + "/a", root + "/a/b"]);
await using handle = await open(root);
const directories = new Directories(await Directory.ofRoot(handle));
const descriptors = () => readdirSync("/proc/self/fd").length;
await (await directories.open(Buffer.from("a"))).release();
const before = descriptors();
const outcome = await directories.open(Buffer.from("a/b")).then(() => "opened", (error) => error.name);
process.stdout.write(outcome + ", left open: " + (descriptors() - before));
`;

describe("Directories", () => {
  it("reach what lies below, by descriptors, and close every one of them", async () => {
    await using place = await makePlace();
    const before = place.descriptors();
    {
      await using directories = place.directories;
      const deep = await directories.open(b("a/b"));
      expect(deep.path.toString()).to.equal("a/b");
      expect(await textAt(deep, "f")).to.equal("right");
      expect((await collect(deep.names())).map(String)).to.have.members(["c", "f"]);
      expect(deep.isInPlace()).to.equal(true);
      // The directory itself and the one above it.
      expect(place.descriptors()).to.equal(before + 2);
      await deep.release();
    }
    expect(place.descriptors()).to.equal(before);
  });

  it("the watched directory itself is opened by an empty path, and stays its owner's", async () => {
    await using place = await makePlace();
    const before = place.descriptors();
    const root = await place.directories.open(Buffer.alloc(0));
    expect(root).to.equal(place.rootDirectory);
    await root.release();
    await place.directories[Symbol.asyncDispose]();
    expect(place.descriptors()).to.equal(before);
    expect((await collect(root.names())).map(String)).to.deep.equal(["a"]);
  });

  it("names are read to the end or not: nothing stays open", async () => {
    await using place = await makePlace();
    for (let n = 0; n < 300; n += 1) await writeFile(`${place.root}/f${n}`, "");
    const before = place.descriptors();
    for await (const _ of place.rootDirectory.names()) break;
    expect(place.descriptors()).to.equal(before);
    expect(await collect(place.rootDirectory.names())).to.have.length(301);
    expect(place.descriptors()).to.equal(before);
  });

  it("a directory is opened once and kept for the next file in it", async () => {
    await using place = await makePlace();
    const before = place.descriptors();
    await using directories = place.directories;
    const first = await directories.open(b("a/b"));
    await first.release();
    const second = await directories.open(b("a/b"));
    expect(second).to.equal(first);
    await second.release();
    expect(place.descriptors()).to.equal(before + 2);
  });

  it("many at once who open the same one do not each leave it open", async () => {
    await using place = await makePlace();
    const before = place.descriptors();
    {
      await using directories = place.directories;
      const all = await Promise.all(Array.from({ length: 50 }, () => directories.open(b("a/b/c"))));
      for (const one of all) expect(one.isInPlace()).to.equal(true);
      for (const one of all) await one.release();
      // Each of the three that are kept may have been opened by way of others above it.
      expect(place.descriptors()).to.be.at.most(before + 1 + 2 + 3);
    }
    expect(place.descriptors()).to.equal(before);
  });

  it("no more are kept open than are worth it, and those used last are", async () => {
    await using place = await makePlace();
    const names = Array.from({ length: 3 * CACHED_MAX }, (_, n) => `d${n}`);
    for (const name of names) await mkdir(`${place.root}/${name}`);
    const before = place.descriptors();
    {
      await using directories = place.directories;
      const kept = await directories.open(b("d0"));
      await kept.release();
      for (const name of names) {
        await (await directories.open(b(name))).release();
        const again = await directories.open(b("d0"));
        expect(again).to.equal(kept);
        await again.release();
      }
      expect(place.descriptors()).to.equal(before + CACHED_MAX);
      await Promise.all(
        names.map(async (name) => await (await directories.open(b(name))).release()),
      );
      expect(place.descriptors()).to.equal(before + CACHED_MAX);
    }
    expect(place.descriptors()).to.equal(before);
  });

  it("one that is held stays open when the cache lets go of it, and so do those above", async () => {
    await using place = await makePlace();
    const before = place.descriptors();
    const held = await place.directories.open(b("a/b"));
    await place.directories[Symbol.asyncDispose]();
    expect(await textAt(held, "f")).to.equal("right");
    expect(held.isInPlace()).to.equal(true);
    expect(place.descriptors()).to.equal(before + 2);
    await held.release();
    expect(place.descriptors()).to.equal(before);
  });

  for (const at of ["a", "a/b"]) {
    it(`${at} swapped for a link: not followed, and whoever held it notices`, async () => {
      await using place = await makePlace();
      const before = place.descriptors();
      {
        await using directories = place.directories;
        const held = await directories.open(b("a/b"));
        await rename(`${place.root}/${at}`, `${place.outside}/moved`);
        await symlink(place.outside, `${place.root}/${at}`);
        expect(held.isInPlace()).to.equal(false);
        // It is still the same directory, wherever it is now.
        expect(await textAt(held, "f")).to.equal("right");
        expect(await codeOf(directories.open(b("a/b")))).to.be.oneOf(["ENOTDIR", "ELOOP"]);
        await held.release();
      }
      expect(place.descriptors()).to.equal(before);
    });

    it(`${at} moved away and another one put in its place: the new one is opened`, async () => {
      await using place = await makePlace();
      const before = place.descriptors();
      {
        await using directories = place.directories;
        const held = await directories.open(b("a/b"));
        await rename(`${place.root}/${at}`, `${place.outside}/moved`);
        await mkdir(`${place.root}/a/b`, { recursive: true });
        await writeFile(`${place.root}/a/b/f`, "new");
        expect(held.isInPlace()).to.equal(false);
        const now = await directories.open(b("a/b"));
        expect(await textAt(now, "f")).to.equal("new");
        expect(await textAt(held, "f")).to.equal("right");
        await held.release();
        await now.release();
      }
      expect(place.descriptors()).to.equal(before);
    });

    it(`${at} removed: ENOENT, and nothing stays open`, async () => {
      await using place = await makePlace();
      const before = place.descriptors();
      {
        await using directories = place.directories;
        await (await directories.open(b("a/b"))).release();
        await rm(`${place.root}/${at}`, { recursive: true });
        expect(await codeOf(directories.open(b("a/b")))).to.equal("ENOENT");
      }
      expect(place.descriptors()).to.equal(before);
    });
  }

  it("what is no directory is none, a FIFO included, and nothing stays open", async () => {
    await using place = await makePlace();
    const before = place.descriptors();
    execFileSync("mkfifo", [`${place.root}/fifo`]);
    expect(await codeOf(place.directories.open(b("a/b/f")))).to.equal("ENOTDIR");
    expect(await codeOf(place.directories.open(b("fifo")))).to.equal("ENOTDIR");
    await place.directories[Symbol.asyncDispose]();
    expect(place.descriptors()).to.equal(before);
  });

  it("another mount is not entered, though it is the same filesystem", async () => {
    await using place = await makePlace();
    const node = [process.execPath, "--input-type=module", "--eval", OPEN_BELOW_MOUNT, place.root];
    const outcome = execFileSync("unshare", ["--mount", ...node], { encoding: "utf8" });
    expect(outcome).to.equal("OtherMountError, left open: 0");
  });

  it("a descriptor of a directory is not inherited by programs that are started", async () => {
    await using place = await makePlace();
    const held = await place.directories.open(b("a/b"));
    const flags = readFileSync(`/proc/self/fdinfo/${held.fd}`, "utf8");
    const O_CLOEXEC = 0o2000000;
    expect(Number.parseInt(/flags:\s*(\d+)/.exec(flags)?.[1] ?? "0", 8) & O_CLOEXEC).not.to.equal(
      0,
    );
    await held.release();
    await place.directories[Symbol.asyncDispose]();
  });
});
