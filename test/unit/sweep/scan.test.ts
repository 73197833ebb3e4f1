import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtempDisposable, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect } from "chai";
import fc from "fast-check";
import { join } from "../../../src/sweep/path-bytes.ts";
import { DEPTH_MAX, type Found } from "../../../src/sweep/scan.ts";
import { scanPath } from "../../support/transfer-context.ts";

const makeRoot = () => mkdtempDisposable(`${tmpdir()}/s3oa-scan-`);

async function all(root: string): Promise<Found[]> {
  const found: Found[] = [];
  for await (const one of scanPath(root)) found.push(one);
  return found;
}

/** Run in a mount namespace of its own, so that nothing is left behind. */
const SCAN_WITH_MOUNT = `
import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { scanPath } from "${import.meta.resolve("../../support/transfer-context.ts")}";
const root = process.argv[1];
execFileSync("mount", ["-t", "tmpfs", "none", root + "/mnt"]);
await writeFile(root + "/mnt/inside", "");
const found = [];
for await (const one of scanPath(root)) {
  const path = (one.kind === "entry" ? one.entry.path : one.path).toString();
  found.push(one.kind + " " + path + (one.kind === "entry" ? "" : ": " + one.error.message));
}
process.stdout.write(JSON.stringify(found.sort()));
`;

/** Paths in hexadecimal, since they need not be text. */
function hexPaths(found: readonly Found[], isRegular: boolean): string[] {
  return found
    .filter((one) => one.kind === "entry")
    .filter(({ entry }) => (entry.type === "file") === isRegular)
    .map(({ entry }) => entry.path.toString("hex"))
    .sort();
}

const texts = (found: readonly Found[]) =>
  found
    .map((one) => `${one.kind} ${(one.kind === "entry" ? one.entry.path : one.path).toString()}`)
    .sort();

/** A name of any bytes that a filesystem takes. */
const name = fc
  .uint8Array({ minLength: 1, maxLength: 12 })
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x5f : byte))))
  .filter((bytes) => ![".", ".."].includes(bytes.toString("latin1")));

interface Tree {
  readonly names: readonly { readonly name: Buffer; readonly tree: Tree | undefined }[];
}
const { tree } = fc.letrec<{ tree: Tree; node: Tree["names"][number] }>((tie) => ({
  node: fc.record({
    name,
    tree: fc.option(tie("tree"), { nil: undefined, depthSize: "small" }),
  }),
  tree: fc.record({
    names: fc.uniqueArray(tie("node"), {
      maxLength: 5,
      selector: (one) => one.name.toString("hex"),
    }),
  }),
}));

async function plant(root: Buffer, relative: Buffer, { names }: Tree): Promise<string[]> {
  const files: string[] = [];
  for (const { name, tree } of names) {
    const path = join(relative, name);
    if (tree === undefined) {
      await writeFile(join(root, path), "");
      files.push(path.toString("hex"));
    } else {
      await mkdir(join(root, path));
      files.push(...(await plant(root, path, tree)));
    }
  }
  return files;
}

describe("scan", () => {
  it("gives every regular file once, whatever bytes its name is of", async () => {
    await fc.assert(
      fc.asyncProperty(tree, async (planned) => {
        await using root = await makeRoot();
        const files = await plant(Buffer.from(root.path), Buffer.alloc(0), planned);
        const found = await all(root.path);
        // Names that are not UTF-8 are beyond what Node's recursive removal finds.
        execFileSync("find", [root.path, "-mindepth", "1", "-delete"]);
        expect(hexPaths(found, true)).to.deep.equal(files.sort());
        expect(found).to.have.length(files.length);
      }),
      { numRuns: 40 },
    );
  });

  it("gives more files than one reading of the kernel's list holds", async () => {
    await using root = await makeRoot();
    const names = Array.from({ length: 1_000 }, (_, index) => `f${index}`);
    await Promise.all(names.map((one) => writeFile(`${root.path}/${one}`, "")));
    expect(texts(await all(root.path))).to.deep.equal(names.map((one) => `entry ${one}`).sort());
  });

  it("tells links, FIFOs and loops as entries that are not regular, and follows none", async () => {
    await using root = await makeRoot();
    await using other = await makeRoot();
    await writeFile(`${other.path}/secret`, "");
    await mkdir(`${root.path}/d`);
    await symlink(other.path, `${root.path}/to-directory`);
    await symlink(`${other.path}/secret`, `${root.path}/to-file`);
    await symlink("..", `${root.path}/d/up`);
    await symlink("loop", `${root.path}/d/loop`);
    await symlink("nowhere", `${root.path}/dangling`);
    execFileSync("mkfifo", [`${root.path}/fifo`]);
    const found = await all(root.path);
    expect(hexPaths(found, true)).to.deep.equal([]);
    expect(texts(found)).to.deep.equal(
      ["d/loop", "d/up", "dangling", "fifo", "to-directory", "to-file"].map(
        (one) => `entry ${one}`,
      ),
    );
  });

  it("passes over a directory and files that vanish in the middle", async () => {
    await using root = await makeRoot();
    for (const directory of ["d", "e"]) {
      await mkdir(`${root.path}/${directory}`);
      for (const file of ["1", "2", "3"]) await writeFile(`${root.path}/${directory}/${file}`, "");
    }
    const found: Found[] = [];
    for await (const one of scanPath(root.path)) {
      found.push(one);
      if (found.length > 1 || one.kind !== "entry") continue;
      await rm(`${root.path}/${one.entry.path.subarray(0, 1)}`, { recursive: true });
    }
    const directories = texts(found).map((text) => text.slice(0, "entry d".length));
    expect(directories.toSorted()).to.satisfy((paths: string[]) =>
      ["entry d,entry e,entry e,entry e", "entry d,entry d,entry d,entry e"].includes(paths.join()),
    );
  });

  it("reports a directory that it may not read, and goes on with the rest", async () => {
    await using root = await makeRoot();
    await chmod(root.path, 0o755);
    for (const directory of ["a", "b", "c"]) {
      await mkdir(`${root.path}/${directory}`);
      await writeFile(`${root.path}/${directory}/f`, "");
    }
    await chmod(`${root.path}/b`, 0);
    const isRoot = process.geteuid?.() === 0;
    let found: Found[];
    if (isRoot) process.seteuid?.(65_534);
    try {
      found = await all(root.path);
    } finally {
      if (isRoot) process.seteuid?.(0);
      await chmod(`${root.path}/b`, 0o755);
    }
    expect(texts(found)).to.deep.equal(["entry a/f", "entry c/f", "unreadable b"]);
    const [unreadable] = found.filter((one) => one.kind === "unreadable");
    expect(unreadable?.error.message).to.match(/^EACCES/);
  });

  it("finds what lies deeper than a path can be long", async () => {
    await using root = await makeRoot();
    // Made in two steps: the whole path is longer than the kernel takes at once.
    const half = `${"n".repeat(250)}/`.repeat(10);
    const script = `mkdir -p ${half} && cd ${half} && mkdir -p ${half} && touch ${half}/f`;
    execFileSync("sh", ["-c", script], { cwd: root.path });
    const found = await all(root.path);
    execFileSync("find", [root.path, "-mindepth", "1", "-delete"]);
    expect(texts(found)).to.deep.equal([`entry ${half}${half}f`]);
  });

  it("reports what lies deeper than it follows, and goes on with the rest", async () => {
    await using root = await makeRoot();
    execFileSync("mkdir", ["-p", "d/".repeat(DEPTH_MAX + 1)], { cwd: root.path });
    await writeFile(`${root.path}/a`, "");
    const found = await all(root.path);
    expect(texts(found)).to.deep.equal([
      "entry a",
      `unreadable ${"d/".repeat(DEPTH_MAX + 1).slice(0, -1)}`,
    ]);
  });

  it("does not enter another filesystem that is mounted there, and says so", async () => {
    await using root = await makeRoot();
    await mkdir(`${root.path}/mnt`);
    await writeFile(`${root.path}/a`, "");
    const shown = execFileSync(
      "unshare",
      ["--mount", process.execPath, "--input-type=module", "--eval", SCAN_WITH_MOUNT, root.path],
      { encoding: "utf8" },
    );
    expect(JSON.parse(shown)).to.deep.equal([
      "entry a",
      "unreadable mnt: another filesystem is mounted there; give it a route of its own",
    ]);
  });

  it("ends when it is told to, between any two entries", async () => {
    await using root = await makeRoot();
    await mkdir(`${root.path}/d`);
    for (const file of ["1", "2", "3", "d/1", "d/2"]) await writeFile(`${root.path}/${file}`, "");
    for (const count of [1, 2, 4]) {
      const stop = new AbortController();
      let seen = 0;
      for await (const _ of scanPath(root.path, stop.signal)) {
        seen += 1;
        if (seen === count) stop.abort();
      }
      expect(seen).to.equal(count);
    }
  });

  it("does not enter a directory whose name a link took before it came there", async () => {
    await using root = await makeRoot();
    await using other = await makeRoot();
    await writeFile(`${other.path}/secret`, "");
    for (const directory of ["d", "e"]) {
      await mkdir(`${root.path}/${directory}`);
      await writeFile(`${root.path}/${directory}/f`, "");
    }
    const found: Found[] = [];
    for await (const one of scanPath(root.path)) {
      found.push(one);
      if (found.length > 1 || one.kind !== "entry") continue;
      const next = one.entry.path.toString() === "d/f" ? "e" : "d";
      await rename(`${root.path}/${next}`, `${other.path}/moved`);
      await symlink(other.path, `${root.path}/${next}`);
    }
    expect(found.filter((one) => one.kind === "entry" && one.entry.type === "file")).to.have.length(
      1,
    );
  });
});
