import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { EVENT_NAMES } from "../src/logs/events.ts";
import { checkRecord, isRecord } from "../test/support/record-rules.ts";
import { CONTENT_MARK, SECRET_MARK } from "./marks.ts";

/**
 * `node tools/check-records.ts DIRECTORY [--all]`: reads what `test/support/recorded-output.ts` has
 * kept there of a test run, tells of each secret and each line of a file's content in it, of each
 * record that is not as the tables say, and how often each event was seen. With `--all` every event
 * must have been seen, but those below. Ends with 1 if anything is wrong.
 */

/** Events that no agent of the suites has a reason to log, and who tests them instead. */
const NOT_IN_SUITES: Readonly<Record<string, string>> = {};

/** Problems beyond these are counted, not told. */
const TOLD_MAX = 20;
const TOLD_LINE_MAX = 300;

export interface Checked {
  /** Each with the line that it is about. */
  readonly problems: readonly string[];
  readonly records: number;
  /** How often agents that the suites started have logged each event. */
  readonly counts: ReadonlyMap<string, number>;
}

/** Checks all files of a directory. @throws system errors; Error if there are none */
export async function checkRecords(directory: string): Promise<Checked> {
  const problems: string[] = [];
  const counts = new Map<string, number>();
  let records = 0;
  const names = await readdir(directory);
  if (names.length === 0) throw new Error(`${directory} is empty: nothing was recorded`);
  for (const name of names.toSorted()) {
    const isOfAgents = name.endsWith(".output");
    for await (const line of createInterface({ input: createReadStream(join(directory, name)) })) {
      const wrong: string[] = [];
      if (line.includes(SECRET_MARK)) wrong.push("a secret");
      if (line.includes(CONTENT_MARK)) wrong.push("a file's content");
      if (isRecord(line)) {
        records += 1;
        wrong.push(...checkRecord(line));
        const { event } = JSON.parse(line) as { readonly event: string };
        if (isOfAgents) counts.set(event, (counts.get(event) ?? 0) + 1);
      }
      problems.push(...wrong.map((text) => `${name}: ${text}: ${line.slice(0, TOLD_LINE_MAX)}`));
    }
  }
  return { problems, records, counts };
}

/** Events that were not seen, and ought to have been. */
export function unseen(counts: ReadonlyMap<string, number>): readonly string[] {
  return EVENT_NAMES.filter((name) => !counts.has(name) && !Object.hasOwn(NOT_IN_SUITES, name));
}

if (import.meta.main) {
  const { argv, stdout } = process;
  const directory = argv[2];
  if (directory === undefined) throw new Error("name the directory");
  const { problems, records, counts } = await checkRecords(directory);
  for (const name of EVENT_NAMES) {
    const reason = NOT_IN_SUITES[name];
    const count = counts.get(name) ?? 0;
    stdout.write(`${String(count).padStart(8)}  ${name}${reason ? `  (${reason})` : ""}\n`);
  }
  for (const problem of problems.slice(0, TOLD_MAX)) stdout.write(`WRONG ${problem}\n`);
  const missing = argv.includes("--all") ? unseen(counts) : [];
  for (const name of missing) stdout.write(`NEVER SEEN ${name}\n`);
  stdout.write(`${records} records, ${problems.length} problems, ${missing.length} never seen\n`);
  process.exitCode = problems.length + missing.length === 0 && records > 0 ? 0 : 1;
}
