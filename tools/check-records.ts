import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { isErrno, messageOf } from "../src/lib/errors.ts";
import { EVENT_NAMES } from "../src/logs/events.ts";
import { CONTENT_MARK, SECRET_MARK } from "./marks.ts";
import { checkRecord, isRecord, SAMPLE_FLEET } from "./records/record-rules.ts";

/**
 * `node tools/check-records.ts DIRECTORY [--all]`: reads what `test/support/recorded-output.ts` has
 * kept there of a test run, tells of each secret and each line of a file's content in it, of each
 * record that is not as the tables say, and how often each event was seen. With `--all` every event
 * must have been seen, but those below. Ends with 1 if anything is wrong.
 */

/**
 * Events that nothing in the suites logs, and why. `settleHost` logs everything that is odd about a
 * host in one way, and `host.renamed` and `host.recalled` are seen.
 */
const NOT_IN_SUITES: Readonly<Record<string, string>> = {
  "host.cloned": "needs two machines; test/unit/host tests when it is told",
  "host.unsure": "needs a metadata service that was never there; test/unit/host",
  "upload.unwritable": "test/unit/sweep/upload-states tests when it is told",
  "upload.not-aborted": "test/unit/sweep/upload-states tests when it is told",
};

/** Problems beyond these are counted, not told. */
const TOLD_MAX = 20;
const TOLD_LINE_MAX = 300;

export interface Checked {
  /** Each with the line that it is about. */
  readonly problems: readonly string[];
  readonly records: number;
  /** How often each event was logged, by agents and by parts of them within the tests. */
  readonly counts: ReadonlyMap<string, number>;
}

/** Checks all files of a directory. @throws Error if there are none; system errors */
export async function checkRecords(directory: string): Promise<Checked> {
  const problems: string[] = [];
  const counts = new Map<string, number>();
  let records = 0;
  const names = await readdir(directory).catch((error) => {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  });
  if (names.length === 0) {
    throw new Error(
      `nothing was recorded in ${directory}: run tests with S3OA_RECORDS_DIR=${directory}`,
    );
  }
  for (const name of names.toSorted()) {
    for await (const line of createInterface({ input: createReadStream(join(directory, name)) })) {
      const wrong: string[] = [];
      if (line.includes(SECRET_MARK)) wrong.push("a secret");
      if (line.includes(CONTENT_MARK)) wrong.push("a file's content");
      const { fleet, event } = isRecord(line) ? parse(line) : { fleet: "", event: undefined };
      if (event !== undefined && fleet !== SAMPLE_FLEET) {
        records += 1;
        wrong.push(...checkRecord(line));
        counts.set(event, (counts.get(event) ?? 0) + 1);
      }
      problems.push(...wrong.map((text) => `${name}: ${text}: ${line.slice(0, TOLD_LINE_MAX)}`));
    }
  }
  return { problems, records, counts };
}

function parse(line: string): { readonly fleet?: unknown; readonly event: string } {
  return JSON.parse(line);
}

/** Events that were not seen, and ought to have been. */
export function unseen(counts: ReadonlyMap<string, number>): readonly string[] {
  return EVENT_NAMES.filter((name) => !counts.has(name) && !Object.hasOwn(NOT_IN_SUITES, name));
}

if (import.meta.main) {
  process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
    process.stderr.write(`${messageOf(error)}\n`);
    return 2;
  });
}

async function main(args: readonly string[]): Promise<number> {
  const { stdout } = process;
  const [directory = ""] = args;
  if (directory === "" || directory.startsWith("-")) {
    throw new Error("name the directory: npm run -s check:records -- DIRECTORY [--all]");
  }
  const { problems, records, counts } = await checkRecords(directory);
  for (const name of EVENT_NAMES) {
    const reason = NOT_IN_SUITES[name];
    const count = counts.get(name) ?? 0;
    stdout.write(`${String(count).padStart(8)}  ${name}${reason ? `  (${reason})` : ""}\n`);
  }
  for (const problem of problems.slice(0, TOLD_MAX)) stdout.write(`WRONG ${problem}\n`);
  const missing = args.includes("--all") ? unseen(counts) : [];
  for (const name of missing) stdout.write(`NEVER SEEN ${name}\n`);
  stdout.write(`${records} records, ${problems.length} problems, ${missing.length} never seen\n`);
  return problems.length + missing.length === 0 && records > 0 ? 0 : 1;
}
