import { statSync } from "node:fs";
import { parseArgs } from "node:util";
import { systemClock } from "../src/lib/clock.ts";
import { isErrno, messageOf } from "../src/lib/errors.ts";
import {
  BYTES_SYNTAX,
  DURATION_SYNTAX,
  formatBytes,
  formatDuration,
  parseBytes,
  parseDuration,
} from "../src/lib/units.ts";
import { generate } from "./generator/generate.ts";
import type { GeneratorOptions } from "./generator/plan.ts";

/** `npm run generate`: plays the producer that writes into a watched directory. */
const HELP = `npm run generate -- --directory DIR [options]

Writes files as a producer does: the name carries the time of the data, the intervals are random,
and about one file in four is held open and grows for a while.

  --directory DIR       where to write; made if it does not exist
  --count N             end after so many files (default: until Ctrl-C)
  --every DURATION      mean time between two files (default: 60s)
  --size MIN..MAX       range of sizes (default: 1KiB..1MiB); one size is fine, too
  --slow-write DURATION the longest that a slow file is held open; 0s: none (default: 5s)
  --subdirectories N    spread over so many sub-directories (default: 0)
  --seed N              the same seed gives the same intervals, sizes and contents
  --json                one JSON object a file: name, path, bytes, sha256, slow, openedAt, closedAt
  --quiet               no output
  --help                this text

SIGINT or SIGTERM lets it finish the file that it is writing; a second one ends it at once.
`;

/** What is wrong with the command line. */
class UsageError extends Error {}

/**
 * Signals so soon after the first one are the same wish: at a Ctrl-C the terminal sends one to the
 * whole process group, and npm hands its own on as well. Without this, half a file would stay.
 */
const SAME_SIGNAL_MS = 500;

const stop = new AbortController();
let stoppedAtMs: number | undefined;
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.on(name, () => {
    stoppedAtMs ??= systemClock.monotonic();
    stop.abort();
    if (systemClock.monotonic() - stoppedAtMs >= SAME_SIGNAL_MS) process.exit(1);
  });
}

// A reader that has gone away (`| head`) wants no more files; that is no failure.
let isOutputBroken = false;
process.stdout.on("error", (error) => {
  stop.abort();
  if (isErrno(error, "EPIPE") || isOutputBroken) return;
  isOutputBroken = true;
  process.stderr.write(`generate: cannot write to standard output: ${error.message}\n`);
});
process.exitCode = await main();

async function main(): Promise<number> {
  try {
    const { values } = parseArgs({
      options: {
        directory: { type: "string" },
        count: { type: "string" },
        every: { type: "string", default: "60s" },
        size: { type: "string", default: "1KiB..1MiB" },
        "slow-write": { type: "string", default: "5s" },
        subdirectories: { type: "string", default: "0" },
        seed: { type: "string" },
        json: { type: "boolean", default: false },
        quiet: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      process.stdout.write(HELP);
      return 0;
    }
    await write(optionsOf(values), values);
    return isOutputBroken ? 1 : 0;
  } catch (error) {
    const isUsage = error instanceof UsageError || error instanceof TypeError;
    const wayOut = isUsage ? "\n  way out: see npm run generate -- --help" : "";
    process.stderr.write(`generate: ${messageOf(error)}${wayOut}\n`);
    return isUsage ? 2 : 1;
  }
}

async function write(options: GeneratorOptions, output: { json: boolean; quiet: boolean }) {
  for await (const file of generate(options, { clock: systemClock, signal: stop.signal })) {
    if (output.quiet) continue;
    const took = Date.parse(file.closedAt) - Date.parse(file.openedAt);
    const slowly = file.slow ? `, written slowly in ${formatDuration(took)}` : "";
    const text = output.json
      ? JSON.stringify(file)
      : `${file.name}  ${formatBytes(file.bytes)}${slowly}`;
    process.stdout.write(`${text}\n`);
  }
}

function optionsOf(
  values: Readonly<Record<string, string | boolean | undefined>>,
): GeneratorOptions {
  const text = (name: string) => String(values[name]);
  const { directory } = values;
  if (typeof directory !== "string" || directory === "") {
    throw new UsageError("--directory is missing: name the directory to write into");
  }
  if (isOccupied(directory)) {
    throw new UsageError(`--directory ${directory} is a file: name a directory, or one to make`);
  }
  const [bytesMin, bytesMax] = sizes(text("size"));
  return {
    directory,
    count: values["count"] === undefined ? undefined : whole("count", text("count"), 1),
    everyMs: duration("every", text("every")),
    bytesMin,
    bytesMax,
    slowWriteMs: duration("slow-write", text("slow-write")),
    subdirectories: whole("subdirectories", text("subdirectories"), 0),
    seed: values["seed"] === undefined ? Date.now() : whole("seed", text("seed"), 0),
  };
}

/** Whether no directory can be there. Any other trouble shows when the first file is written. */
function isOccupied(path: string): boolean {
  try {
    return !statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function duration(name: string, text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined)
    throw new UsageError(`--${name} ${text} is not a duration: it must be ${DURATION_SYNTAX}`);
  return ms;
}

function sizes(text: string): [number, number] {
  const [low = "", high = low, ...rest] = text.split("..");
  const bytesMin = parseBytes(low);
  const bytesMax = parseBytes(high);
  if (bytesMin === undefined || bytesMax === undefined || rest.length > 0) {
    throw new UsageError(
      `--size ${text} is not a range of sizes: each must be ${BYTES_SYNTAX}, with two dots between`,
    );
  }
  if (bytesMin > bytesMax)
    throw new UsageError(`--size ${text} is upside down: the smaller size comes first`);
  return [bytesMin, bytesMax];
}

function whole(name: string, text: string, least: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value) || value < least) {
    throw new UsageError(`--${name} ${text} must be a whole number of at least ${least}`);
  }
  return value;
}
