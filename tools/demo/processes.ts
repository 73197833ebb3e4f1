import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A program of this checkout at work, whose output is one JSON object a line. */
export interface JsonProcess {
  readonly pid: number;
  /** What it writes, as it writes it; ends with the program. */
  readonly records: AsyncIterable<Record<string, unknown>>;
  /** Asks it to stop. */
  stop(): void;
  /** @returns its exit code, or -1 if a signal ended it */
  ended(): Promise<number>;
}

/** Starts `node FILE ARGS`, FILE being relative to the checkout. */
export function startJsonProcess(
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): JsonProcess {
  const path = fileURLToPath(new URL(`../../${file}`, import.meta.url));
  // A process group of its own: Ctrl-C is for the demo, which then stops what it started.
  const child: ChildProcess = spawn(process.execPath, [path, ...args], {
    env,
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
    ended: () => exit,
  };
}

async function* parsed(lines: AsyncIterable<string>) {
  for await (const line of lines) yield JSON.parse(line) as Record<string, unknown>;
}
