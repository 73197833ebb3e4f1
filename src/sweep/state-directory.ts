import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../lib/clock.ts";
import { AgentError, configurationError, ExitCode, errnoOf, messageOf } from "../lib/errors.ts";
import { tryLock } from "../lib/kernel.ts";
import type { DamagedLog } from "../lib/record-log.ts";
import { isDiskTrouble, makeDirectory, StateFile } from "../lib/state-file.ts";
import { SteadyClock } from "../lib/steady-clock.ts";
import { ATTEMPTS_FORMAT, type Attempt, Attempts } from "./attempts.ts";
import { unescapePath } from "./escape-path.ts";
import {
  type FailedSweep,
  HOST_FORMAT,
  type HostState,
  hostRecords,
  type LastSweep,
  readHost,
} from "./host-state.ts";
import { LEDGER_FORMAT, Ledger } from "./ledger.ts";
import { isInQuarantine } from "./quarantine.ts";

/** A state file that could not be read. */
export interface StateDamage extends DamagedLog {
  readonly path: string;
}

/**
 * The directory in which the agent keeps what must survive a restart. It is locked while it is
 * open. On a disk in trouble (full, read-only) the agent works on without it: what is kept there
 * saves work and names, no promise rests on it alone. Sweeps of several routes share it and may
 * write at once: each write is of all that is known when its turn comes.
 */
export class StateDirectory implements AsyncDisposable {
  readonly path: string;
  readonly ledger: Ledger;
  readonly attempts: Attempts;
  readonly steadyClock: SteadyClock;
  /** Files that could not be read when the directory was opened. */
  readonly damages: readonly StateDamage[];
  readonly #files: readonly StateFile[];
  readonly #host: StateFile;
  readonly #roots: Set<string>;
  /** By route. */
  readonly #sweeps: Map<string, LastSweep>;
  readonly #failedSweeps: Map<string, FailedSweep>;
  readonly #lock: FileHandle | undefined;
  readonly #isReadOnly: boolean;

  /**
   * Opens the directory, and makes it if it is not there.
   * @param options.bootId tells one boot of the host from another
   * @param options.isReadOnly only look: make, lock and write nothing
   * @throws AgentError with exit code 2 if it cannot be used at all; with 4 if another agent does
   */
  static async open(options: {
    readonly path: string;
    readonly clock: Clock;
    readonly bootId: string;
    readonly isReadOnly: boolean;
  }): Promise<StateDirectory> {
    const { path, clock, bootId, isReadOnly } = options;
    const damages: StateDamage[] = [];
    const onDamage = (file: string, damage: DamagedLog) => damages.push({ path: file, ...damage });
    const files = {
      ledger: new StateFile(join(path, "ledger"), LEDGER_FORMAT, onDamage),
      attempts: new StateFile(join(path, "attempts"), ATTEMPTS_FORMAT, onDamage),
      host: new StateFile(join(path, "host"), HOST_FORMAT, onDamage),
    };
    let lock: FileHandle | undefined;
    try {
      lock = isReadOnly ? undefined : await openLocked(path);
      const read = (file: StateFile) => (isReadOnly ? file.peek() : file.load());
      const host = readHost(await read(files.host));
      return new StateDirectory({
        path,
        lock,
        isReadOnly,
        files,
        damages,
        host,
        ledger: Ledger.of(files.ledger, await read(files.ledger)),
        attempts: Attempts.of(files.attempts, await read(files.attempts)),
        steadyClock: new SteadyClock(clock, bootId, host.anchor),
      });
    } catch (error) {
      for (const file of Object.values(files)) await file.close().catch(() => undefined);
      await lock?.close();
      if (error instanceof AgentError) throw error;
      throw configurationError(
        `The state directory ${path} cannot be used: ${errnoOf(error) ?? messageOf(error)}.`,
        "Let the agent's user write to it, or name another one with `stateDirectory` in the bootstrap file (S3_OFFLOAD_STATE_DIRECTORY).",
        error,
      );
    }
  }

  private constructor(parts: {
    path: string;
    lock: FileHandle | undefined;
    isReadOnly: boolean;
    files: { ledger: StateFile; attempts: StateFile; host: StateFile };
    damages: readonly StateDamage[];
    host: HostState;
    ledger: Ledger;
    attempts: Attempts;
    steadyClock: SteadyClock;
  }) {
    this.path = parts.path;
    this.#lock = parts.lock;
    this.#isReadOnly = parts.isReadOnly;
    this.#files = Object.values(parts.files);
    this.#host = parts.files.host;
    this.damages = parts.damages;
    this.#roots = new Set(parts.host.roots);
    this.#sweeps = new Map(parts.host.sweeps.map((sweep) => [sweep.route, sweep]));
    this.#failedSweeps = new Map(parts.host.failedSweeps.map((sweep) => [sweep.route, sweep]));
    this.ledger = parts.ledger;
    this.attempts = parts.attempts;
    this.steadyClock = parts.steadyClock;
  }

  /** Whether it is this process's alone: a disk in trouble may have had no room to make it. */
  get isLocked(): boolean {
    return this.#lock !== undefined;
  }

  /** Why the last write failed, as `file: code`; undefined: none did. */
  get problem(): string | undefined {
    return this.#files.map((file) => file.problem).find((problem) => problem !== undefined);
  }

  /** Real paths of watched directories in which an earlier run may have left something. */
  get roots(): readonly string[] {
    return [...this.#roots];
  }

  /** Notes that there is work in a watched directory. Resolves when that is on disk, if it can be. */
  async addRoot(root: string): Promise<void> {
    if (this.#roots.has(root)) return;
    this.#roots.add(root);
    await this.saveHost();
  }

  /** Notes that nothing is left in a watched directory. */
  async dropRoot(root: string): Promise<void> {
    if (this.#roots.delete(root)) await this.saveHost();
  }

  /** What the last completed sweep of a route came to, of an earlier run too. */
  lastSweep(route: string): LastSweep | undefined {
    return this.#sweeps.get(route);
  }

  /** Notes what a sweep came to, for `status`. Resolves when that is on disk, if it can be. */
  async recordSweep(sweep: LastSweep): Promise<void> {
    this.#sweeps.set(sweep.route, sweep);
    this.#failedSweeps.delete(sweep.route);
    await this.saveHost();
  }

  /** Notes that a sweep failed as a whole. Resolves when that is on disk, if it can be. */
  async recordFailedSweep(sweep: FailedSweep): Promise<void> {
    this.#failedSweeps.set(sweep.route, sweep);
    await this.saveHost();
  }

  /**
   * Forgets the sweeps of routes that are configured no longer. Resolves when that is on disk, if it
   * can be.
   */
  async keepRoutes(routes: readonly string[]): Promise<void> {
    const known = [...this.#sweeps.keys(), ...this.#failedSweeps.keys()];
    const gone = known.filter((route) => !routes.includes(route));
    for (const route of gone) {
      this.#sweeps.delete(route);
      this.#failedSweeps.delete(route);
    }
    if (gone.length > 0) await this.saveHost();
  }

  /**
   * Forgets the files in directories that are watched no longer, but for those that are in
   * quarantine still. Resolves when that is on disk, if it can be.
   * @param roots real paths of the watched directories; that of one that cannot be opened now too
   */
  async keepRoots(roots: readonly string[]): Promise<void> {
    const isThere = ({ root, path }: Attempt) => isInQuarantine(root, unescapePath(path));
    // `problem` tells of it.
    await this.attempts.keepRoots(roots, isThere).catch(() => undefined);
  }

  /** Writes down what is known of the host and its sweeps; a disk in trouble is borne. */
  async saveHost(): Promise<void> {
    const records = () =>
      hostRecords({
        anchor: this.steadyClock.anchor(),
        roots: this.roots,
        sweeps: [...this.#sweeps.values()],
        failedSweeps: [...this.#failedSweeps.values()],
      });
    // `problem` tells of it.
    await this.#host.rewrite(records).catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isReadOnly) await this.saveHost();
    for (const file of this.#files) await file.close().catch(() => undefined);
    await this.#lock?.close().catch(() => undefined);
  }
}

/** @returns the locked directory; undefined: the disk has no room to make it */
async function openLocked(path: string): Promise<FileHandle | undefined> {
  try {
    await makeDirectory(path);
  } catch (error) {
    if (isDiskTrouble(error)) return undefined;
    throw error;
  }
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    if (tryLock(directory.fd)) return directory;
  } catch (error) {
    await directory.close();
    throw error;
  }
  await directory.close();
  throw new AgentError(`Another agent uses the state directory ${path}.`, {
    exitCode: ExitCode.directoryHeld,
    hint: "Let it work (systemctl status s3-offload-agent), look without it (sweep --dry-run), or name another `stateDirectory`.",
  });
}
