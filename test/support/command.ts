import { Readable, Writable } from "node:stream";
import type { CommandContext } from "../../src/cli/context.ts";
import { runCommand } from "../../src/cli/program.ts";

/** What a command ended with and wrote. */
export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a command in this process, with the environment of a host that knows no AWS.
 * @throws what the command throws; `main.ts` would make an exit code of it
 */
export async function runHere(
  args: readonly string[],
  { env, workingDirectory = "/" }: { env: Record<string, string>; workingDirectory?: string },
): Promise<CommandResult> {
  return await inContext((context) => runCommand(args, context), {
    env: { S3_OFFLOAD_FLEET: "web", S3_OFFLOAD_HOST_ID: "host-1", ...env },
    workingDirectory,
  });
}

/** Runs what takes a command's context, on no terminal, and keeps what it writes. */
export async function inContext(
  run: (context: CommandContext) => Promise<number>,
  place: Pick<CommandContext, "env" | "workingDirectory">,
): Promise<CommandResult> {
  const [stdout, stderr] = [new TextSink(), new TextSink()];
  const exitCode = await run({
    ...place,
    stdin: Readable.from([]),
    stdout,
    stderr,
    isTerminal: false,
    stop: new AbortController().signal,
    onReload: () => undefined,
  });
  return { exitCode, stdout: stdout.text, stderr: stderr.text };
}

/** Keeps as text what is written. */
export class TextSink extends Writable {
  text = "";

  override _write(chunk: unknown, _encoding: string, done: () => void): void {
    this.text += String(chunk);
    done();
  }
}
