import { spawn } from "node:child_process";
import { buffer } from "node:stream/consumers";
import { AgentError, ExitCode, isErrno, toError } from "../../src/lib/errors.ts";

/** Which Debian package has a program that is missing. */
const DEBIAN_PACKAGES: Readonly<Record<string, string>> = {
  "apt-ftparchive": "apt-utils",
  createrepo_c: "createrepo-c",
  "dpkg-deb": "dpkg",
  gpg: "gnupg",
  gpgconf: "gpgconf",
  gpgv: "gpgv",
  rpm: "rpm",
  rpmkeys: "rpm",
  rpmsign: "rpm",
  sync: "coreutils",
  xz: "xz-utils",
};

export interface ToolOptions {
  readonly cwd?: string;
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Buffer;
  readonly signal?: AbortSignal | undefined;
}

/** What a program wrote, and how it ended. */
export interface ToolResult {
  readonly status: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/**
 * Runs a program of the distribution to its end. Its messages are in English whatever the locale.
 * @throws AgentError (exit code 2) if it is not installed; the signal's reason if that aborts
 */
export async function tryTool(
  program: string,
  args: readonly string[],
  { cwd, env = {}, input = "", signal }: ToolOptions = {},
): Promise<ToolResult> {
  signal?.throwIfAborted();
  const child = spawn(program, args, {
    ...(cwd === undefined ? {} : { cwd }),
    ...(signal === undefined ? {} : { signal }),
    env: { ...process.env, LC_ALL: "C.UTF-8", ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const closed = new Promise<number | string>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, killedBy) => resolve(code ?? killedBy ?? "nothing"));
  });
  // A program that does not read its input to the end says so by its status.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  try {
    const [stdout, stderr, status] = await Promise.all([
      buffer(child.stdout),
      buffer(child.stderr),
      closed,
    ]);
    signal?.throwIfAborted();
    return {
      status: typeof status === "number" ? status : 1,
      stdout,
      stderr: `${stderr}${typeof status === "string" ? `killed by ${status}` : ""}`,
    };
  } catch (error) {
    signal?.throwIfAborted();
    if (!isErrno(error, "ENOENT")) throw toError(error);
    const debianPackage = DEBIAN_PACKAGES[program] ?? program;
    throw new AgentError(`${program} is not installed.`, {
      exitCode: ExitCode.configuration,
      hint: `Install it (Debian: apt-get install ${debianPackage}).`,
    });
  }
}

/**
 * As `tryTool`, for a program that has no reason to fail.
 * @returns what it wrote to standard output
 * @throws AgentError (exit code 1) with what it said if it does
 */
export async function runTool(
  program: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<Buffer> {
  const { status, stdout, stderr } = await tryTool(program, args, options);
  if (status === 0) return stdout;
  throw toolError(`${program} failed`, stderr);
}

/** So many of a program's last lines are repeated. */
const LAST_LINES_MAX = 5;

/** An error (exit code 1) that repeats a program's last lines. */
export function toolError(what: string, stderr: string, hint?: string): AgentError {
  const lines = stderr.trim().split("\n").slice(-LAST_LINES_MAX).join("\n  ");
  return new AgentError(`${what}: ${lines}`, {
    exitCode: ExitCode.failed,
    hint: hint ?? "Mend what it says, and run this again; the repository is as it was.",
  });
}
