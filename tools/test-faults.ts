import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { checkRecords } from "./check-records.ts";

/**
 * `npm run test:faults`: the fault tests, with mocha's own output and one line at the end that says
 * what they came to, `N passed, N failed`. Two files at a time: much of their time is waiting.
 * What agents write is checked in the end: no secret, no content of a file, every record by the
 * tables; where S3OA_RECORDS_DIR is set, whoever set it does that. Further arguments are mocha's.
 */
const RECORDS = fileURLToPath(new URL("../build/fault-records/", import.meta.url));
const isOwn = process.env["S3OA_RECORDS_DIR"] === undefined;
if (isOwn) rmSync(RECORDS, { recursive: true, force: true });
// In this order those that need the whole machine (large files, steps, strikes) do not meet.
const files = globSync("test/faults/**/*.test.ts").sort();
const mocha = spawn("mocha", ["--parallel", "--jobs", "2", ...files, ...process.argv.slice(2)], {
  stdio: ["ignore", "pipe", "inherit"],
  env: { S3OA_RECORDS_DIR: RECORDS, ...process.env },
});
let end = "";
mocha.stdout.setEncoding("utf8").on("data", (text: string) => {
  process.stdout.write(text);
  // Mocha's summary stands near the end; all of the output may be long.
  end = (end + text).slice(-1_000_000);
});
const [exitCode] = await once(mocha, "close");
const passed = countOf("passing");
const failed = countOf("failing") + (isOwn ? await tellRecords() : 0);
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exitCode = exitCode === 0 && passed > 0 && failed === 0 ? 0 : 1;

/** @returns how many things are wrong with what agents have written */
async function tellRecords(): Promise<number> {
  const { problems, records } = await checkRecords(RECORDS);
  process.stdout.write(`\n${[...problems, `${records} records checked`].join("\n")}\n`);
  return problems.length;
}

/** The number in the last line such as `  36 passing (2m)`; 0 without one. */
function countOf(word: string): number {
  const lines = [...end.matchAll(new RegExp(`^ *(\\d+) ${word}\\b`, "gm"))];
  return Number(lines.at(-1)?.[1] ?? 0);
}
