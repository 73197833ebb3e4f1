import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { watch } from "node:fs";
import { mkdtempDisposable, readdir, readFile, readlink, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { setImmediate as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import type { Clock } from "../../../src/lib/clock.ts";
import { contentPieces } from "../../../tools/generator/content.ts";
import { type GeneratedFile, generate } from "../../../tools/generator/generate.ts";
import {
  FILE_NAME,
  fileName,
  type GeneratorOptions,
  type PlannedFile,
  planFiles,
} from "../../../tools/generator/plan.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const NEVER = new AbortController().signal;

function optionsFor(directory: string, changes: Partial<GeneratorOptions> = {}): GeneratorOptions {
  return {
    directory,
    count: 1,
    everyMs: 60_000,
    bytesMin: 1_024,
    bytesMax: 64 * 1_024,
    slowWriteMs: 0,
    subdirectories: 0,
    seed: 1,
    ...changes,
  };
}

function plan(count: number, changes: Partial<GeneratorOptions> = {}): PlannedFile[] {
  return planFiles(optionsFor("unused", changes)).take(count).toArray();
}

/** A seed whose first file is slow, so that a test does not depend on luck. */
function seedOfSlow(changes: Partial<GeneratorOptions>): number {
  const seeds = Array.from({ length: 1_000 }, (_, seed) => seed);
  const found = seeds.find((seed) =>
    plan(1, { ...changes, seed }).some(({ writeMs }) => writeMs > 0),
  );
  if (found === undefined) throw new Error("no seed begins with a slow file");
  return found;
}

async function temporaryFolder() {
  return await mkdtempDisposable(join(tmpdir(), "generator-"));
}

/** Runs the generator to its end on a clock that never makes it wait. */
async function generated(
  options: GeneratorOptions,
  clock: Clock = sleeplessClock(),
): Promise<GeneratedFile[]> {
  return await all(generate(options, { clock, signal: NEVER }));
}

async function all(files: AsyncIterable<GeneratedFile>): Promise<GeneratedFile[]> {
  const list: GeneratedFile[] = [];
  for await (const file of files) list.push(file);
  return list;
}

/** Whoever sleeps on it is at once where they wanted to be. */
function sleeplessClock(startMs = Date.parse("2026-11-24T00:15:00.123Z")): Clock {
  let passedMs = 0;
  return {
    now: () => startMs + passedMs,
    monotonic: () => passedMs,
    boottime: () => passedMs,
    async sleep(ms) {
      passedMs += ms;
    },
  };
}

/** Lets real files be read and written until somebody sleeps on the clock, or nobody will again. */
async function untilAsleep(clock: ManualClock, isOver = () => false): Promise<void> {
  while (clock.sleepers === 0 && !isOver()) await nextTurn();
}

async function sha256Of(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}

describe("the plan of the file generator", () => {
  it("is the same for the same seed, and another for another seed", () => {
    const options = { slowWriteMs: 5_000, subdirectories: 3 };
    expect(plan(200, { ...options, seed: 42 })).to.deep.equal(plan(200, { ...options, seed: 42 }));
    const sizes = (seed: number) => plan(20, { seed }).map(({ bytes }) => bytes);
    expect(sizes(42)).not.to.deep.equal(sizes(43));
  });

  it("keeps names, sizes and contents when files are no longer slow or come in folders", () => {
    const what = (changes: Partial<GeneratorOptions>) =>
      plan(50, changes).map(({ tag, bytes, contentSeed }) => ({ tag, bytes, contentSeed }));
    expect(what({ slowWriteMs: 5_000 })).to.deep.equal(what({ subdirectories: 4 }));
  });

  it("begins with a file at once, and the mean of its intervals is the one asked for", () => {
    const [first, ...others] = plan(5_001).map(({ delayMs }) => delayMs);
    expect(first).to.equal(0);
    expect(Math.min(...others)).to.be.within(30_000, 31_000);
    expect(Math.max(...others)).to.be.within(89_000, 90_000);
    const meanMs = others.reduce((sum, ms) => sum + ms, 0) / others.length;
    // The mean of 5,000 such intervals strays by 245 ms (one standard deviation).
    expect(meanMs).to.be.within(59_000, 61_000);
  });

  it("spreads sizes over their orders of magnitude and never leaves the range", () => {
    const sizes = plan(2_000, { bytesMin: 1_000, bytesMax: 1_000_000 }).map(({ bytes }) => bytes);
    expect(Math.min(...sizes)).to.be.within(1_000, 1_100);
    expect(Math.max(...sizes)).to.be.within(900_000, 1_000_000);
    // Log-uniform: half of the files lie below the geometric mean, which is 3 % of the largest.
    expect(sizes.filter((bytes) => bytes < 31_623).length).to.be.within(900, 1_100);
  });

  it("reaches both ends of a range, 0 bytes included, and takes a single size as it is", () => {
    const sizes = new Set(plan(500, { bytesMin: 0, bytesMax: 2 }).map(({ bytes }) => bytes));
    expect([...sizes].sort()).to.deep.equal([0, 1, 2]);
    const exact = plan(100, { bytesMin: 4_096, bytesMax: 4_096 });
    expect(exact.every(({ bytes }) => bytes === 4_096)).to.equal(true);
  });

  it("makes about one file in four slow, for no longer than asked, and none for 0", () => {
    const slow = plan(2_000, { slowWriteMs: 5_000 }).filter(({ writeMs }) => writeMs > 0);
    expect(slow.length).to.be.within(430, 570);
    expect(slow.every(({ writeMs }) => writeMs <= 5_000)).to.equal(true);
    expect(plan(200, { slowWriteMs: 0 }).every(({ writeMs }) => writeMs === 0)).to.equal(true);
  });

  it("never calls an empty file slow: it cannot grow", () => {
    const empty = plan(200, { bytesMin: 0, bytesMax: 0, slowWriteMs: 5_000 });
    expect(empty.every(({ writeMs }) => writeMs === 0)).to.equal(true);
  });
});

describe("the content of a generated file", () => {
  it("is exact to the byte, whatever the size, and the same for the same seed", () => {
    for (const bytes of [0, 1, 2, 35, 36, 65_535, 65_536, 65_537, 300_000]) {
      const content = () => Buffer.concat([...contentPieces(bytes, 7)]);
      expect(content().length).to.equal(bytes);
      expect(content().equals(content())).to.equal(true);
    }
    const other = Buffer.concat([...contentPieces(1_000, 8)]);
    expect(other.equals(Buffer.concat([...contentPieces(1_000, 7)]))).to.equal(false);
  });

  it("comes in pieces of bounded size, so that a large file fits into little memory", () => {
    for (const piece of contentPieces(1_000_000, 7)) expect(piece.length).to.be.at.most(65_536);
  });
});

describe("the file generator", () => {
  it("writes files whose names, sizes and checksums are those that it tells", async () => {
    await using folder = await temporaryFolder();
    const options = optionsFor(folder.path, { count: 20, slowWriteMs: 5_000, bytesMax: 200_000 });
    const files = await generated(options);
    expect(files.map(({ bytes }) => bytes)).to.deep.equal(
      [...planFiles(options).take(20)].map(({ bytes }) => bytes),
    );
    for (const file of files) {
      expect(file.name).to.match(FILE_NAME);
      expect(file.path).to.equal(join(folder.path, file.name));
      expect((await stat(file.path)).size).to.equal(file.bytes);
      expect(file.sha256).to.equal(await sha256Of(file.path));
    }
    expect((await readdir(folder.path)).sort()).to.deep.equal(files.map(({ name }) => name).sort());
  });

  it("puts the time at which it opened the file into the name", async () => {
    await using folder = await temporaryFolder();
    const [file] = await generated(optionsFor(folder.path), sleeplessClock());
    expect(file?.openedAt).to.equal("2026-11-24T00:15:00.123Z");
    expect(file?.name).to.match(/^data-20261124T001500\.123Z-/);
  });

  it("waits from the start of one file to the start of the next, writing included", async () => {
    await using folder = await temporaryFolder();
    const seed = seedOfSlow({ slowWriteMs: 20_000 });
    const options = optionsFor(folder.path, { count: 12, slowWriteMs: 20_000, seed });
    const files = await generated(options);
    const planned = [...planFiles(options).take(12)];
    const starts = files.map(({ openedAt }) => Date.parse(openedAt));
    for (const [index, { delayMs }] of planned.entries()) {
      if (index === 0) continue;
      expect((starts[index] ?? 0) - (starts[index - 1] ?? 0)).to.equal(delayMs);
    }
  });

  it("holds a slow file open while it grows, and closes it when it is whole", async () => {
    await using folder = await temporaryFolder();
    const changes = { slowWriteMs: 10_000, bytesMin: 50_000, bytesMax: 50_000 };
    const seed = seedOfSlow(changes);
    const clock = new ManualClock();
    const files = generate(optionsFor(folder.path, { ...changes, seed }), { clock, signal: NEVER });
    let isDone = false;
    const next = files.next().finally(() => {
      isDone = true;
    });
    const sizes: number[] = [];
    for (;;) {
      await untilAsleep(clock, () => isDone);
      if (isDone) break;
      const [name = ""] = await readdir(folder.path);
      sizes.push((await stat(join(folder.path, name))).size);
      expect(await openFiles()).to.include(join(folder.path, name));
      // The next write needs the disk, so it cannot happen within `advance`: this is one pause.
      while (clock.sleepers > 0) await clock.advance(1);
    }
    const { value } = await next;
    const file = value as GeneratedFile;
    expect(sizes.length).to.be.at.least(3);
    expect(sizes).to.deep.equal([...new Set(sizes)].sort((one, other) => one - other));
    expect(sizes[0]).to.be.below(file.bytes);
    expect(file).to.include({ slow: true, bytes: 50_000, sha256: await sha256Of(file.path) });
    expect(Date.parse(file.closedAt) - Date.parse(file.openedAt)).to.be.within(3_000, 10_000);
    expect(await openFiles()).not.to.include(file.path);
  });

  it("never writes to a file that exists, and takes another name instead", async () => {
    await using folder = await temporaryFolder();
    const options = optionsFor(folder.path);
    const [planned] = planFiles(options).take(1);
    const taken = join(folder.path, fileName(sleeplessClock().now(), planned?.tag ?? ""));
    await writeFile(taken, "precious");
    const [file] = await generated(options);
    expect(await readFile(taken, "utf8")).to.equal("precious");
    expect(file?.path).not.to.equal(taken);
    expect(file?.name).to.match(FILE_NAME);
    expect(await readdir(folder.path)).to.have.length(2);
  });

  it("makes the directory and spreads files over sub-folders", async () => {
    await using folder = await temporaryFolder();
    const directory = join(folder.path, "not", "yet");
    const options = optionsFor(directory, { count: 40, subdirectories: 3, bytesMax: 2_000 });
    const files = await generated(options);
    expect((await readdir(directory)).sort()).to.deep.equal(["source-1", "source-2", "source-3"]);
    for (const { name, path } of files) {
      expect(path).to.equal(join(directory, name));
      expect(basename(name)).to.match(FILE_NAME);
      expect((await stat(path)).isFile()).to.equal(true);
    }
  });

  it("ends a wait at once when it is told to stop", async () => {
    await using folder = await temporaryFolder();
    const clock = new ManualClock();
    const stop = new AbortController();
    const options = optionsFor(folder.path, { count: undefined });
    const files = generate(options, { clock, signal: stop.signal });
    expect((await files.next()).done).to.equal(false);
    const next = files.next();
    await untilAsleep(clock);
    stop.abort();
    expect(await next).to.deep.equal({ done: true, value: undefined });
    expect(await readdir(folder.path)).to.have.length(1);
  });

  it("finishes the file in hand when it is told to stop, and begins no other", async () => {
    await using folder = await temporaryFolder();
    const changes = { count: undefined, slowWriteMs: 10_000, bytesMin: 9_000, bytesMax: 9_000 };
    const seed = seedOfSlow(changes);
    const clock = new ManualClock();
    const stop = new AbortController();
    const options = optionsFor(folder.path, { ...changes, seed });
    const files = all(generate(options, { clock, signal: stop.signal }));
    let isDone = false;
    files.finally(() => {
      isDone = true;
    });
    await untilAsleep(clock, () => isDone);
    stop.abort();
    while (!isDone) {
      await untilAsleep(clock, () => isDone);
      await clock.advance(1_000);
    }
    const [file, ...others] = await files;
    expect(others).to.deep.equal([]);
    expect(await readFile(file?.path ?? "")).to.have.length(9_000);
    expect(await readdir(folder.path)).to.deep.equal([file?.name]);
  });
});

describe("npm run generate", () => {
  it("tells each file as a JSON object, the same ones for the same seed", async () => {
    await using one = await temporaryFolder();
    await using other = await temporaryFolder();
    const args = ["--count", "3", "--every", "1ms", "--slow-write", "0s", "--seed", "7", "--json"];
    const records = async (directory: string) => {
      const { exitCode, stdout } = await run(["--directory", directory, ...args]);
      expect(exitCode).to.equal(0);
      const lines = stdout.trim().split("\n");
      return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    };
    const files = await records(one.path);
    expect(files).to.have.length(3);
    for (const file of files) {
      const keys = ["name", "path", "bytes", "sha256", "slow", "openedAt", "closedAt"];
      expect(file).to.have.all.keys(keys);
      expect(file["sha256"]).to.equal(await sha256Of(String(file["path"])));
    }
    const contents = (some: typeof files) => some.map(({ bytes, sha256 }) => ({ bytes, sha256 }));
    expect(contents(await records(other.path))).to.deep.equal(contents(files));
  });

  it("says a line a file, and nothing with --quiet", async () => {
    await using folder = await temporaryFolder();
    const args = ["--directory", folder.path, "--count", "1", "--size", "4KiB"];
    const { stdout } = await run([...args, "--slow-write", "0s"]);
    expect(stdout).to.match(/^data-\S+\.csv {2}4\.0 KiB\n$/);
    const quiet = await run([...args, "--slow-write", "0s", "--quiet"]);
    expect(quiet).to.deep.equal({ exitCode: 0, stdout: "", stderr: "" });
    expect(await readdir(folder.path)).to.have.length(2);
  });

  it("finishes its file when Ctrl-C reaches it twice at once, as it does through npm", async () => {
    await using folder = await temporaryFolder();
    const seed = seedOfSlow({ slowWriteMs: 2_000, bytesMin: 4_096, bytesMax: 4_096 });
    const args = ["--directory", folder.path, "--size", "4KiB", "--slow-write", "2s"];
    const watcher = watch(folder.path);
    const begun = once(watcher, "change");
    const child = start([...args, "--seed", String(seed), "--json"]);
    const exit = once(child, "exit");
    // The first file is slow: it is there, and unfinished, when the signals come.
    await begun;
    watcher.close();
    child.kill("SIGINT");
    child.kill("SIGTERM");
    const stdout = await text(child.stdout);
    expect((await exit)[0]).to.equal(0);
    const [name = ""] = await readdir(folder.path);
    expect((await stat(join(folder.path, name))).size).to.equal(4_096);
    expect(JSON.parse(stdout)).to.include({ name, slow: true });
  });

  it("stops without complaint when its reader goes away", async () => {
    await using folder = await temporaryFolder();
    const args = ["--directory", folder.path, "--every", "1ms", "--size", "1B"];
    const child = start([...args, "--slow-write", "0s"]);
    const exit = once(child, "exit");
    const stderr = text(child.stderr);
    const lines = createInterface({ input: child.stdout });
    await once(lines, "line");
    lines.close();
    child.stdout.destroy();
    expect((await exit)[0]).to.equal(0);
    expect(await stderr).to.equal("");
  });

  // The limit of 8 KiB ends the first file in its last write, the second one long before it.
  for (const size of ["9KiB", "100KiB"]) {
    it(`leaves no half file on a full disk, and says which failed (${size})`, async () => {
      await using folder = await temporaryFolder();
      // A limit on a file's size fails in the way in which a full disk does: after a short write.
      const limited = `ulimit -f 16 && trap '' XFSZ && exec "$0" "$@"`;
      const args = ["--directory", folder.path, "--count", "1", "--size", size];
      const { exitCode, stderr, stdout } = await run([...args, "--slow-write", "0s"], limited);
      expect(exitCode).to.equal(1);
      expect(stderr).to.include(folder.path).and.include("EFBIG");
      expect(stdout).to.equal("");
      expect(await readdir(folder.path)).to.deep.equal([]);
    });
  }

  const file = fileURLToPath(import.meta.url);
  for (const { args, exitCode = 2, says } of [
    { args: [], says: ["--directory is missing"] },
    { args: ["--directory", "d", "--bogus"], says: ["--bogus"] },
    { args: ["--directory", "d", "extra"], says: ["extra"] },
    { args: ["--directory", "d", "--every", "60"], says: ["--every 60", "30s"] },
    { args: ["--directory", "d", "--every", "-1s"], says: ["--every"] },
    { args: ["--directory", "d", "--slow-write", "soon"], says: ["--slow-write soon", "30s"] },
    { args: ["--directory", "d", "--size", "4"], says: ["--size 4", "64KiB"] },
    { args: ["--directory", "d", "--size", "1KiB..2KiB..3KiB"], says: ["--size 1KiB..2KiB..3KiB"] },
    { args: ["--directory", "d", "--size", "1MiB..1KiB"], says: ["--size 1MiB..1KiB", "first"] },
    { args: ["--directory", "d", "--count", "0"], says: ["--count 0", "at least 1"] },
    { args: ["--directory", "d", "--count", "2.5"], says: ["--count 2.5", "whole number"] },
    { args: ["--directory", "d", "--seed", "x"], says: ["--seed x", "whole number"] },
    { args: ["--directory", "d", "--subdirectories", "many"], says: ["--subdirectories many"] },
    { args: ["--directory", file], says: [`--directory ${file} is a file`] },
    {
      args: ["--directory", `${file}/below`, "--count", "1"],
      exitCode: 1,
      says: ["ENOTDIR", file],
    },
  ]) {
    it(`refuses ${args.join(" ") || "no arguments"}`.replace(ROOT, ""), async () => {
      const { stderr, stdout, ...result } = await run(args);
      expect(result.exitCode).to.equal(exitCode);
      for (const word of says) expect(stderr).to.include(word);
      expect(stderr).not.to.match(/^\s+at /m);
      expect(stdout).to.equal("");
    });
  }
});

/** Starts the real tool. @param shell a shell script that runs it as its arguments say */
function start(args: readonly string[], shell?: string) {
  const command = [process.execPath, join(ROOT, "tools/generate.ts"), ...args];
  const [program = "", ...rest] = shell === undefined ? command : ["sh", "-c", shell, ...command];
  // Whatever a test gets wrong, it must not write into the checkout.
  return spawn(program, rest, { cwd: tmpdir(), stdio: ["ignore", "pipe", "pipe"] });
}

async function run(args: readonly string[], shell?: string) {
  const child = start(args, shell);
  const [[exitCode], stdout, stderr] = await Promise.all([
    once(child, "exit"),
    text(child.stdout),
    text(child.stderr),
  ]);
  return { exitCode: exitCode as number | null, stdout, stderr };
}

/** The paths that this process has open. */
async function openFiles(): Promise<string[]> {
  const links = (await readdir("/proc/self/fd")).map((fd) => readlink(`/proc/self/fd/${fd}`));
  return (await Promise.allSettled(links)).flatMap((link) =>
    link.status === "fulfilled" ? [link.value] : [],
  );
}
