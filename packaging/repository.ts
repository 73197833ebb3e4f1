import { constants } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { AgentError, configurationError, ExitCode, messageOf } from "../src/lib/errors.ts";
import { buildRepository } from "./repository/build.ts";

const USAGE =
  "usage: npm run repository -- --out DIR --key KEY [--key KEY] [--packages DIR] [--url URL] [--retire FINGERPRINT] [--publish s3://BUCKET[/PREFIX]]";

/** SIGTERM or SIGINT asks to stop: what is under way is left out, and the copies of keys are removed. */
const stop = new AbortController();
let stoppedBy: "SIGTERM" | "SIGINT" | undefined;
for (const name of ["SIGTERM", "SIGINT"] as const) {
  process.on(name, () => {
    stoppedBy = name;
    stop.abort(new Error(`stopped by ${name}`));
  });
}

// Everything here is for everybody to read; what is not gets its own mode.
process.umask(0o022);
process.exitCode = await main();

async function main(): Promise<number> {
  try {
    await buildRepository({
      ...readArguments(),
      env: process.env,
      now: new Date(),
      signal: stop.signal,
      print: (line) => process.stdout.write(`${line}\n`),
    });
    return ExitCode.done;
  } catch (error) {
    if (stoppedBy !== undefined) return 128 + constants.signals[stoppedBy];
    if (!(error instanceof AgentError)) throw error;
    process.stderr.write(`repository: ${error.message}\n  way out: ${error.hint}\n`);
    return error.exitCode;
  }
}

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        packages: { type: "string" },
        out: { type: "string" },
        key: { type: "string", multiple: true },
        url: { type: "string" },
        retire: { type: "string", multiple: true },
        publish: { type: "string" },
      },
    });
    const { packages, out, key: keys = [], url, retire = [], publish } = values;
    if (out === undefined) throw new Error("--out is missing");
    if (keys.length === 0) throw new Error("--key is missing");
    if (url !== undefined && !(URL.canParse(url) && /^(https?|file):/.test(url))) {
      throw new Error(`--url ${url} is no address that begins with https://`);
    }
    return {
      packages: packages === undefined ? undefined : resolve(packages),
      out: resolve(out),
      keys,
      url,
      retire,
      publish,
    };
  } catch (error) {
    throw configurationError(messageOf(error), USAGE, error);
  }
}
