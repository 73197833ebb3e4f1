import { mkdir, mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { CASE_NAMES, CASES } from "./race-cases.ts";
import {
  FILESYSTEMS,
  type Filesystem,
  NotMountedError,
  placeOf,
  runRaces,
} from "./race-filesystems.ts";
import { PROTOCOLS } from "./race-protocols.ts";
import type { Row } from "./race-run.ts";

/**
 * A producer comes back to a file just as the agent removes it, thousands of times in every way
 * there is. Nothing that anybody closed may be lost. Simpler protocols run through the same races
 * and lose: so it is known that the attack can find what it is looking for.
 *
 * A minute as it is; with FAULTS=long, 20,000 races a case and filesystem.
 */
const isLong = process.env["FAULTS"] === "long";
const RACES = isLong ? 20_000 : 250;
const WEAKENED_RACES = isLong ? 20_000 : 500;

/** What every kind of Linux has must be there; a test run without it would prove nothing. */
const NEEDED: readonly Filesystem["name"][] = ["ext4", "tmpfs"];

/** The cases in which the naive protocols are known to lose; by the others nothing can be told. */
const BITING = ["append", "overwrite", "log", "mapping", "handle"] as const;

const COLUMNS = [
  "races",
  "wrote",
  "aside",
  "unlinked",
  "putBack",
  "openedLate",
  "rescued",
  "removed",
  "lost",
] as const;

function print(text: string): void {
  process.stdout.write(`    ${text}\n`);
}

function printHead(title: string): void {
  print("");
  print(`${title.padEnd(48)}${COLUMNS.map((column) => column.padStart(11)).join("")}`);
}

function printRow(row: Row): void {
  const numbers = COLUMNS.map((column) => `${row[column]}`.padStart(11)).join("");
  print(`${CASES[row.case].padEnd(48)}${numbers}`);
  if (row.protocol !== "agent") return;
  for (const loss of row.losses) print(`  lost: ${JSON.stringify(loss)}`);
}

async function race(
  filesystem: Filesystem,
  options: { protocols: readonly string[]; cases: readonly string[]; races: number },
): Promise<Row[] | undefined> {
  const skip = (reason: string) => {
    if (NEEDED.includes(filesystem.name)) throw new Error(`${filesystem.name}: ${reason}`);
    print(`NOT RUN: no races on ${filesystem.name}: ${reason}`);
  };
  const place = await placeOf(filesystem);
  if (place.kind === "missing") {
    skip(place.reason);
    return undefined;
  }
  await using temporary = await mkdtempDisposable(join(tmpdir(), "s3oa-races-"));
  const work = join(temporary.path, "work");
  await mkdir(work);
  const rows: Row[] = [];
  try {
    for await (const row of runRaces({ filesystem, place, work, ...options })) {
      if (rows.at(-1)?.protocol !== row.protocol) printHead(`${filesystem.name}: ${row.protocol}`);
      printRow(row);
      rows.push(row);
    }
  } catch (error) {
    if (!(error instanceof NotMountedError)) throw error;
    skip(error.message);
    return undefined;
  }
  return rows;
}

describe("races between a producer and the removal", function () {
  this.timeout(isLong ? 6 * 3_600_000 : 300_000);

  for (const filesystem of FILESYSTEMS) {
    it(`nothing is lost on ${filesystem.name}`, async () => {
      const options = { protocols: ["agent"], cases: CASE_NAMES, races: RACES };
      const rows = await race(filesystem, options);
      if (rows === undefined) return;
      expect(rows.map((row) => row.case)).to.deep.equal(CASE_NAMES);
      for (const row of rows) {
        expect(row.lost, `${row.case} on ${filesystem.name}`).to.equal(0);
        expect(row.races).to.equal(RACES);
        // A protocol that keeps everything loses nothing, and a producer that sleeps harms nobody.
        expect(row.removed).to.be.greaterThan(0);
        expect(row.wrote).to.be.greaterThan(0);
      }
    });
  }

  for (const protocol of Object.keys(PROTOCOLS).filter((name) => name !== "agent")) {
    it(`would be lost by a protocol that is simpler: ${protocol}`, async () => {
      const [filesystem] = FILESYSTEMS;
      if (filesystem === undefined) throw new Error("there is no filesystem");
      const options = { protocols: [protocol], cases: BITING, races: WEAKENED_RACES };
      const rows = (await race(filesystem, options)) ?? [];
      const lost = rows.reduce((sum, row) => sum + row.lost, 0);
      expect(lost).to.be.greaterThan(0);
    });
  }
});
