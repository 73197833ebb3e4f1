import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

/** A program of this checkout at work, whose output is one JSON object a line. */
export interface JsonProcess {
  readonly pid: number;
  /** What it writes, as it writes it; ends with the program. */
  readonly records: AsyncIterable<Record<string, unknown>>;
  /** Asks it to stop. */
  stop(): void;
  /** Asks it to read its configuration, as `systemctl reload` does. */
  reload(): void;
  /** @returns its exit code, or -1 if a signal ended it */
  ended(): Promise<number>;
}

/** Starts `node FILE ARGS`, FILE being relative to the checkout. @param cwd default: this process's */
export function startJsonProcess(
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  cwd?: string,
): JsonProcess {
  const path = fileURLToPath(new URL(`../../${file}`, import.meta.url));
  // A process group of its own: Ctrl-C is for the demo, which then stops what it started.
  const child: ChildProcess = spawn(process.execPath, [path, ...args], {
    env,
    ...(cwd === undefined ? {} : { cwd }),
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const { stdout } = child;
  if (stdout === null) throw new Error(`${file} has no output`);
  const exit = once(child, "exit").then(([code]) => (typeof code === "number" ? code : -1));
  return {
    pid: child.pid ?? 0,
    records: parsed(createInterface({ input: stdout })),
    stop: () => child.kill("SIGTERM"),
    reload: () => child.kill("SIGHUP"),
    ended: () => exit,
  };
}

/**
 * Runs `s3-offload-agent ARGS` to its end, as a person does.
 * @returns what it printed
 * @throws Error with its output, if it ended with anything but 0
 */
export async function runAgent(args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  const path = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
  const child = spawn(process.execPath, [path, ...args], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr, [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  if (exitCode === 0) return stdout;
  throw new Error(`s3-offload-agent ${args.join(" ")} ended with ${exitCode}: ${stdout}${stderr}`);
}

async function* parsed(lines: AsyncIterable<string>) {
  for await (const line of lines) yield JSON.parse(line) as Record<string, unknown>;
}
