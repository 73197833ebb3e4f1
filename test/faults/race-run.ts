import { type ChildProcess, fork, spawn } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { passTick, sha256Of } from "../support/memory-store.ts";
import type { Answer, Orders } from "./race-agent.ts";
import { CASE_NAMES, type CaseName, timingOf } from "./race-cases.ts";
import type { ProtocolName } from "./race-protocols.ts";

/**
 * Races of one case on one filesystem, a program of its own so that it can be started in a mount
 * namespace: makes files, lets the agent and the producers loose on them, and judges. Prints a Row
 * as a line of JSON for each protocol and case. By hand:
 *
 *   node test/faults/race-run.ts --directory /tmp --protocol agent --case append --races 1000
 */

/** What came of all races of one case. */
export interface Row {
  readonly case: CaseName;
  readonly protocol: ProtocolName;
  races: number;
  /** Races in which the producer changed something. */
  wrote: number;
  /** It began while the file was aside. */
  aside: number;
  /** The file was unlinked between the beginning and the end of what it did, or just before. */
  unlinked: number;
  /** Files that got their names back. */
  putBack: number;
  openedLate: number;
  rescued: number;
  removed: number;
  /** Contents that somebody closed and that are nowhere. */
  lost: number;
  /** What is known of the first lost ones. */
  readonly losses: unknown[];
}

interface Made {
  readonly name: string;
  readonly content: string;
  readonly inode: string;
  readonly strike: CaseName;
}

/** What a producer says of one race. */
interface Record {
  readonly name: string;
  readonly began: string;
  readonly ended: string;
  readonly error?: string;
  readonly sha256?: string;
  readonly inode?: string;
  readonly links?: number;
}

interface Report {
  readonly records: readonly Record[];
  readonly putBack: number;
}

const ROUND_FILES = 250;
const WRITERS = 3;
const LOSSES_TOLD_MAX = 3;

class Writer implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor() {
    const path = fileURLToPath(new URL("race-writer.py", import.meta.url));
    this.#child = spawn("python3", [path], { stdio: ["pipe", "pipe", "inherit"] });
    if (this.#child.stdout === null) throw new Error("the producer has no output");
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** @returns what it answers; undefined is never an answer */
  async ask(line: string): Promise<unknown> {
    this.tell(line);
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error("the producer has ended; see above");
    return JSON.parse(value);
  }

  tell(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end();
    if (this.#child.exitCode === null) await once(this.#child, "exit");
  }
}

/** Runs the races of one case and adds them up. */
async function runCase(
  parts: { directory: string; plans: string; agent: ChildProcess; writers: readonly Writer[] },
  row: Row,
  races: number,
): Promise<void> {
  while (row.races < races) {
    const root = await mkdtemp(join(parts.directory, "race-"));
    try {
      const files = await makeFiles(root, row.case, Math.min(ROUND_FILES, races - row.races));
      await runRound({ ...parts, root, files }, row);
    } finally {
      await rm(root, { recursive: true });
    }
  }
}

async function makeFiles(root: string, strike: CaseName, count: number): Promise<Made[]> {
  const files: Made[] = [];
  for (let nth = 0; nth < count; nth += 1) {
    const name = `${nth}`.padStart(5, "0");
    const content = `${name} ${randomBytes(8).toString("hex")} ${"x".repeat(randomInt(200))}.`;
    await writeFile(join(root, name), content);
    const { ino } = await stat(join(root, name), { bigint: true });
    files.push({ name, content, inode: String(ino), strike });
  }
  const last = files.at(-1);
  const probe = join(root, "probe");
  if (last !== undefined) await passTick(join(root, last.name), probe);
  await rm(probe);
  return files;
}

async function runRound(
  round: {
    root: string;
    files: readonly Made[];
    plans: string;
    agent: ChildProcess;
    writers: readonly Writer[];
  },
  row: Row,
): Promise<void> {
  const { root, files, plans, agent, writers } = round;
  const plansOf: object[][] = writers.map(() => []);
  for (const [nth, file] of files.entries()) {
    const before = files[nth - 1]?.name ?? file.name;
    const timing = timingOf(file.name, before, Math.random);
    const delayNs = Math.round(timing.delayNs);
    plansOf[nth % writers.length]?.push({
      ...file,
      ...timing,
      delayNs,
      slownessNs: randomInt(400e6),
    });
  }
  await Promise.all(
    writers.map(async (writer, nth) => {
      const path = join(plans, `${nth}`);
      await writeFile(path, JSON.stringify({ directory: root, races: plansOf[nth] }));
      await writer.ask(path);
    }),
  );
  for (const writer of writers) writer.tell("go");
  const orders: Orders = { root, names: files.map(({ name }) => name), protocol: row.protocol };
  agent.send(orders);
  const [answer]: [Answer] = (await once(agent, "message")) as [Answer];
  const reports = await Promise.all(writers.map((writer) => writer.ask("end")));
  await judge({ root, files, answer, reports: reports as Report[] }, row);
}

/** Every content that somebody closed is in the store or on disk. */
async function judge(
  round: {
    root: string;
    files: readonly Made[];
    answer: Answer;
    reports: readonly Report[];
  },
  row: Row,
): Promise<void> {
  const { root, files, answer, reports } = round;
  const safe = new Set(answer.stored);
  for (const content of await contentsOf(root)) safe.add(sha256Of(content));
  const records = new Map(reports.flatMap((one) => one.records).map((one) => [one.name, one]));

  row.races += files.length;
  // Every producer sees them all.
  row.putBack += Math.max(...reports.map(({ putBack }) => putBack));
  for (const file of files) {
    const record = records.get(file.name);
    const ended = answer.outcomes[file.name];
    if (ended?.outcome === "removed") row.removed += 1;
    if (ended?.wasOpenedLate === true) row.openedLate += 1;
    if (ended?.rescuedAs !== undefined) row.rescued += 1;
    if (record?.sha256 !== undefined) row.wrote += 1;
    if (record?.began === "aside") row.aside += 1;
    if (record?.ended === "after") row.unlinked += 1;

    const isFirstLost = mustBeSafe(file, record) && !safe.has(sha256Of(file.content));
    const isLastLost = record?.sha256 !== undefined && !safe.has(record.sha256);
    if (!isFirstLost && !isLastLost) continue;
    row.lost += 1;
    if (row.losses.length < LOSSES_TOLD_MAX) {
      row.losses.push({ ...file, content: undefined, isFirstLost, isLastLost, record, ended });
    }
  }
}

/** Whether the content that the file was made with must be somewhere: the producer left it alone. */
function mustBeSafe(file: Made, record: Record | undefined): boolean {
  if (record === undefined) return true;
  if (file.strike === "rename-over" || file.strike === "recreate") return false;
  return record.inode !== file.inode;
}

async function contentsOf(directory: string): Promise<Buffer[]> {
  const names = await readdir(directory);
  return await Promise.all(names.map((name) => readFile(join(directory, name))));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      directory: { type: "string", default: tmpdir() },
      protocol: { type: "string", multiple: true, default: ["agent"] },
      case: { type: "string", multiple: true, default: [...CASE_NAMES] },
      races: { type: "string", default: "1000" },
    },
  });
  const directory = await mkdtemp(join(values.directory, "s3oa-races-"));
  const plans = await mkdtemp(join(tmpdir(), "s3oa-race-plans-"));
  const agent = fork(fileURLToPath(new URL("race-agent.ts", import.meta.url)));
  const writers = Array.from({ length: WRITERS }, () => new Writer());
  try {
    await mkdir(directory, { recursive: true });
    for (const protocol of values.protocol as ProtocolName[]) {
      for (const name of values.case as CaseName[]) {
        const row: Row = { ...EMPTY, case: name, protocol, losses: [] };
        await runCase({ directory, plans, agent, writers }, row, Number(values.races));
        process.stdout.write(`${JSON.stringify(row)}\n`);
      }
    }
  } finally {
    agent.disconnect();
    for (const writer of writers) await writer[Symbol.asyncDispose]();
    for (const path of [directory, plans]) await rm(path, { recursive: true });
  }
}

const EMPTY = {
  races: 0,
  wrote: 0,
  aside: 0,
  unlinked: 0,
  putBack: 0,
  openedLate: 0,
  rescued: 0,
  removed: 0,
  lost: 0,
} as const;

await main();
