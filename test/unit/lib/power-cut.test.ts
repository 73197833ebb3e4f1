import { execFile } from "node:child_process";
import { mkdir, mkdtempDisposable, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { parseLog, RecordLog } from "../../../src/lib/record-log.ts";
import { HOOK_ARGUMENTS, planEnvironment } from "../../support/fault-plan.ts";

const SUBJECT = fileURLToPath(new URL("../../support/state-subject.ts", import.meta.url));
const FORMAT = { format: "test", version: 1 };
/** More steps than any of these has. */
const STEPS_MAX = 40;

interface Cut {
  /** Before which step the power goes; undefined: when everything is done. */
  readonly at?: number;
  /** What becomes of names that were not synced; undefined: it is a kill and no power cut. */
  readonly names: "kept" | "lost" | undefined;
}

/** Does one thing in a directory and cuts the power. @returns whether it was cut */
async function cutPower(directory: string, what: string, { at, names }: Cut): Promise<boolean> {
  const when = at === undefined ? { op: "^lstat$", at: 1 } : { at };
  const loss = names === undefined ? {} : { powerLoss: { directory, names } };
  const plan = { under: [directory], ...when, action: "kill-before", ...loss } as const;
  const env = { ...process.env, ...planEnvironment(plan) };
  const args = [...HOOK_ARGUMENTS, SUBJECT, directory, what];
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const child = execFile(process.execPath, args, { env }, (error, _stdout, stderr) => {
    expect(stderr).to.equal("");
    resolve(error !== null && child.signalCode === "SIGKILL");
  });
  return await promise;
}

async function makePlace() {
  const temporary = await mkdtempDisposable(join(tmpdir(), "s3oa-power-"));
  const directory = join(temporary.path, "state");
  await mkdir(directory);
  const file = join(directory, "a");
  return { directory, file, [Symbol.asyncDispose]: () => temporary.remove() };
}

describe("after a kill in the middle", () => {
  for (const names of ["kept", "lost", undefined] as const) {
    it(`a file has its old or its new content (${names ?? "no power cut"})`, async () => {
      let wasCut = true;
      let at = 1;
      for (; wasCut && at < STEPS_MAX; at += 1) {
        await using place = await makePlace();
        await writeFile(place.file, "old");
        wasCut = await cutPower(place.directory, "write", { at, names });
        expect(["old", "new"], `step ${at}`).to.include(await readFile(place.file, "utf8"));
      }
      expect(at).to.be.within(5, STEPS_MAX - 1);
    });
  }
});

describe("after a power cut", () => {
  for (const names of ["kept", "lost"] as const) {
    it(`a file that was written as a whole has its new content (unsynced names ${names})`, async () => {
      await using place = await makePlace();
      await writeFile(place.file, "old");
      expect(await cutPower(place.directory, "write", { names })).to.equal(true);
      expect(await readFile(place.file, "utf8")).to.equal("new");
    });

    it(`a record that was acknowledged is there (unsynced names ${names})`, async () => {
      await using place = await makePlace();
      const { log } = await RecordLog.open(place.file, FORMAT);
      await log.append({ n: 0 });
      await log.close();
      expect(await cutPower(place.directory, "append", { names })).to.equal(true);
      const { records } = parseLog(await readFile(place.file), FORMAT);
      expect(records).to.deep.equal([{ n: 0 }, { n: 1 }]);
    });

    it(`what was saved of a removed file is there (unsynced names ${names})`, async () => {
      await using place = await makePlace();
      expect(await cutPower(place.directory, "rescue", { names })).to.equal(true);
      expect(await readdir(place.directory)).to.deep.equal(["a"]);
      expect(await readFile(place.file, "utf8")).to.equal("early and late");
    });
  }
});
