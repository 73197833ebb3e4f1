import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** Another process, spoken with in lines. */
export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** The next line that it writes; undefined: it has ended without. */
  line(): Promise<string | undefined>;
  /** Writes a line to it. */
  say(text: string): void;
  /** How it ended: its exit code, or the signal that killed it. */
  ended(): Promise<number | string>;
}

/** Starts a program; it is killed when the child is disposed of. */
export function startChild(command: string, args: readonly string[]): Child {
  const process = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(process, "close").then(([code, signal]) => code ?? signal);
  const lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
  return {
    pid: process.pid ?? 0,
    async line() {
      const { value, done } = await lines.next();
      return done === true ? undefined : value;
    },
    say: (text) => process.stdin.write(`${text}\n`),
    ended: () => ended,
    async [Symbol.asyncDispose]() {
      process.kill("SIGKILL");
      await ended;
    },
  };
}

/** Starts a shell script; `$1` and so on are its arguments. */
export function startShell(script: string, ...args: readonly string[]): Child {
  return startChild("sh", ["-c", script, "sh", ...args]);
}

/** Starts a module of JavaScript; its arguments are `process.argv[1]` and so on. */
export function startModule(script: string, ...args: readonly string[]): Child {
  return startChild(globalThis.process.execPath, [
    "--input-type=module",
    "--eval",
    script,
    ...args,
  ]);
}
