import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { expect } from "chai";
import { CONTENT_MARK } from "../../tools/marks.ts";
import { makeHostWithFakeS3, problemsOf, runSideBySide } from "../support/fault-cases.ts";
import type { RunningSweep } from "../support/fault-host.ts";
import { FaultReport, printReports } from "../support/fault-report.ts";
import { largeContent } from "../support/large-file-cases.ts";

const TIMEOUT_MS = 120_000;
const LARGE_BYTES = 17 * 2 ** 20;

const FILES = ["ledger", "attempts", "host", "upload"] as const;
type StateName = (typeof FILES)[number];

interface Damage {
  readonly what: string;
  /** False: what is cut off at the end was never acknowledged, so nobody needs to know. */
  readonly isTold: boolean;
  /** @param other a state file of another kind */
  readonly make: (content: Buffer, other: Buffer) => Buffer;
}

const DAMAGES: readonly Damage[] = [
  { what: "garbage", isTold: true, make: () => Buffer.alloc(5_000, "\xff\x00\n\x9f", "latin1") },
  { what: "empty", isTold: true, make: () => Buffer.alloc(0) },
  { what: "cut in its first line", isTold: true, make: (content) => content.subarray(0, 20) },
  { what: "cut in its last line", isTold: false, make: (content) => content.subarray(0, -5) },
  { what: "a flipped bit", isTold: true, make: flipped },
  { what: "of another kind", isTold: true, make: (_, other) => other },
  { what: "of a newer version", isTold: true, make: newer },
];

/** In the middle of the second line: that of the first record. */
function flipped(content: Buffer): Buffer {
  const copy = Buffer.from(content);
  const at = copy.indexOf("\n") + 20;
  copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
  return copy;
}

function newer(content: Buffer): Buffer {
  const [header = "", ...records] = content.toString().split("\n");
  const format = JSON.parse(header.slice(9));
  const json = JSON.stringify({ ...format, version: format.version + 1 });
  const checksum = crc32(json).toString(16).padStart(8, "0");
  return Buffer.from([`${checksum} ${json}`, ...records].join("\n"));
}

type Host = Awaited<ReturnType<typeof makeHostWithFakeS3>>;

describe("a state that cannot be read", function () {
  this.timeout(TIMEOUT_MS);
  const reports: FaultReport[] = [];
  after(() => printReports(reports));

  for (const name of FILES) {
    it(`${name}: is told, set aside and begun anew; nothing is lost or skipped`, async () => {
      const report = new FaultReport(`damaged state: ${name}`);
      reports.push(report);
      const problems = await runSideBySide(DAMAGES, (damage) => runCase(name, damage, report));
      expect(problems, problems.join("\n")).to.eql([]);
    });
  }
});

/** @returns what is wrong, each in one line */
async function runCase(name: StateName, damage: Damage, report: FaultReport): Promise<string[]> {
  await using host = await makeHostWithFakeS3();
  const problems: string[] = [];
  await makeState(host);
  if (name === "upload") await makeUploadState(host);
  const uploads = join(host.state, "uploads");
  // Of the one directory that is watched.
  const [watched = ""] = name === "upload" ? await readdir(uploads) : [];
  const folder = name === "upload" ? join(uploads, watched) : host.state;
  const [upload = ""] = name === "upload" ? await readdir(folder) : [];
  const file = name === "upload" ? upload : name;
  const path = join(folder, file);
  const other = await readFile(join(host.state, name === "host" ? "ledger" : "host"));
  const spoilt = damage.make(await readFile(path), other);
  await writeFile(path, spoilt);

  const swept = await host.sweep();
  const verdict = await host.verify();
  report.add({ verdict, faults: 1 });
  problems.push(...problemsOf(verdict));
  if (swept.exitCode !== 0) {
    problems.push(`it ended with ${swept.exitCode}`, swept.stdout, swept.stderr);
  }
  const event = name === "upload" ? "upload.damaged" : "state.set-aside";
  const told = swept.records.filter((one) => one["event"] === event);
  const isNamed = told.every((one) => JSON.stringify(one).includes(file));
  if (told.length !== (damage.isTold ? 1 : 0) || !isNamed) {
    problems.push(`it was told ${told.length} times: ${JSON.stringify(told)}`);
  }
  const aside = (await readdir(folder)).filter((one) => one.startsWith(`${file}.set-aside-`));
  const kept = await Promise.all(aside.map((one) => readFile(join(folder, one))));
  const isKept = damage.isTold ? kept.length === 1 && kept[0]?.equals(spoilt) : kept.length === 0;
  if (!isKept) problems.push(`set aside: ${aside.join(", ")}`);
  const clean = await host.sweep();
  if (clean.exitCode !== 0 || clean.records.some((one) => one["event"] === event)) {
    problems.push(`it was told again: ${clean.stdout}`);
  }
  // What got its name back in the first sweep may have waited: the rename was in that very
  // millisecond, and the kernel's times are finer than the clock's.
  const left = await host.left();
  if (left.length > 0) problems.push(`left: ${left.join(", ")}`, swept.stdout, clean.stdout);
  return problems.map((one) => `${name}, ${damage.what}: ${one}`);
}

/** A file that has failed once, and one that is uploaded and not removed. */
async function makeState(host: Host): Promise<void> {
  await host.produce("refused.csv", `${CONTENT_MARK}\n`);
  await host.produce("first.csv", `${CONTENT_MARK}, 21.6 at one\n`);
  host.s3.onPut(({ key }) =>
    key.includes("refused") ? { kind: "status", status: 400, code: "InvalidRequest" } : undefined,
  );
  await host.sweep();
  host.s3.onPut(undefined);
  await host.produce("second.csv", `${CONTENT_MARK}, 21.7 at two\n`);
  await host.sweep({ action: "kill-before", op: "^kernel:renameat2$", at: 2 });
  expect((await readFile(join(host.state, "ledger"))).toString()).to.include("second.csv");
  expect((await readFile(join(host.state, "attempts"))).toString()).to.include("refused.csv");
}

/** A large file of which two parts are uploaded. */
async function makeUploadState(host: Host): Promise<void> {
  await host.produce("large.bin", largeContent(LARGE_BYTES, "first"));
  let running: RunningSweep | undefined;
  const during = async () => {
    running?.kill();
    await running?.ended;
  };
  host.s3.onPut(({ operation }) =>
    operation === "CompleteMultipartUpload"
      ? { kind: "hook", during, when: "before-store" }
      : undefined,
  );
  running = host.start();
  expect((await running.ended).killedBy).to.equal("SIGKILL");
  await host.s3.waitUntil((requests) => requests.every(({ answer }) => answer !== undefined));
  host.s3.onPut(undefined);
}
