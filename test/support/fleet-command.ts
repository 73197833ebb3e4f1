import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { Command } from "commander";
import { addFleetCommands } from "../../src/cli/fleet/add-commands.ts";
import type { LiveHost } from "../../src/fleet/live-hosts.ts";
import { accessTo, MemorySsm, SkippingClock } from "./memory-ssm.ts";

export const FLEET_PATH = "/s3-offload-agent/fleets/web";
export const HOSTS_PATH = "/s3-offload-agent/hosts";

/** What a command ended with and wrote; `thrown` is what `main.ts` would tell. */
export interface FleetResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly thrown: (Error & { readonly hint?: string; readonly exitCode?: number }) | undefined;
}

/** An operator with a folder, a Parameter Store and a fleet `web` whose heartbeats a test makes up. */
export interface FleetDesk extends AsyncDisposable {
  readonly ssm: MemorySsm;
  live: readonly LiveHost[] | undefined;
  /** Runs `s3-offload-agent fleet ARGS`. */
  run(args: readonly string[], options?: RunOptions): Promise<FleetResult>;
  write(name: string, text: string): Promise<void>;
  read(name: string): Promise<string>;
}

export interface RunOptions {
  /** What a person answers on a terminal; undefined: there is none. */
  readonly answer?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stop?: AbortSignal;
}

/** @param leaves of the fleet, as somebody has set them by hand */
export async function makeDesk(leaves: Readonly<Record<string, string>> = {}): Promise<FleetDesk> {
  const temporary = await mkdtempDisposable(join(tmpdir(), "s3-offload-fleet-"));
  const ssm = new MemorySsm(new SkippingClock());
  for (const [leaf, value] of Object.entries(leaves)) ssm.set(`${FLEET_PATH}/${leaf}`, value);
  const desk: FleetDesk = {
    ssm,
    live: undefined,
    async run(args, { answer, env = {}, stop = new AbortController().signal } = {}) {
      const [stdout, stderr] = [new TextSink(), new TextSink()];
      const stdin = Object.assign(new PassThrough(), { isTTY: answer !== undefined });
      if (answer !== undefined) stdin.end(`${answer}\n`);
      let exitCode = 0;
      let thrown: FleetResult["thrown"];
      const program = new Command().exitOverride().configureOutput({
        writeOut: (text) => stdout.write(text),
        writeErr: (text) => stderr.write(text),
      });
      const context = {
        env: { S3_OFFLOAD_FLEET: "web", ...env },
        workingDirectory: temporary.path,
        stdin,
        stdout,
        stderr,
        isTerminal: false,
        stop,
        onReload: () => undefined,
      };
      const open = async () => accessTo(ssm, desk.live);
      addFleetCommands(program, context, (code) => (exitCode = code), open);
      try {
        await program.parseAsync(["fleet", ...args], { from: "user" });
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        thrown = error;
        const code = "exitCode" in error ? error.exitCode : undefined;
        exitCode = typeof code === "number" ? code : 1;
      }
      return { exitCode, stdout: stdout.text, stderr: stderr.text, thrown };
    },
    write: (name, text) => writeFile(join(temporary.path, name), text),
    read: (name) => readFile(join(temporary.path, name), "utf8"),
    [Symbol.asyncDispose]: () => temporary.remove(),
  };
  return desk;
}

/** A host that is well, with what a test says of it. */
export function liveHost(host: string, about: Partial<LiveHost> = {}): LiveHost {
  return {
    host,
    version: "1.0.0",
    cohort: "stable",
    configHash: "old",
    desiredHash: "old",
    heartbeatAt: 0,
    lastSweepAt: undefined,
    waiting: 0,
    oldestSeconds: 0,
    failed: 0,
    ...about,
  };
}

class TextSink extends Writable {
  text = "";

  override _write(chunk: unknown, _encoding: string, done: () => void): void {
    this.text += String(chunk);
    done();
  }
}
