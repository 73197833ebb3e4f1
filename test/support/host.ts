import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtempDisposable, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { makeOperator, type Operator } from "../../tools/demo/operator.ts";
import type { LocalAws } from "../../tools/local-aws.ts";
import { CONTENT_MARK } from "../../tools/marks.ts";
import { checkRecord, isRecord } from "../../tools/records/record-rules.ts";
import { endAtLast } from "./leftover-children.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** How a program ended, and what it said. */
export interface Ended {
  readonly exitCode: number | null;
  readonly killedBy: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** An agent at work, whose records can be awaited. */
export interface RunningAgent extends AsyncDisposable {
  /** All that it has written so far. */
  readonly records: readonly Record<string, unknown>[];
  /** The next record that fits, from those already written on. @throws Error if the agent ends before */
  next(fits: (record: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
  /** The first record of all that fits, whoever else awaits records. @throws Error, as `next` */
  first(fits: (record: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
  kill(signal: NodeJS.Signals): void;
  ended(): Promise<Ended>;
}

/** One host of a fleet of its own: a watched directory, a bucket, parameters, a bootstrap file. */
export interface TestHost extends AsyncDisposable {
  readonly folder: string;
  readonly watched: string;
  readonly fleet: string;
  readonly bucket: string;
  readonly bootstrap: string;
  readonly operator: Operator;
  /** The environment of the agent. */
  readonly env: NodeJS.ProcessEnv;
  /** Runs `s3-offload-agent ARGS --config BOOTSTRAP` to its end. */
  run(args: readonly string[], options?: RunOptions): Promise<Ended>;
  /** Starts `s3-offload-agent run`. */
  start(options?: RunOptions): RunningAgent;
  /** Writes a file into the watched directory; without a content, one that nothing tells of. */
  write(name: string, content?: string | Buffer): Promise<string>;
}

export interface RunOptions {
  /** On top of the host's environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** A program, with its arguments, that becomes the agent, such as `setpriv`. */
  readonly by?: readonly string[];
  /** Arguments of `node`, before the program. */
  readonly nodeArguments?: readonly string[];
  /** Numeric user to run as. */
  readonly uid?: number;
}

let hosts = 0;

/**
 * Makes a host whose files settle at once: `minAgeFloor` and `min-age` are 0.
 * @param parameters put on top of bucket, directory and min-age; undefined takes one away
 */
export async function makeHost(
  aws: LocalAws,
  parameters: Readonly<Record<string, string | undefined>> = {},
): Promise<TestHost> {
  hosts += 1;
  const fleet = `fleet-${process.pid}-${hosts}`;
  const temporary = await mkdtempDisposable(join(tmpdir(), "s3-offload-test-"));
  const folder = temporary.path;
  const watched = join(folder, "watched");
  await mkdir(watched);
  const operator = makeOperator({ ...aws, fleet, host: "host-1", bucket: fleet });
  await operator.makeBucket();
  const all = { bucket: fleet, directory: watched, "min-age": "0s", ...parameters };
  for (const [leaf, value] of Object.entries(all)) {
    if (value !== undefined) await operator.setParameter(leaf, value);
  }
  const bootstrap = join(folder, "agent.yaml");
  await writeFile(
    bootstrap,
    `fleet: ${fleet}\nhostId: host-1\nallowedRoots: [${watched}]\nstateDirectory: ${join(folder, "state")}\nminAgeFloor: 0s\n`,
  );
  const env = { ...aws.environment(), HOME: folder };
  const begin = (args: readonly string[], options: RunOptions = {}) => {
    const { by = [], nodeArguments = [], uid } = options;
    const [program = "", ...before] = [...by, process.execPath, ...nodeArguments];
    return endAtLast(
      spawn(program, [...before, MAIN, ...args], {
        env: { ...env, ...options.env },
        cwd: options.cwd ?? folder,
        ...(uid === undefined ? {} : { uid, gid: uid }),
      }),
    );
  };
  return {
    folder,
    watched,
    fleet,
    bucket: fleet,
    bootstrap,
    operator,
    env,
    run: (args, options) => endOf(begin([...args, "--config", bootstrap], options)),
    start: (options) =>
      watchAgent(begin(["run", "--config", bootstrap], options), { isHurried: true }),
    async write(name, content = CONTENT_MARK) {
      const path = join(watched, name);
      await writeFile(path, content);
      return path;
    },
    [Symbol.asyncDispose]: () => temporary.remove(),
  };
}

/** Waits until a file is so old; nothing but time can make it so. */
export async function untilAged(path: string, ageMs: number): Promise<void> {
  const { mtimeMs, ctimeMs } = await stat(path);
  const at = Math.max(mtimeMs, ctimeMs) + ageMs;
  while (Date.now() < at) await delay(at - Date.now() + 1);
}

/** The JSON objects of an output with one a line. */
export function recordsOf(stdout: string): Record<string, unknown>[] {
  const lines = stdout.split("\n").filter((line) => line !== "");
  for (const line of lines) assertRecord(line);
  return lines.map((line) => JSON.parse(line));
}

/** Every record of every agent in these tests is as the tables of events say. */
function assertRecord(line: string): void {
  const problems = isRecord(line) ? checkRecord(line) : [];
  if (problems.length > 0) throw new Error(`${problems.join("; ")}: ${line}`);
}

async function endOf(child: ReturnType<typeof spawn>): Promise<Ended> {
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [exitCode, killedBy] = await once(child, "close");
  return { exitCode, killedBy, stdout, stderr };
}

/**
 * Reads what an agent writes to its standard output.
 * @param options.isHurried it is reloaded at once: a first call is spread over 30 seconds, and a
 *   change settles for as long, but a reload does neither
 */
export function watchAgent(
  child: ReturnType<typeof spawn>,
  { isHurried }: { readonly isHurried: boolean },
): RunningAgent {
  const records: Record<string, unknown>[] = [];
  let onRecord = Promise.withResolvers<void>();
  let isEnded = false;
  const wake = () => {
    const { resolve } = onRecord;
    onRecord = Promise.withResolvers();
    resolve();
  };
  if (child.stdout === null) throw new Error("the agent has no output");
  createInterface({ input: child.stdout }).on("line", (line) => {
    assertRecord(line);
    const record = JSON.parse(line);
    if (isHurried && record.event === "agent.started") child.kill("SIGHUP");
    records.push(record);
    wake();
  });
  const ended = endOf(child).finally(() => {
    isEnded = true;
    wake();
  });
  const find = async (from: number, fits: (record: Record<string, unknown>) => boolean) => {
    for (let at = from; ; ) {
      for (; at < records.length; at += 1) {
        const record = records[at];
        if (record !== undefined && fits(record)) return { record, at };
      }
      if (isEnded) throw new Error(`the agent ended: ${(await ended).stderr}`);
      await onRecord.promise;
    }
  };
  let seen = 0;
  return {
    records,
    async next(fits) {
      const { record, at } = await find(seen, fits);
      seen = at + 1;
      return record;
    },
    async first(fits) {
      return (await find(0, fits)).record;
    },
    kill: (signal) => child.kill(signal),
    ended: () => ended,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
