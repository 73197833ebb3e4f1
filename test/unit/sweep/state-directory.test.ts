import { execFileSync } from "node:child_process";
import {
  appendFile,
  chmod,
  mkdir,
  mkdtempDisposable,
  readdir,
  readFile,
  stat,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect } from "chai";
import { AgentError } from "../../../src/lib/errors.ts";
import { StateDirectory } from "../../../src/sweep/state-directory.ts";
import { startModule } from "../../support/child.ts";
import { descriptorsBelow } from "../../support/descriptors.ts";
import { fileEntry } from "../../support/entries.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const MODULE = JSON.stringify(import.meta.resolve("../../../src/sweep/state-directory.ts"));
const CLOCK = JSON.stringify(import.meta.resolve("../../../src/lib/clock.ts"));
const FILES = ["ledger", "attempts", "host"] as const;
const UPLOADED = {
  root: "/watched",
  path: Buffer.from("f"),
  inode: 7n,
  bytes: 100n,
  mtimeNs: 1_000n,
  sha256: "0".repeat(64),
  bucket: "b",
  key: "k",
};

async function makePlace() {
  const folder = await mkdtempDisposable(`${tmpdir()}/s3oa-state-`);
  const path = `${folder.path}/lib/state`;
  const clock = new ManualClock();
  return {
    folder: folder.path,
    path,
    clock,
    open: (isReadOnly = false, bootId = "boot 1") =>
      StateDirectory.open({ path, clock, bootId, isReadOnly }),
    [Symbol.asyncDispose]: () => folder.remove(),
  };
}
type Place = Awaited<ReturnType<typeof makePlace>>;

/** Leaves a state with something in each of its files. */
async function fillState(place: Place): Promise<void> {
  await using state = await place.open();
  await state.addRoot("/watched");
  await state.ledger.add(UPLOADED);
  state.attempts.begin("/watched");
  const when = { now: place.clock.now(), random: () => 0 };
  state.attempts.failed("/watched", fileEntry("a"), { reason: "r", message: "m" }, when);
  await state.attempts.end("/watched", true);
}

async function failureOf(opening: Promise<AsyncDisposable>): Promise<AgentError> {
  try {
    await (await opening)[Symbol.asyncDispose]();
  } catch (error) {
    if (error instanceof AgentError) return error;
    throw error;
  }
  throw new Error("it was opened");
}

const known = (state: StateDirectory) => [
  state.ledger.size,
  [...state.attempts.list()].length,
  state.roots.length,
];

describe("the state directory", () => {
  it("is made, for its owner alone, and gives everything back after a restart", async () => {
    await using place = await makePlace();
    await fillState(place);
    expect((await stat(place.path)).mode & 0o777).to.equal(0o700);
    expect((await readdir(place.path)).toSorted()).to.deep.equal([...FILES].toSorted());
    for (const name of FILES) {
      expect((await stat(`${place.path}/${name}`)).mode & 0o777, name).to.equal(0o600);
    }
    await using state = await place.open();
    expect(known(state)).to.deep.equal([1, 1, 1]);
    expect(state.roots).to.deep.equal(["/watched"]);
    expect(state.damages).to.deep.equal([]);
    expect(state.problem).to.equal(undefined);
  });

  it("what is added is on disk at once: no end of the process is needed", async () => {
    await using place = await makePlace();
    await using state = await place.open();
    await state.addRoot("/watched");
    await state.ledger.add(UPLOADED);
    await using looking = await place.open(true);
    expect(known(looking)).to.deep.equal([1, 0, 1]);
    await state.dropRoot("/watched");
    await using again = await place.open(true);
    expect(known(again)).to.deep.equal([1, 0, 0]);
  });

  it("knows after a restart for how long the clock has run steadily, in the same boot only", async () => {
    await using place = await makePlace();
    const age = ({ steadyClock }: StateDirectory) => place.clock.now() - steadyClock.steadySince();
    {
      await using _first = await place.open();
      await place.clock.advance(60_000);
    }
    await place.clock.advance(5_000);
    {
      await using state = await place.open();
      expect(age(state)).to.equal(65_000);
    }
    {
      await using state = await place.open(false, "boot 2");
      expect(age(state)).to.equal(0);
    }
    place.clock.setWallClock(place.clock.now() + 3_600_000);
    await using state = await place.open(false, "boot 2");
    expect(age(state)).to.equal(0);
  });

  it("saveHost writes the clock down without an end of the process", async () => {
    await using place = await makePlace();
    await using state = await place.open();
    await place.clock.advance(60_000);
    await state.saveHost();
    await using looking = await place.open(true);
    expect(place.clock.now() - looking.steadyClock.steadySince()).to.equal(60_000);
  });
});

describe("the state directory: files that cannot be read", () => {
  const headerOf = (name: string, version: number) => {
    const json = JSON.stringify({ format: `s3-offload-agent ${name}`, version });
    // `crc32` of gzip: its trailer is the checksum, the last byte first.
    const gzip = execFileSync("gzip", ["-c"], { input: json });
    const crc = gzip.subarray(-8, -4).toReversed();
    return `${Buffer.from(crc).toString("hex")} ${json}\n`;
  };

  for (const name of FILES) {
    for (const [what, spoil, reason] of [
      ["garbage", (path: string) => writeFile(path, "garbage\n"), /no file of this kind/],
      ["empty", (path: string) => writeFile(path, ""), /no file of this kind/],
      ["cut in its first line", (path: string) => truncate(path, 20), /no file of this kind/],
      [
        "a newer agent's",
        (path: string) => writeFile(path, headerOf(name, 2)),
        /its version is 2, this agent reads 1/,
      ],
      [
        "damaged in one record",
        (path: string) => appendFile(path, "00000000 {}\n"),
        /1 of its \d records are damaged/,
      ],
    ] as const) {
      it(`${name} ${what}: set aside, told of, and the rest is there`, async () => {
        await using place = await makePlace();
        await fillState(place);
        const path = `${place.path}/${name}`;
        await spoil(path);
        const content = await readFile(path);
        await using state = await place.open();
        const setAsideAs = `${path}.set-aside-1`;
        expect(state.damages).to.have.length(1);
        expect(state.damages[0]).to.include({ path, setAsideAs });
        expect(state.damages[0]?.reason).to.match(reason);
        expect(await readFile(setAsideAs)).to.deep.equal(content);
        const whole = what === "damaged in one record";
        expect(known(state)).to.deep.equal(FILES.map((one) => (one !== name || whole ? 1 : 0)));
        expect(state.problem).to.equal(undefined);
      });
    }

    it(`${name} cut in its last line: that was never promised, and nothing is told`, async () => {
      await using place = await makePlace();
      await fillState(place);
      const path = `${place.path}/${name}`;
      await truncate(path, (await stat(path)).size - 5);
      await using state = await place.open();
      expect(state.damages).to.deep.equal([]);
      expect(known(state)).to.deep.equal(FILES.map((one) => (one === name ? 0 : 1)));
      expect(await readdir(place.path)).to.have.length(3);
    });
  }

  it("records of any shape in the host's file are passed over", async () => {
    await using place = await makePlace();
    await fillState(place);
    const file = `${place.path}/host`;
    const anchors = [null, 1, {}, { bootId: 1, offsetMs: 1, steadySinceBootMs: 1 }];
    const records = [null, 1, [], {}, { root: 1 }, ...anchors.map((anchor) => ({ anchor }))];
    for (const record of records) {
      const json = JSON.stringify(record);
      const crc = execFileSync("gzip", ["-c"], { input: json }).subarray(-8, -4).toReversed();
      await appendFile(file, `${Buffer.from(crc).toString("hex")} ${json}\n`);
    }
    await place.clock.advance(60_000);
    await using state = await place.open();
    expect(state.damages).to.deep.equal([]);
    expect(state.roots).to.deep.equal(["/watched"]);
    // The last anchor that is one still counts.
    expect(place.clock.now() - state.steadyClock.steadySince()).to.equal(60_000);
  });
});

describe("the state directory: who may use it", () => {
  it("is used by one agent at a time (exit code 4), and free again after its end", async () => {
    await using place = await makePlace();
    const script = `
      import { StateDirectory } from ${MODULE};
      import { systemClock } from ${CLOCK};
      const options = { path: process.argv[1], clock: systemClock, bootId: "b", isReadOnly: false };
      await StateDirectory.open(options);
      console.log("open");
      setInterval(() => undefined, 60_000);`;
    {
      await using other = startModule(script, place.path);
      expect(await other.line()).to.equal("open");
      const error = await failureOf(place.open());
      expect(error.exitCode).to.equal(4);
      expect(error.message).to.equal(`Another agent uses the state directory ${place.path}.`);
      expect(error.hint).not.to.equal("");
      // Whoever only looks is kept out by nobody.
      await using looking = await place.open(true);
      expect(looking.path).to.equal(place.path);
    }
    await using state = await place.open();
    const descriptors = descriptorsBelow(place.folder);
    const error = await failureOf(place.open());
    expect(error.exitCode).to.equal(4);
    expect(descriptorsBelow(place.folder)).to.equal(descriptors);
    expect(state.problem).to.equal(undefined);
  });

  it("who only looks makes nothing, mends nothing and keeps nobody out", async () => {
    await using place = await makePlace();
    {
      await using looking = await place.open(true);
      expect(known(looking)).to.deep.equal([0, 0, 0]);
    }
    expect(await readdir(place.folder)).to.deep.equal([]);
    await fillState(place);
    await writeFile(`${place.path}/ledger`, "garbage");
    await truncate(`${place.path}/attempts`, (await stat(`${place.path}/attempts`)).size - 5);
    const before = await contentsOf(place.path);
    {
      await using looking = await place.open(true);
      expect(known(looking)).to.deep.equal([0, 0, 1]);
      looking.ledger.drop(UPLOADED);
      await using _state = await place.open(true);
    }
    expect(await contentsOf(place.path)).to.deep.equal(before);
  });

  for (const [what, prepare] of [
    ["a file", async (path: string) => await writeFile(path, "")],
    [
      "a directory in which a state file is a directory",
      async (path: string) => {
        await mkdir(`${path}/ledger`, { recursive: true });
      },
    ],
  ] as const) {
    it(`${what} cannot be used: exit code 2, the path and a way out`, async () => {
      await using place = await makePlace();
      await mkdir(`${place.folder}/lib`);
      await prepare(place.path);
      const descriptors = descriptorsBelow(place.folder);
      const error = await failureOf(place.open());
      expect(descriptorsBelow(place.folder)).to.equal(descriptors);
      expect(error.exitCode).to.equal(2);
      expect(error.message).to.match(
        new RegExp(`The state directory ${place.path} cannot be used: E[A-Z]+\\.`),
      );
      expect(error.hint).to.include("S3_OFFLOAD_STATE_DIRECTORY");
    });
  }

  it("one that may not be written to cannot be used; nothing of it stays locked or open", async () => {
    await using place = await makePlace();
    await fillState(place);
    execFileSync("chmod", ["-R", "a+rX", place.folder]);
    await chmod(place.path, 0o555);
    const script = `
      import { descriptorsBelow } from ${JSON.stringify(import.meta.resolve("../../support/descriptors.ts"))};
      import { StateDirectory } from ${MODULE};
      import { systemClock } from ${CLOCK};
      if (process.getuid() === 0) process.setuid(65534);
      const options = { path: process.argv[1], clock: systemClock, bootId: "b", isReadOnly: false };
      await StateDirectory.open(options).catch(({ exitCode, message }) => console.log(exitCode, message));
      console.log(descriptorsBelow(process.argv[1]));`;
    await using other = startModule(script, place.path);
    expect(await other.line()).to.match(/^2 The state directory .* cannot be used: EACCES\.$/);
    expect(await other.line()).to.equal("0");
    await chmod(place.path, 0o755);
  });
});

async function contentsOf(path: string): Promise<Record<string, string>> {
  const names = (await readdir(path)).toSorted();
  const contents = names.map(async (name) => [name, await readFile(`${path}/${name}`, "hex")]);
  return Object.fromEntries(await Promise.all(contents));
}
