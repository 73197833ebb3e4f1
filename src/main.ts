import { constants } from "node:os";
import { runCommand } from "./cli/program.ts";
import { AgentError, ExitCode, messageOf } from "./lib/errors.ts";

/**
 * The process: arguments, signals, exit codes. The first SIGTERM or SIGINT asks to stop and lets
 * the files in flight be finished; the second ends at once. Nothing else ends the process.
 */
const stop = new AbortController();
let stoppedBy: "SIGTERM" | "SIGINT" | undefined;

/** One Ctrl-C can arrive twice: from the terminal, and handed on by npm. */
const SAME_KEY_MS = 200;
let stoppedAtMs = Number.NEGATIVE_INFINITY;

/**
 * So long the daemon's last records wait to be read, when everything else is done: a journal that is
 * started anew takes some seconds, and together with the rest of a stop it is within the unit's
 * TimeoutStopSec (cli/deadline.ts).
 */
const UNREAD_MS_MAX = 5_000;

for (const name of ["SIGTERM", "SIGINT"] as const) {
  process.on(name, () => {
    const sinceFirstMs = performance.now() - stoppedAtMs;
    if (name === "SIGINT" && sinceFirstMs < SAME_KEY_MS) return;
    if (stoppedBy !== undefined) process.exit(128 + constants.signals[name]);
    stoppedBy = name;
    stoppedAtMs = performance.now();
    stop.abort(new Error(`stopped by ${name}`));
  });
}

// Whoever reads the output may go away (`| head`): a sweep must not die of that in mid-file.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});

// What is no command's own failure is a bug: say all of it, and let the service manager restart.
process.exitCode = await main(process.argv.slice(2));

// What nobody reads of the journal's pipe would keep a daemon alive that has done all it had to.
if (process.argv[2] === "run") setTimeout(() => process.exit(), UNREAD_MS_MAX).unref();

async function main(args: readonly string[]): Promise<number> {
  const isDaemon = args[0] === "run";
  try {
    const exitCode = await runCommand(args, {
      env: process.env,
      workingDirectory: process.cwd(),
      // Only who asks needs it: opening it has effects of its own.
      get stdin() {
        return process.stdin;
      },
      stdout: process.stdout,
      stderr: process.stderr,
      isTerminal: process.stdout.isTTY === true,
      stop: stop.signal,
      onReload: (refresh) => process.on("SIGHUP", refresh),
    });
    return stoppedBy === undefined || isDaemon ? exitCode : 128 + constants.signals[stoppedBy];
  } catch (error) {
    if (stoppedBy !== undefined)
      return isDaemon ? ExitCode.done : 128 + constants.signals[stoppedBy];
    return tell(error, args.includes("--json"));
  }
}

function tell(error: unknown, isJson: boolean): number {
  const isExpected = error instanceof AgentError;
  const exitCode = isExpected ? error.exitCode : ExitCode.failed;
  const hint = isExpected
    ? error.hint
    : "This is a bug of the agent: please report it with this text.";
  const detail = isExpected || !(error instanceof Error) ? messageOf(error) : String(error.stack);
  process.stderr.write(`s3-offload-agent: ${detail}\n  way out: ${hint}\n`);
  if (isJson && process.argv[2] !== "run") {
    const record = {
      event: "agent.failed",
      level: "error",
      message: messageOf(error),
      hint,
      exitCode,
    };
    process.stdout.write(`${JSON.stringify(record)}\n`);
  }
  return exitCode;
}
