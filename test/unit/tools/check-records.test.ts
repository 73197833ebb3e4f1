import { execFile } from "node:child_process";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { EVENT_NAMES } from "../../../src/logs/events.ts";
import { checkRecords, unseen } from "../../../tools/check-records.ts";
import { CONTENT_MARK, SECRET_MARK } from "../../../tools/marks.ts";
import { SAMPLE_FLEET } from "../../../tools/records/record-rules.ts";

const RECORD = JSON.stringify({
  level: "info",
  time: "2026-11-24T12:00:00.000Z",
  fleet: "web",
  host: "h1",
  version: "1",
  id: "abcdefgh-1",
  event: "agent.stopped",
});

/** Checks one file. */
async function check(name: string, text: string) {
  await using folder = await mkdtempDisposable(join(tmpdir(), "s3oa-records-"));
  await writeFile(join(folder.path, name), text);
  return await checkRecords(folder.path);
}

describe("checkRecords", () => {
  it("counts what agents have logged, and passes over what is no record", async () => {
    const { problems, records, counts } = await check(
      "1.output",
      `${RECORD}\n${RECORD}\na line for people\n{"some":"json"}\n${RECORD.slice(0, 40)}`,
    );
    expect({ problems, records }).to.deep.equal({ problems: [], records: 2 });
    expect([...counts]).to.deep.equal([["agent.stopped", 2]]);
  });

  it("does not take samples that tests make for what agents do", async () => {
    const sample = RECORD.replace("web", SAMPLE_FLEET);
    const { records, counts } = await check("1.records", `${sample}\n`);
    expect({ records, seen: counts.size }).to.deep.equal({ records: 0, seen: 0 });
  });

  const planted: readonly (readonly [string, string, string])[] = [
    ["a secret in a record", RECORD.replace("web", `${SECRET_MARK}-key`), "a secret"],
    ["a secret in a line for people", `error: ${SECRET_MARK}`, "a secret"],
    ["a file's content", `it says ${CONTENT_MARK}.`, "a file's content"],
    ["a record with a field too many", RECORD.replace("}", ',"path":"a"}'), "path is none"],
  ];
  for (const [what, line, says] of planted) {
    for (const name of ["1.output", "1.records"]) {
      it(`tells of ${what} in ${name}`, async () => {
        const { problems } = await check(name, `${RECORD}\n${line}`);
        expect(problems).to.have.length(1);
        expect(problems[0]).to.include(says).and.include(name);
      });
    }
  }

  it("takes an empty directory for a mistake", async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), "s3oa-records-"));
    const error = await checkRecords(folder.path).catch((thrown: unknown) => thrown);
    expect(error).to.be.an("error").with.property("message").that.includes("nothing was recorded");
  });

  it("names the events that nobody has logged", () => {
    const counts = new Map(EVENT_NAMES.map((name) => [name, 1]));
    expect(unseen(counts)).to.deep.equal([]);
    counts.delete("file.removed");
    expect(unseen(counts)).to.deep.equal(["file.removed"]);
  });
});

const RECORDER = fileURLToPath(new URL("../../support/recorded-output.ts", import.meta.url));

/** What a process records that is started with the recorder. */
async function recorded(script: string) {
  await using folder = await mkdtempDisposable(join(tmpdir(), "s3oa-records-"));
  const args = ["--import", RECORDER, "--input-type=module", "--eval", script];
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const env = { ...process.env, S3OA_RECORDS_DIR: folder.path };
  const child = execFile(process.execPath, args, { env }, (error) =>
    error === null ? resolve(child.pid ?? 0) : reject(error),
  );
  const pid = await promise;
  const read = (kind: string) => readFile(join(folder.path, `${pid}.${kind}`), "utf8");
  return { output: await read("output"), records: await read("records") };
}

describe("what is recorded of a test run", () => {
  it("is all that children write, whoever reads it, to the last line", async () => {
    const { output } = await recorded(`
      import { execFile, spawn } from "node:child_process";
      import { once } from "node:events";
      execFile("sh", ["-c", "echo a; echo b >&2; printf c"]);
      const child = spawn("sh", ["-c", "echo d; printf e; sleep 0.1; echo f"]);
      // Late, and in pieces.
      await once(child, "exit");
      for await (const _ of child.stdout);
    `);
    expect(output.split("\n").toSorted()).to.deep.equal(["", "a", "b", "c", "d", "ef"]);
  });

  it("is nothing of a program that is given a secret to print", async () => {
    const { output } = await recorded(`
      import { execFile } from "node:child_process";
      execFile("sh", ["-c", "echo ${SECRET_MARK}"]);
    `);
    expect(output).to.equal("");
  });

  it("is all that loggers of the process itself write", async () => {
    const logger = new URL("../../../src/logs/logger.ts", import.meta.url);
    const { records } = await recorded(`
      const { makeLogger } = await import(${JSON.stringify(logger.href)});
      const base = { fleet: "web", host: "h1", version: "1" };
      const sink = { write() {} };
      const clock = { now: () => 0 };
      const logger = makeLogger({ clock, random: Math.random, base, local: [sink], state: [], files: [] });
      logger.log("agent.stopped", {});
    `);
    expect(JSON.parse(records)).to.include({ event: "agent.stopped", host: "h1" });
  });
});
