import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  mkdir,
  mkdtemp,
  mkdtempDisposable,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { SourceMap } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";
import { parse } from "yaml";
import { packagesOf } from "../../packaging/build/bundle.ts";
import { collectLicences } from "../../packaging/build/licences.ts";
import { findRuntime } from "../../packaging/build/runtime.ts";
import { sourceDate } from "../../packaging/build/tree.ts";
import { BOOTSTRAP_KEYS, readBootstrap } from "../../src/config/bootstrap.ts";
import { environmentOutOfReach } from "../support/aws-out-of-reach.ts";

const CHECKOUT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** All that a host has beside the tree: no Node, no variables. */
const HOST = { PATH: "/usr/bin:/bin" };
/** A fixed time, so that a commit between two builds of these tests makes no difference. */
const BUILDER = { ...process.env, SOURCE_DATE_EPOCH: "1700000000" };
/** The tree that this machine can start. */
const OWN_TREE = `linux-${process.arch}`;

/** `e_machine` of an ELF header (System V ABI). */
const ELF_MACHINES = { "linux-x64": 62, "linux-arm64": 183 };

const run = promisify(execFile);

describe("npm run build", function () {
  // The first build downloads a runtime of 50 MB. With that at hand all of this takes about 10 s.
  this.timeout(600_000);

  let scratch: string;
  let trees: string;
  /** The tree for this machine, after it was moved, and a symbolic link to its program. */
  let moved: string;
  let link: string;

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), "s3-offload-build-"));
    trees = join(scratch, "trees");
    await build("--out", trees);

    moved = join(scratch, "moved to/a name with spaces");
    await mkdir(join(scratch, "moved to"));
    await rename(join(trees, OWN_TREE), moved);
    await mkdir(join(scratch, "links"));
    link = join(scratch, "links/s3-offload-agent");
    await symlink("../moved to/a name with spaces/bin/s3-offload-agent", link);
  });
  after(async () => await rm(scratch, { recursive: true, force: true }));

  /** A tree of the build, wherever it is now. */
  const treeOf = (name: string) => (name === OWN_TREE ? moved : join(trees, name));

  it("makes a tree that runs from anywhere, through links, with nothing else", async () => {
    const { version } = JSON.parse(await readFile(join(CHECKOUT, "package.json"), "utf8"));
    const options = { cwd: scratch, env: HOST };
    expect((await run(link, ["version"], options)).stdout).to.equal(`${version}\n`);
    expect((await run(link, ["--help"], options)).stdout).to.include("Usage: s3-offload-agent");
    expect((await run("links/s3-offload-agent", ["version"], options)).stdout).to.include(version);
    const found = { cwd: scratch, env: { PATH: `${join(scratch, "links")}:${HOST.PATH}` } };
    const { stdout } = await run("s3-offload-agent", ["version"], found);
    expect(stdout).to.equal(`${version}\n`);
  });

  it("hands arguments and the exit code through, and no Node options of the host", async () => {
    const env = { ...HOST, NODE_OPTIONS: "--require=/nonexistent.js" };
    const args = ["config", "show", "--config", "/no such file"];
    const failure = await run(link, args, { cwd: scratch, env }).catch((error) => error);
    expect(failure).to.include({ code: 2 });
    expect(failure.stderr).to.include("/no such file");
  });

  it("loads the AWS SDK and koffi from the tree", async () => {
    const env = await environmentOutOfReach(scratch);
    const failure = await run(link, ["sweep"], { cwd: scratch, env }).catch((error) => error);
    expect(failure.stderr).to.include("ECONNREFUSED");
    expect(failure).to.include({ code: 3 });
  });

  it("keeps the checkout's path out of the trees", async () => {
    for (const name of Object.keys(ELF_MACHINES)) {
      for (const file of await filesBelow(treeOf(name))) {
        const text = await readFile(file);
        const found = [CHECKOUT, scratch].filter((path) => text.includes(`${path}/`));
        expect(found, file).to.deep.equal([]);
      }
    }
  });

  it("gives each architecture its own Node and koffi", async () => {
    for (const [name, machine] of Object.entries(ELF_MACHINES)) {
      const lib = join(treeOf(name), "lib/s3-offload-agent");
      expect(await elfMachine(join(lib, "bin/node"))).to.equal(machine);
      expect(await elfMachine(join(lib, "koffi.node"))).to.equal(machine);
    }
  });

  it("gives all architectures the same code", async () => {
    const [one, other] = await Promise.all(Object.keys(ELF_MACHINES).map(treeOf).map(codeOf));
    expect(Object.keys(one ?? {})).to.include("lib/s3-offload-agent/agent.mjs");
    expect(one).to.deep.equal(other);
  });

  it("makes the same bytes again, whatever the umask", async () => {
    const again = join(scratch, "again");
    const command = buildCommand("--out", again, "--arch", process.arch);
    await run("sh", ["-c", 'umask 077; exec "$@"', "sh", ...command], { env: BUILDER });
    expect(await readdir(again)).to.have.members([OWN_TREE, "source-maps"]);
    expect(await listing(join(again, OWN_TREE))).to.equal(await listing(moved));
  });

  it("ships the licences of itself, of Node and of all packages in the bundle", async () => {
    const doc = join(moved, "share/doc/s3-offload-agent");
    expect(await readFile(join(doc, "LICENSE"), "utf8")).to.include("Apache License");
    expect(await readFile(join(doc, "LICENSE.node"), "utf8")).to.include("Node.js is licensed");
    const others = await readFile(join(doc, "LICENSE.third-party"), "utf8");
    for (const name of ["@aws-sdk/client-s3", "commander", "convict", "koffi", "pino", "yaml"]) {
      expect(others).to.match(new RegExp(`^  ${name} \\d[^:]*: `, "m"));
    }
    expect(others).to.include("Niels Martignène");
    expect(others).not.to.include("esbuild");
  });

  it("keeps source maps beside the trees, which lead from the code to the source", async () => {
    const maps = join(trees, "source-maps");
    const code = await codeOf(moved);
    const names = Object.keys(code).map((path) => `${path.split("/").at(-1)}.map`);
    expect(await readdir(maps)).to.have.members(names);

    const lines = (code["lib/s3-offload-agent/agent.mjs"] ?? "").split("\n");
    const line = lines.findIndex((text) => text.includes("print the version"));
    const column = lines[line]?.indexOf("print the version") ?? -1;
    const map = new SourceMap(JSON.parse(await readFile(join(maps, "agent.mjs.map"), "utf8")));
    expect(map.findEntry(line, column)).to.include({ originalSource: "src/cli/program.ts" });
  });

  it("refuses arguments that it does not know, and says which it knows", async () => {
    for (const args of [["--arch", "mips"], ["--optimise"]]) {
      const failure = await build(...args).catch((error) => error);
      expect(failure).to.include({ code: 1 });
      expect(failure.stderr)
        .to.match(/^build: /)
        .and.to.include("usage:")
        .and.not.to.include("at ");
    }
  });
});

describe("the parts of the build", () => {
  let scratch: string;

  beforeEach(async () => {
    scratch = await mkdtemp(join(tmpdir(), "s3-offload-build-"));
  });
  afterEach(async () => await rm(scratch, { recursive: true, force: true }));

  it("tell packages apart, nested ones too", () => {
    const paths = [
      "src/main.ts",
      "node_modules/b/node_modules/@c/d/lib/e.js",
      "node_modules/b/index.js",
      "node_modules/b/package.json",
    ];
    expect(packagesOf(paths)).to.deep.equal(["node_modules/b", "node_modules/b/node_modules/@c/d"]);
  });

  it("stop at a package that nobody may pass on", async () => {
    const free = await makePackage("free", { license: "MIT" });
    const textOnly = await makePackage("text-only", {}, "LICENCE.md");
    const neither = await makePackage("neither", {}, "licensed-users.txt");
    expect(await collectLicences([free, textOnly])).to.include("free 1.0.0: MIT");
    const failure = await collectLicences([free, neither, textOnly]).catch((error) => error);
    expect(failure).to.include({
      name: "BuildError",
      message: "no licence text and no SPDX licence in package.json: neither 1.0.0",
    });
  });

  it("write a text that packages share once, below all their names", async () => {
    const one = await makePackage("one", { license: "MIT" }, "LICENSE");
    const two = await makePackage("two", { license: "MIT" }, "LICENSE");
    const text = await collectLicences([one, two]);
    expect(text).to.include("one 1.0.0\ntwo 1.0.0\n\nDo as you like.");
    expect(text.split("Do as you like.")).to.have.lengthOf(2);
  });

  it("refuse a runtime that is missing or of another architecture", async () => {
    const architecture = process.arch === "arm64" ? "arm64" : "x64";
    const find = () =>
      findRuntime({ checkout: scratch, architecture }).catch((error: Error) => error.message);
    expect(await find()).to.include(`no runtime for linux-${architecture}: ENOENT`);

    const bin = join(scratch, `node_modules/node-linux-${architecture}/bin`);
    await mkdir(bin, { recursive: true });
    const other = architecture === "arm64" ? "x64" : "arm64";
    const headers = [elfHeader(other), elfHeader(architecture).fill("#", 0, 4), Buffer.alloc(0)];
    for (const header of headers) {
      await writeFile(join(bin, "node"), header);
      expect(await find()).to.include(`is not a program for linux-${architecture}`);
    }
  });

  it("take the time of a build from SOURCE_DATE_EPOCH, from git, or from nowhere", () => {
    const before = process.env["SOURCE_DATE_EPOCH"];
    try {
      delete process.env["SOURCE_DATE_EPOCH"];
      expect(sourceDate(scratch).getTime()).to.equal(0);
      process.env["SOURCE_DATE_EPOCH"] = "86400";
      expect(sourceDate(scratch).getTime()).to.equal(86_400_000);
      process.env["SOURCE_DATE_EPOCH"] = "yesterday";
      expect(() => sourceDate(scratch)).to.throw("SOURCE_DATE_EPOCH is not a number of seconds");
    } finally {
      if (before === undefined) delete process.env["SOURCE_DATE_EPOCH"];
      else process.env["SOURCE_DATE_EPOCH"] = before;
    }
  });

  async function makePackage(name: string, manifest: object, file?: string): Promise<string> {
    const directory = join(scratch, name);
    await mkdir(directory);
    const text = JSON.stringify({ name, version: "1.0.0", ...manifest });
    await writeFile(join(directory, "package.json"), text);
    if (file !== undefined) await writeFile(join(directory, file), "Do as you like.\n");
    return directory;
  }
});

describe("packaging/agent.yaml", () => {
  const sample = join(CHECKOUT, "packaging/agent.yaml");
  const known = BOOTSTRAP_KEYS.map(({ key }) => key);

  it("sets nothing", async () => {
    expect(parse(await readFile(sample, "utf8"))).to.equal(null);
  });

  it("has every key, each accepted by the agent once it is no comment any more", async () => {
    const text = (await readFile(sample, "utf8"))
      .replaceAll(/^#(?! |$)/gm, "")
      .replaceAll(/^# {2}(?=- )/gm, "  ");
    expect(Object.keys(parse(text)).sort()).to.deep.equal([...known].sort());
    await using scratch = await mkdtempDisposable(join(tmpdir(), "s3-offload-sample-"));
    const file = join(scratch.path, "agent.yaml");
    await writeFile(file, text);
    expect(readBootstrap({ file, env: {} })).to.include({ fleet: "web", minAgeFloorMs: 30_000 });
  });

  it("tells the defaults that the agent has", async () => {
    const text = await readFile(sample, "utf8");
    for (const { key, default: value } of BOOTSTRAP_KEYS) {
      const [, comment = ""] = new RegExp(`\\n\\n((?:# .*\\n)+)#${key}:`).exec(text) ?? [];
      expect(comment, key).to.match(/\bdefault\b/i);
      const fixed = [value].flat().filter((item) => item && item !== "*");
      for (const item of fixed) expect(comment, key).to.include(`Default: ${item}`);
    }
  });
});

function buildCommand(...args: string[]): string[] {
  return [process.execPath, join(CHECKOUT, "packaging/build.ts"), ...args];
}

async function build(...args: string[]): Promise<void> {
  const [node = "", ...others] = buildCommand(...args);
  await run(node, others, { env: BUILDER });
}

async function filesBelow(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function elfHeader(architecture: "x64" | "arm64"): Buffer {
  const header = Buffer.alloc(64);
  header.write("\x7fELF", "latin1");
  header.writeUInt16LE(ELF_MACHINES[`linux-${architecture}`], 18);
  return header;
}

async function elfMachine(path: string): Promise<number> {
  const header = (await readFile(path)).subarray(0, 20);
  expect(header.toString("latin1", 0, 4)).to.equal("\x7fELF");
  return header.readUInt16LE(18);
}

/** The agent's code in a tree: path in the tree to text. */
async function codeOf(tree: string): Promise<Record<string, string>> {
  const paths = (await filesBelow(tree)).filter((path) => path.endsWith(".mjs"));
  const texts = paths.map(
    async (path) => [path.slice(tree.length + 1), await readFile(path, "utf8")] as const,
  );
  return Object.fromEntries(await Promise.all(texts));
}

/** Everything that makes two trees equal: names, modes, times, content. */
async function listing(tree: string): Promise<string> {
  const script = "find . -printf '%P %y %m %T@\\n' | LC_ALL=C sort";
  const { stdout } = await run("sh", ["-c", script], { cwd: tree });
  const hashes = (await filesBelow(tree)).map(async (path) =>
    createHash("sha256")
      .update(await readFile(path))
      .digest("hex"),
  );
  return [stdout, ...(await Promise.all(hashes))].join("\n");
}
