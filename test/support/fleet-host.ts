import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CONTENT_MARK } from "../../tools/marks.ts";
import { type Ended, type RunningAgent, watchAgent } from "./host.ts";
import { endAtLast } from "./leftover-children.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** So many records are told when one does not come. */
const TOLD_RECORDS = 10;

export type AgentRecord = Record<string, unknown>;

/** A file that was written into a watched directory. */
export interface WrittenFile {
  readonly name: string;
  readonly sha256: string;
  /** Where it may be in the end, as `BUCKET/KEY`: in exactly one of these. */
  readonly places: readonly string[];
}

/** What its host does not share with the others of the fleet. */
export interface FleetHostOptions {
  readonly fleet: string;
  /** Its folder is made in this one. */
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  /** Further lines of the bootstrap file. */
  readonly bootstrap?: readonly string[];
  /** Aborts with the reason why nobody waits any longer. */
  readonly deadline: AbortSignal;
}

/**
 * A host of a fleet: the real program with a bootstrap file, a state directory and a watched
 * directory of its own. Its working directory is its folder, so that a whole fleet can share the
 * relative directory `watched`. Nobody hurries it: its first call and every change take the time
 * that they take on a real host.
 */
export class FleetHost {
  readonly id: string;
  readonly watched: string;
  readonly files: WrittenFile[] = [];
  readonly #folder: string;
  readonly #options: FleetHostOptions;
  readonly #runs: RunningAgent[] = [];

  private constructor(id: string, options: FleetHostOptions) {
    this.id = id;
    this.#options = options;
    this.#folder = join(options.folder, id);
    this.watched = join(this.#folder, "watched");
  }

  /** Makes its folder, with an empty watched directory. */
  static async make(id: string, options: FleetHostOptions): Promise<FleetHost> {
    const host = new FleetHost(id, options);
    await mkdir(host.watched, { recursive: true });
    const lines = [
      `fleet: ${options.fleet}`,
      `hostId: ${id}`,
      `allowedRoots: [${host.watched}]`,
      `stateDirectory: ${join(host.#folder, "state")}`,
      "minAgeFloor: 0s",
      ...(options.bootstrap ?? []),
    ];
    await writeFile(host.#bootstrap, `${lines.join("\n")}\n`);
    return host;
  }

  get #bootstrap(): string {
    return join(this.#folder, "agent.yaml");
  }

  get #agent(): RunningAgent {
    const agent = this.#runs.at(-1);
    if (agent === undefined) throw new Error(`${this.id} was not started`);
    return agent;
  }

  /** All records of all its agents, in the order in which they were written. */
  get records(): readonly AgentRecord[] {
    return this.#runs.flatMap(({ records }) => records);
  }

  /** Starts an agent, and resolves when it says so. */
  async start(): Promise<void> {
    const env = { ...this.#options.env, HOME: this.#folder };
    const args = [MAIN, "run", "--config", this.#bootstrap];
    const child = endAtLast(spawn(process.execPath, args, { env, cwd: this.#folder }));
    this.#runs.push(watchAgent(child, { isHurried: false }));
    await this.first("agent.started");
  }

  /**
   * The first record of the agent that runs now.
   * @throws Error that tells what came instead, if the agent ends or the deadline passes
   */
  async first(
    event: string,
    fits: (record: AgentRecord) => boolean = () => true,
  ): Promise<AgentRecord> {
    const { deadline } = this.#options;
    const { promise: late, reject } = Promise.withResolvers<never>();
    const onLate = () => {
      reject(new Error(`${this.id}: no ${event} that fits, but\n${this.#lastWords()}`));
    };
    deadline.addEventListener("abort", onLate, { once: true });
    if (deadline.aborted) onLate();
    try {
      const found = this.#agent.first((record) => record["event"] === event && fits(record));
      return await Promise.race([found, late]);
    } finally {
      deadline.removeEventListener("abort", onLate);
    }
  }

  /** What it has told last, apart from its sweeps. */
  #lastWords(): string {
    return this.records
      .filter(({ event }) => event !== "sweep.completed")
      .slice(-TOLD_RECORDS)
      .map(({ time, event, configHash, path, message }) => {
        return [time, event, configHash, path, message].filter((part) => part !== undefined);
      })
      .map((parts) => parts.join("  "))
      .join("\n");
  }

  /** Writes a file whose content no other has. @param places see WrittenFile */
  async write(name: string, places: readonly string[], folder = this.watched): Promise<void> {
    const content = `${CONTENT_MARK} ${this.id} ${name}\n`.repeat(50);
    const sha256 = createHash("sha256").update(content).digest("hex");
    this.files.push({ name, sha256, places });
    await writeFile(join(folder, name), content);
  }

  /** Resolves when a file is in the bucket and gone. */
  async removed(name: string): Promise<void> {
    await this.first("file.removed", ({ path }) => path === name);
  }

  /** Kills the agent where it stands, and resolves when it is gone. */
  async kill(): Promise<void> {
    this.#agent.kill("SIGKILL");
    await this.#agent.ended();
  }

  /** Asks the agent to stop, and resolves when it has. */
  async stop(): Promise<Ended> {
    this.#agent.kill("SIGTERM");
    return await this.#agent.ended();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#runs.map((agent) => agent[Symbol.asyncDispose]()));
  }
}
