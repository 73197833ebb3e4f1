import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../lib/clock.ts";
import { AgentError, configurationError, ExitCode, errnoOf, messageOf } from "../lib/errors.ts";
import { tryLock } from "../lib/kernel.ts";
import type { DamagedLog } from "../lib/record-log.ts";
import { isDiskTrouble, makeDirectory, StateFile } from "../lib/state-file.ts";
import { type ClockAnchor, SteadyClock } from "../lib/steady-clock.ts";
import { ATTEMPTS_FORMAT, Attempts } from "./attempts.ts";
import { LEDGER_FORMAT, Ledger } from "./ledger.ts";

/** A state file that could not be read. */
export interface StateDamage extends DamagedLog {
  readonly path: string;
}

const HOST_FORMAT = { format: "s3-offload-agent host", version: 1 } as const;

/**
 * The directory in which the agent keeps what must survive a restart. It is locked while it is
 * open. On a disk in trouble (full, read-only) the agent works on without it: what is kept there
 * saves work and names, no promise rests on it alone.
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
        roots: new Set(host.roots),
        ledger: Ledger.of(files.ledger, await read(files.ledger)),
        attempts: Attempts.of(files.attempts, await read(files.attempts)),
        steadyClock: new SteadyClock(clock, bootId, host.anchor),
      });
    } catch (error) {
      for (const file of Object.values(files)) await file.close();
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
    roots: Set<string>;
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
    this.#roots = parts.roots;
    this.ledger = parts.ledger;
    this.attempts = parts.attempts;
    this.steadyClock = parts.steadyClock;
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

  /** Writes down what is known of the host's clock and directories; a disk in trouble is borne. */
  async saveHost(): Promise<void> {
    const records = [
      { anchor: this.steadyClock.anchor() },
      ...[...this.#roots].map((root) => ({ root })),
    ];
    // `problem` tells of it.
    await this.#host.rewrite(records).catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isReadOnly) await this.saveHost();
    for (const file of this.#files) await file.close().catch(() => undefined);
    await this.#lock?.close();
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

/** Reads what may have been written by anybody. */
function readHost(records: readonly unknown[]): {
  readonly anchor: ClockAnchor | undefined;
  readonly roots: readonly string[];
} {
  let anchor: ClockAnchor | undefined;
  const roots: string[] = [];
  for (const record of records) {
    if (typeof record !== "object" || record === null) continue;
    if ("root" in record && typeof record.root === "string") roots.push(record.root);
    if ("anchor" in record && isAnchor(record.anchor)) anchor = record.anchor;
  }
  return { anchor, roots };
}

function isAnchor(value: unknown): value is ClockAnchor {
  if (typeof value !== "object" || value === null) return false;
  const { bootId, offsetMs, steadySinceBootMs } = value as Record<string, unknown>;
  return (
    typeof bootId === "string" && Number.isFinite(offsetMs) && Number.isFinite(steadySinceBootMs)
  );
}
