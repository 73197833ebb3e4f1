import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  mkdir,
  mkdtempDisposable,
  open,
  readFile,
  realpath,
  unlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { bundledAgent } from "./agent-bundle.ts";
import { type FakeAws, startFakeAws } from "./fake-aws.ts";
import { type FaultPlan, HOOK_ARGUMENTS, planEnvironment, type TracedStep } from "./fault-plan.ts";
import { type Ended, recordsOf } from "./host.ts";
import "./recorded-output.ts";
import { Oracle, type Verdict } from "./oracle.ts";
import { filesBelow } from "./tree.ts";

/** How to reach S3, and what is in its bucket. */
export interface Destination {
  readonly env: Readonly<Record<string, string>>;
  readonly bucket: string;
  objects(): ReadonlyMap<string, string> | Promise<ReadonlyMap<string, string>>;
}

/**
 * A fault plan that can be told without knowing where a host's directories are. `under` is the
 * watched and the state directory if left out; a power loss is one of the state directory.
 */
export type HostPlan = Omit<Partial<FaultPlan>, "powerLoss"> & {
  readonly powerLoss?: "kept" | "lost";
};

/** One host for fault tests: quick to make, and all that happens on it is known to an oracle. */
export interface FaultHost extends AsyncDisposable {
  readonly folder: string;
  readonly watched: string;
  readonly state: string;
  /** For what a striker takes out of the watched directory. The agent knows nothing of it. */
  readonly away: string;
  readonly oracle: Oracle;
  /** Its SSM and CloudWatch Logs. */
  readonly aws: FakeAws;
  /** A producer writes a file, which is settled at once. @param name may have folders in it */
  produce(name: string, content: string | Buffer): Promise<string>;
  /** A producer removes a file of its own. What was in it is `abandoned` by whoever asks for it. */
  remove(name: string): Promise<void>;
  /** A producer begins to write a file and has it open until `finish`; all of it is in `content`. */
  begin(name: string, content: string): Promise<Unfinished>;
  /**
   * One sweep of the agent to its end.
   * @param plan what happens in it; left out: nothing, and the agent runs without the hook
   * @param through a command that starts another one, such as `["prlimit", "--nofile=64"]`
   */
  sweep(plan?: HostPlan, through?: readonly string[]): Promise<Sweep>;
  /** The same, for a test that wants to kill it. */
  start(plan?: HostPlan, through?: readonly string[]): RunningSweep;
  /** The steps of a sweep, which is done. */
  trace(plan?: HostPlan): Promise<readonly TracedStep[]>;
  verify(): Promise<Verdict>;
  /** Names, relative to the watched directory, of all files below it. */
  left(): Promise<string[]>;
}

/** A file that its producer has open. Disposing closes it where it is, without finishing it. */
export interface Unfinished extends AsyncDisposable {
  readonly path: string;
  write(more: string): Promise<void>;
  finish(): Promise<void>;
}

/** A sweep under way. */
export interface RunningSweep {
  readonly pid: number;
  /** SIGKILL. */
  kill(): void;
  readonly ended: Promise<Sweep>;
}

/** How a sweep ended. */
export interface Sweep extends Ended {
  readonly records: readonly Record<string, unknown>[];
  /** What can be put into a test to do it again. */
  readonly plan: HostPlan | undefined;
}

let hosts = 0;

/**
 * Makes a host with an SSM and a CloudWatch Logs of its own.
 * @param options.parameters on top of bucket, directory and min-age
 * @param options.directory where its directories are made; the system's temporary one if left out
 */
export async function makeFaultHost(options: {
  readonly destination: Destination;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly directory?: string;
}): Promise<FaultHost> {
  const { destination, parameters = {} } = options;
  const program = await bundledAgent();
  hosts += 1;
  const fleet = `fleet-${hosts}`;
  await using stack = new AsyncDisposableStack();
  const temporary = await mkdtempDisposable(join(options.directory ?? tmpdir(), "s3-faults-"));
  stack.defer(() => temporary.remove());
  const folder = await realpath(temporary.path);
  const watched = join(folder, "watched");
  const state = join(folder, "state");
  const away = join(folder, "away");
  for (const directory of [watched, state, away]) await mkdir(directory);
  const leaves = {
    bucket: destination.bucket,
    directory: watched,
    "min-age": "0s",
    // One after the other: the n-th step is then the same in every sweep.
    concurrency: "1",
    ...parameters,
  };
  const root = `/s3-offload-agent/fleets/${fleet}`;
  const aws = stack.use(
    await startFakeAws(
      Object.fromEntries(Object.entries(leaves).map(([leaf, value]) => [`${root}/${leaf}`, value])),
    ),
  );
  const bootstrap = join(folder, "agent.yaml");
  await writeFile(
    bootstrap,
    `fleet: ${fleet}\nhostId: host-1\nallowedRoots: [${watched}]\nstateDirectory: ${state}\nminAgeFloor: 0s\n`,
  );
  const ownEnv = Object.entries(process.env).filter(([name]) => !name.startsWith("AWS_"));
  const env = {
    ...Object.fromEntries(ownEnv),
    ...aws.env,
    ...destination.env,
    HOME: folder,
    // Spares the compilation of the bundle, which is most of its start.
    NODE_COMPILE_CACHE: join(dirname(program), "cache"),
  };
  const oracle = new Oracle();
  const owned = stack.move();

  function start(plan?: HostPlan, through: readonly string[] = []): RunningSweep {
    const { powerLoss: names, ...others } = plan ?? {};
    const powerLoss = names === undefined ? {} : { powerLoss: { directory: state, names } };
    // Log records are written beside the sweep: faults there have cases of their own.
    const except = [join(state, "spool")];
    const full: FaultPlan = { under: [watched, state], except, ...others, ...powerLoss };
    const hook = plan === undefined ? [] : HOOK_ARGUMENTS;
    const args = [...hook, program, "sweep", "--json", "--config", bootstrap];
    const [command, ...rest] = [...through, process.execPath, ...args] as [string, ...string[]];
    const child = spawn(command, rest, {
      cwd: folder,
      env: { ...env, ...planEnvironment(full) },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const end = async (): Promise<Sweep> => {
      const output = Promise.all([text(child.stdout), text(child.stderr)]);
      const [exitCode, killedBy] = await once(child, "close");
      const [stdout, stderr] = await output;
      // A kill may have cut the last line.
      const whole = stdout.slice(0, stdout.lastIndexOf("\n") + 1);
      return { exitCode, killedBy, stdout, stderr, records: recordsOf(whole), plan };
    };
    return { pid: child.pid ?? 0, kill: () => void child.kill("SIGKILL"), ended: end() };
  }
  const sweep = (...about: Parameters<typeof start>) => start(...about).ended;

  return {
    folder,
    watched,
    state,
    away,
    oracle,
    aws,
    sweep,
    start,
    async produce(name, content) {
      const path = join(watched, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content);
      oracle.closed(path, content);
      return path;
    },
    remove: (name) => unlink(join(watched, name)),
    async begin(name, content) {
      const path = join(watched, name);
      await mkdir(dirname(path), { recursive: true });
      const file = await open(path, "w");
      let written = "";
      const write = async (more: string) => {
        written += more;
        // Before it is there: nobody can read what the oracle does not know.
        oracle.writing(path, written);
        await file.writeFile(more);
      };
      await write(content);
      return {
        path,
        write,
        async finish() {
          await file.close();
          oracle.closed(path, written);
        },
        [Symbol.asyncDispose]: () => file.close(),
      };
    },
    async trace(plan) {
      const file = join(folder, "trace");
      const ended = await sweep({ ...plan, trace: file });
      if (ended.exitCode !== 0) throw new Error(`the traced sweep failed: ${ended.stdout}`);
      const lines = (await readFile(file, "utf8")).trim().split("\n");
      const steps = lines.map((line): TracedStep => JSON.parse(line));
      return steps.filter(({ when }) => when === "before");
    },
    verify: () =>
      oracle.verify({ objects: () => destination.objects(), directories: [watched, away] }),
    async left() {
      const names: string[] = [];
      for await (const { path } of filesBelow(watched)) {
        names.push(path.subarray(watched.length + 1).toString());
      }
      return names.sort();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
