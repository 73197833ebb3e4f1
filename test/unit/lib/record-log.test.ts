import { appendFile, mkdtempDisposable, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { parseLog, RecordLog } from "../../../src/lib/record-log.ts";
import { startShell } from "../../support/child.ts";

const FORMAT = { format: "test", version: 1 };

async function folder() {
  const temporary = await mkdtempDisposable(join(tmpdir(), "record-log-"));
  return {
    path: join(temporary.path, "log"),
    directory: temporary.path,
    [Symbol.asyncDispose]: () => temporary.remove(),
  };
}

async function recordsIn(path: string): Promise<readonly unknown[]> {
  const { log, records } = await RecordLog.open(path, FORMAT);
  await log.close();
  return records;
}

describe("a record log", () => {
  it("gives back what was appended, in that order, and what was noted", async () => {
    await using at = await folder();
    const { log } = await RecordLog.open(at.path, FORMAT);
    log.note({ noted: 0 });
    await Promise.all([log.append({ n: 1 }), log.append({ n: 2 })]);
    await log.append({ n: 3 });
    log.note({ noted: 4 });
    await log.close();
    expect(await recordsIn(at.path)).to.deep.equal([
      { noted: 0 },
      { n: 1 },
      { n: 2 },
      { n: 3 },
      { noted: 4 },
    ]);
  });

  it("an appended record is in the file when append resolves, without a close", async () => {
    await using at = await folder();
    const { log } = await RecordLog.open(at.path, FORMAT);
    await log.append({ n: 1 });
    expect(parseLog(await readFile(at.path), FORMAT).records).to.deep.equal([{ n: 1 }]);
    await log.close();
  });

  it("cut anywhere it gives back the records whose lines are whole, and goes on behind them", async () => {
    await using at = await folder();
    const { log } = await RecordLog.open(at.path, FORMAT);
    for (let n = 0; n < 3; n += 1) await log.append({ n });
    await log.close();
    const whole = await readFile(at.path);
    const headerEnd = whole.indexOf("\n") + 1;
    for (let length = headerEnd; length < whole.length; length += 1) {
      await writeFile(at.path, whole.subarray(0, length));
      const kept = whole.subarray(headerEnd, length).toString().split("\n").length - 1;
      const opened = await RecordLog.open(at.path, FORMAT);
      expect(opened.damage, `cut at ${length}`).to.equal(undefined);
      expect(opened.records).to.have.length(kept);
      await opened.log.append({ after: length });
      await opened.log.close();
      expect((await recordsIn(at.path)).at(-1)).to.deep.equal({ after: length });
      expect(await recordsIn(at.path)).to.have.length(kept + 1);
    }
  });

  for (const [what, content, reason] of [
    ["garbage", Buffer.from([0, 255, 10, 10, 7]), "no file of this kind"],
    ["an empty file", Buffer.alloc(0), "no file of this kind"],
    ["another program's text", Buffer.from("{}\n{}\n"), "no file of this kind"],
  ] as const) {
    it(`${what} is set aside, not deleted, and reported`, async () => {
      await using at = await folder();
      await writeFile(at.path, content);
      const { log, records, damage } = await RecordLog.open(at.path, FORMAT);
      await log.append({ n: 1 });
      await log.close();
      expect(records).to.deep.equal([]);
      expect(damage?.reason).to.include(reason);
      expect(await readFile(damage?.setAsideAs ?? "")).to.deep.equal(content);
      expect(await recordsIn(at.path)).to.deep.equal([{ n: 1 }]);
    });
  }

  it("a newer version's log is set aside, and a second one does not take the first one's place", async () => {
    await using at = await folder();
    for (const version of [2, 3]) {
      const newer = join(at.directory, `v${version}`);
      await (await RecordLog.open(newer, { format: "test", version })).log.close();
      await writeFile(at.path, await readFile(newer));
      const { log, damage } = await RecordLog.open(at.path, FORMAT);
      await log.close();
      expect(damage?.reason).to.include(`version is ${version}`);
    }
    expect(
      (await readdir(at.directory)).filter((name) => name.includes("set-aside")),
    ).to.have.length(2);
  });

  it("one damaged record costs only itself; the file is kept for whoever wants to look", async () => {
    await using at = await folder();
    const { log } = await RecordLog.open(at.path, FORMAT);
    for (let n = 0; n < 3; n += 1) await log.append({ n });
    await log.close();
    const text = (await readFile(at.path, "utf8")).replace('{"n":1}', '{"n":7}');
    await writeFile(at.path, text);
    const { log: again, records, damage } = await RecordLog.open(at.path, FORMAT);
    await again.close();
    expect(records).to.deep.equal([{ n: 0 }, { n: 2 }]);
    expect(damage?.reason).to.include("1 of its 3 records");
    expect(await readFile(damage?.setAsideAs ?? "", "utf8")).to.equal(text);
  });

  it("bytes that a failed write left behind are gone with the next record", async () => {
    await using at = await folder();
    const { log } = await RecordLog.open(at.path, FORMAT);
    await log.append({ n: 1 });
    await appendFile(at.path, '12345678 {"half":');
    await log.append({ a: "record that is longer than what was left behind" });
    await log.close();
    expect(await recordsIn(at.path)).to.have.length(2);
  });

  it("rewrite leaves only the given records, and appends go on behind them", async () => {
    await using at = await folder();
    const { log } = await RecordLog.open(at.path, FORMAT);
    for (let n = 0; n < 100; n += 1) log.note({ n });
    await log.append({ n: 100 });
    const before = log.bytes;
    await Promise.all([log.rewrite(() => [{ only: 1 }]), log.append({ n: 101 })]);
    expect(log.bytes).to.be.below(before);
    await log.append({ n: 102 });
    await log.close();
    const records = await recordsIn(at.path);
    expect(records[0]).to.deep.equal({ only: 1 });
    expect(records.at(-1)).to.deep.equal({ n: 102 });
  });

  it("a rewrite asks for its records when its turn has come, and none that came before is lost", async () => {
    await using at = await folder();
    const { log } = await RecordLog.open(at.path, FORMAT);
    const known: unknown[] = [];
    const add = (n: number) => {
      known.push({ n });
      return log.append({ n });
    };
    const first = add(1);
    const rewriting = log.rewrite(() => known);
    // Joins the write that has begun, so it is on disk before the rewrite's turn.
    await Promise.all([first, add(2), rewriting]);
    await log.close();
    expect(await recordsIn(at.path)).to.deep.equal([{ n: 1 }, { n: 2 }]);
  });

  it("a rewrite for which descriptors run out half-way changes nothing: what comes then is in the file", async () => {
    await using at = await folder();
    const script = `
      import { closeSync, openSync, readFileSync } from "node:fs";
      import { parseLog, RecordLog } from ${JSON.stringify(import.meta.resolve("../../../src/lib/record-log.ts"))};
      const format = { format: "test", version: 1 };
      const { log } = await RecordLog.open(process.argv[1], format);
      const answers = [];
      for (let free = 0; free < 8; free += 1) {
        const held = [];
        const takeAll = () => {
          try {
            for (;;) held.push(openSync("/dev/null"));
          } catch {}
        };
        takeAll();
        for (let n = 0; n < free; n += 1) closeSync(held.pop());
        // Others take every one that comes free.
        let isOver = false;
        const look = () => {
          takeAll();
          if (!isOver) setImmediate(look);
        };
        const rewriting = log.rewrite(() => [{ rewritten: free }]);
        setImmediate(look);
        await rewriting.catch(() => undefined);
        await log.append({ free });
        isOver = true;
        for (const fd of held) closeSync(fd);
        const { records } = parseLog(readFileSync(process.argv[1]), format);
        answers.push(records.at(-1)?.free === free ? "kept" : "lost");
      }
      console.log(answers.join(" "));`;
    const node = [process.execPath, "--input-type=module", "--eval", script, at.path];
    await using child = startShell('ulimit -n 64 && exec "$@"', ...node);
    expect(await child.line()).to.equal(Array(8).fill("kept").join(" "));
  });

  it("whatever single byte is changed, no record comes out that was not written", async () => {
    await using at = await folder();
    const written = [{ path: "a" }, { path: "b" }, { path: "c" }];
    const { log } = await RecordLog.open(at.path, FORMAT);
    for (const record of written) await log.append(record);
    await log.close();
    const whole = await readFile(at.path);
    const known = new Set(written.map((record) => JSON.stringify(record)));
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(whole);
        changed.writeUInt8(changed.readUInt8(at) ^ flip, at);
        for (const record of parseLog(changed, FORMAT).records) {
          expect(known.has(JSON.stringify(record))).to.equal(true);
        }
      }),
      { numRuns: 500 },
    );
  });
});
