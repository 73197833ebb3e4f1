import { mkdtempDisposable, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect } from "chai";
import type { DamagedLog } from "../../../src/lib/record-log.ts";
import { isDiskTrouble, StateFile } from "../../../src/lib/state-file.ts";
import { runOnTinyDisk } from "../../support/tiny-disk.ts";

const FORMAT = { format: "test", version: 1 };

const makeFolder = () => mkdtempDisposable(`${tmpdir()}/s3oa-state-file-`);

function stateFile(path: string) {
  const damages: (DamagedLog & { readonly path: string })[] = [];
  const file = new StateFile(path, FORMAT, (where, damage) =>
    damages.push({ path: where, ...damage }),
  );
  return { file, damages };
}

/** For scripts on a tiny disk. */
const HEAD = `
import { StateFile } from ${JSON.stringify(import.meta.resolve("../../../src/lib/state-file.ts"))};
const path = disk + "/log";
const damages = [];
const make = (at = path) =>
  new StateFile(at, { format: "test", version: 1 }, (_, damage) => damages.push(damage.reason));
const recordsOn = async () => {
  const file = make();
  const records = await file.load();
  await file.close();
  return records;
};
const large = (n) => ({ n, text: "x".repeat(10_000) });
const said = {};
`;
const TAIL = "\nprocess.stdout.write(JSON.stringify(said));";

async function onTinyDisk(script: string): Promise<unknown> {
  await using folder = await makeFolder();
  return runOnTinyDisk(folder.path, HEAD + script + TAIL);
}

describe("a state file", () => {
  it("gives back what was written, with the directory made for it", async () => {
    await using folder = await makeFolder();
    const path = `${folder.path}/a/b/log`;
    const { file } = stateFile(path);
    expect(await file.load()).to.deep.equal([]);
    file.note({ n: 0 });
    await file.append({ n: 1 });
    expect(file.bytes).to.equal((await readFile(path)).length);
    expect(file.problem).to.equal(undefined);
    await file.close();
    const again = stateFile(path).file;
    expect(await again.peek()).to.deep.equal([{ n: 0 }, { n: 1 }]);
    expect(await again.load()).to.deep.equal([{ n: 0 }, { n: 1 }]);
    await again.rewrite(() => [{ n: 2 }]);
    await again.close();
    expect(again.bytes).to.equal(0);
    expect(await again.peek()).to.deep.equal([{ n: 2 }]);
  });

  it("peek leaves no trace, whatever is there", async () => {
    await using folder = await makeFolder();
    for (const content of [undefined, "garbage", ""]) {
      const path = `${folder.path}/log`;
      if (content !== undefined) await writeFile(path, content);
      const { file, damages } = stateFile(path);
      expect(await file.peek()).to.deep.equal([]);
      file.note({ n: 1 });
      await file.close();
      expect(await readdir(folder.path)).to.have.length(content === undefined ? 0 : 1);
      expect(damages).to.deep.equal([]);
    }
  });

  it("tells of a file that was set aside, and where it is", async () => {
    await using folder = await makeFolder();
    const path = `${folder.path}/log`;
    await writeFile(path, "garbage");
    const { file, damages } = stateFile(path);
    expect(await file.load()).to.deep.equal([]);
    await file.close();
    const setAsideAs = `${path}.set-aside-1`;
    expect(damages).to.deep.equal([{ path, reason: "it is no file of this kind", setAsideAs }]);
    expect(await readFile(setAsideAs, "utf8")).to.equal("garbage");
  });

  it("what is no trouble of the disk is no state that can be done without", async () => {
    await using folder = await makeFolder();
    await writeFile(`${folder.path}/file`, "");
    const { file } = stateFile(`${folder.path}/file/log`);
    const code = await file.load().then(
      () => undefined,
      (error) => error.code,
    );
    expect(code).to.equal("ENOTDIR");
  });

  it("knows trouble of the disk from anything else", () => {
    const error = (code: string) => Object.assign(new Error(), { code });
    const trouble = ["ENOSPC", "EDQUOT", "EROFS", "EIO", "EMFILE", "ENFILE"];
    for (const code of trouble) expect(isDiskTrouble(error(code)), code).to.equal(true);
    for (const code of ["EACCES", "ENOENT", "ENOTDIR", "EISDIR"]) {
      expect(isDiskTrouble(error(code)), code).to.equal(false);
    }
    expect(isDiskTrouble(new Error("ENOSPC"))).to.equal(false);
  });
});

describe("a state file on a disk in trouble", () => {
  it("full from the start: goes on without, says so, and is there as soon as there is room", async () => {
    const script = `
      fill();
      const file = make();
      said.loaded = await file.load();
      said.problem = file.problem;
      said.bytes = file.bytes;
      file.note(large(0));
      said.append = await codeOf(file.append(large(1)));
      said.rewrite = await codeOf(file.rewrite(() => [large(2)]));
      makeRoom();
      said.appendLater = await codeOf(file.append(large(3)));
      said.problemLater = file.problem ?? "none";
      await file.close();
      said.records = (await recordsOn()).map(({ n }) => n);
      said.damages = damages;`;
    const said = (await onTinyDisk(script)) as Record<string, unknown>;
    expect(said["problem"]).to.match(/\/log: ENOSPC$/);
    delete said["problem"];
    expect(said).to.deep.equal({
      loaded: [],
      bytes: 0,
      append: "ENOSPC",
      rewrite: "ENOSPC",
      appendLater: "done",
      problemLater: "none",
      records: [3],
      damages: [],
    });
  });

  it("full later: what was written stays, what was refused never comes back", async () => {
    const script = `
      const file = make();
      await file.load();
      await file.append({ n: 1 });
      const before = fs.readFileSync(path, "latin1");
      fill();
      // Room for two pages, so that a part of what comes fits.
      fs.truncateSync(disk + "/filling", fs.statSync(disk + "/filling").size - 8192);
      said.batch = await Promise.all([
        codeOf(file.append({ n: 2 })),
        codeOf(file.append({ n: 3 })),
        codeOf(file.append(large(4))),
        codeOf(file.append(large(5))),
      ]);
      said.rewrite = await codeOf(file.rewrite(() => [large(6), large(7)]));
      said.isAsItWas = fs.readFileSync(path, "latin1").startsWith(before);
      said.hasProblem = file.problem !== undefined;
      makeRoom();
      said.later = await codeOf(file.append({ n: 8 }));
      await file.close();
      said.records = (await recordsOn()).map(({ n }) => n);
      said.damages = damages;`;
    expect(await onTinyDisk(script)).to.deep.equal({
      // All of them share one write, of which two pages fit.
      batch: Array(4).fill("ENOSPC"),
      rewrite: "ENOSPC",
      isAsItWas: true,
      hasProblem: true,
      later: "done",
      records: [1, 8],
      damages: [],
    });
  });

  it("several writes that find room together lose none of their records and no descriptor", async () => {
    const script = `
      const before = descriptors();
      fill();
      const file = make();
      await file.load();
      makeRoom();
      const numbers = [1, 2, 3, 4, 5, 6];
      said.appended = await Promise.all(numbers.map((n) => codeOf(file.append({ n }))));
      said.opened = descriptors() - before;
      await file.close();
      said.records = (await recordsOn()).map(({ n }) => n);
      said.damages = damages;`;
    expect(await onTinyDisk(script)).to.deep.equal({
      appended: Array(6).fill("done"),
      opened: 1,
      records: [1, 2, 3, 4, 5, 6],
      damages: [],
    });
  });

  it("read-only: what stands in the file is known all the same", async () => {
    const script = `
      const first = make();
      await first.load();
      await first.append({ n: 1 });
      await first.close();
      setReadOnly(true);
      const file = make();
      said.loaded = await file.load();
      said.problem = file.problem.replace(/.*: /, "");
      said.append = await codeOf(file.append({ n: 2 }));
      setReadOnly(false);
      said.later = await codeOf(file.append({ n: 3 }));
      await file.close();
      said.records = (await recordsOn()).map(({ n }) => n);`;
    expect(await onTinyDisk(script)).to.deep.equal({
      loaded: [{ n: 1 }],
      problem: "EROFS",
      append: "EROFS",
      later: "done",
      records: [1, 3],
    });
  });

  it("its directory cannot be made now: it is made as soon as that can be", async () => {
    const script = `
      fill();
      const at = disk + "/state/log";
      const file = make(at);
      said.loaded = await file.load();
      said.append = await codeOf(file.append({ n: 1 }));
      makeRoom();
      said.later = await codeOf(file.append({ n: 2 }));
      await file.close();
      said.records = await make(at).peek();`;
    expect(await onTinyDisk(script)).to.deep.equal({
      loaded: [],
      append: "ENOSPC",
      later: "done",
      records: [{ n: 2 }],
    });
  });

  it("a damaged file is told of and set aside only when its whole records can be kept", async () => {
    const script = `
      const first = make();
      await first.load();
      for (const n of [1, 2, 3]) await first.append({ n });
      await first.close();
      const text = fs.readFileSync(path, "latin1").replace('{"n":2}', '{"n":7}');
      fs.writeFileSync(path, text, "latin1");
      fill();
      const file = make();
      said.loaded = (await file.load()).map(({ n }) => n);
      said.damagesThen = [...damages];
      said.isInPlace = fs.readFileSync(path, "latin1") === text;
      makeRoom();
      await file.append({ n: 4 });
      await file.close();
      said.names = fs.readdirSync(disk).sort();
      said.isKept = fs.readFileSync(path + ".set-aside-1", "latin1") === text;
      said.damagesLater = [...damages];
      said.records = (await recordsOn()).map(({ n }) => n);`;
    expect(await onTinyDisk(script)).to.deep.equal({
      loaded: [1, 3],
      damagesThen: [],
      isInPlace: true,
      names: ["log", "log.set-aside-1"],
      isKept: true,
      damagesLater: ["1 of its 3 records are damaged"],
      records: [1, 3, 4],
    });
  });
});
