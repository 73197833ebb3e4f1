import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { readArguments, USAGE, UsageError } from "./cost/arguments.ts";
import { pageParts, readFacts, reportJson, reportText, withParts } from "./cost/report.ts";

/**
 * `npm run -s cost -- --hosts N --files-per-hour N`: what a fleet costs in a month. With
 * `--write-page` alone it makes the tables of docs/cost.md; a test holds the page against them.
 */
const PAGE = fileURLToPath(new URL("../docs/cost.md", import.meta.url));

async function run(args: readonly string[]): Promise<number> {
  const facts = await readFacts();
  if (args.join(" ") === "--write-page") {
    await writeFile(PAGE, withParts(await readFile(PAGE, "utf8"), pageParts(facts)));
    return 0;
  }
  const options = readArguments(args);
  if (options === undefined) process.stdout.write(USAGE);
  else process.stdout.write((options.isJson ? reportJson : reportText)(options.fleet, facts));
  return 0;
}

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message} See npm run -s cost -- --help.\n`);
  process.exitCode = 2;
}
