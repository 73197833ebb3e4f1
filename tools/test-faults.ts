import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";

/**
 * `npm run test:faults`: the fault tests, with mocha's own output and one line at the end that says
 * what they came to, `N passed, N failed`. Two files at a time: much of their time is waiting.
 * Further arguments are mocha's.
 */
// In this order those that need the whole machine (large files, steps, strikes) do not meet.
const files = globSync("test/faults/**/*.test.ts").sort();
const mocha = spawn("mocha", ["--parallel", "--jobs", "2", ...files, ...process.argv.slice(2)], {
  stdio: ["ignore", "pipe", "inherit"],
});
let end = "";
mocha.stdout.setEncoding("utf8").on("data", (text: string) => {
  process.stdout.write(text);
  // Mocha's summary stands near the end; all of the output may be long.
  end = (end + text).slice(-1_000_000);
});
const [exitCode] = await once(mocha, "close");
const passed = countOf("passing");
const failed = countOf("failing");
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exitCode = exitCode === 0 && passed > 0 ? 0 : 1;

/** The number in the last line such as `  36 passing (2m)`; 0 without one. */
function countOf(word: string): number {
  const lines = [...end.matchAll(new RegExp(`^ *(\\d+) ${word}\\b`, "gm"))];
  return Number(lines.at(-1)?.[1] ?? 0);
}
