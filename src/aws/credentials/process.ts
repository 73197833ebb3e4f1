import { spawn } from "node:child_process";
import { errnoOf } from "../../lib/errors.ts";
import { CredentialsError } from "../errors.ts";
import { parseAnswer, parseObject, type Reading, type SourceContext } from "./source.ts";

/** `aws_signing_helper` answers in about a second, over the network. */
const RUN_MS_MAX = 30_000;
const OUTPUT_BYTES_MAX = 64 * 1024;

type Ending =
  | { readonly kind: "ended"; readonly code: number; readonly output: string }
  | { readonly kind: "failed"; readonly reason: string };

/**
 * Runs a credential process, as IAM Roles Anywhere has one, by a shell: a profile's
 * `credential_process` may be quoted. The SDK's own runs without a limit, and repeats in its error
 * what the process wrote to its standard error.
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
 * @param limits.runMsMax after so many milliseconds it is killed with all its children
 * @throws CredentialsError
 */
export async function readProcess(
  command: string,
  { env, clock }: SourceContext,
  { runMsMax = RUN_MS_MAX }: { readonly runMsMax?: number } = {},
): Promise<Reading> {
  const name = programOf(command);
  const fail = (what: string): CredentialsError =>
    new CredentialsError(
      `The credential process ${name} ${what}.`,
      "Run it by hand as the agent's user; what it writes is not shown here, as it may hold secrets.",
    );
  const ending = await run(command, env, runMsMax);
  if (ending.kind === "failed") throw fail(ending.reason);
  if (ending.code !== 0) throw fail(`ended with exit code ${ending.code}`);
  const read = parseAnswer(ending.output, "SessionToken");
  if (read === undefined || parseObject(ending.output)?.["Version"] !== 1) {
    throw fail("wrote something else than credentials of version 1");
  }
  if (read.expiresAt !== undefined && read.expiresAt <= clock.now()) {
    throw fail(
      `gave credentials that ended at ${new Date(read.expiresAt).toISOString()}, by this host's clock`,
    );
  }
  return { ...read, source: `process ${name}` };
}

/** The program alone: what stands behind it, or before it, may be a secret. */
function programOf(command: string): string {
  return /^\s*(["']?)([\w./+-]+)\1(?=\s|$)/.exec(command)?.[2] ?? "of a longer command";
}

function run(command: string, env: SourceContext["env"], runMsMax: number): Promise<Ending> {
  const { promise, resolve } = Promise.withResolvers<Ending>();
  const child = spawn("/bin/sh", ["-c", command], {
    env,
    // A group of its own, to be killed whole: the shell's death would leave its children.
    detached: true,
    stdio: ["ignore", "pipe", "ignore"],
  });
  let output = "";
  const stop = (reason: string): void => {
    resolve({ kind: "failed", reason });
    child.stdout.destroy();
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  };
  const timer = setTimeout(() => stop(`did not end within ${runMsMax / 1_000} s`), runMsMax);
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    output += chunk;
    if (output.length > OUTPUT_BYTES_MAX) stop("wrote too much");
  });
  child.on("error", (error) => stop(`could not be started: ${errnoOf(error)}`));
  child.on("close", (code, signal) => {
    clearTimeout(timer);
    resolve(
      code === null
        ? { kind: "failed", reason: `was killed by ${signal}` }
        : { kind: "ended", code, output },
    );
  });
  return promise;
}
