import { mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf, isErrno, messageOf } from "./errors.ts";
import { type DamagedLog, parseLog, type RecordFormat, RecordLog } from "./record-log.ts";

/**
 * The disk is full, read-only or broken. The agent goes on without its state, since it may be the
 * one that makes room again; anything else that is wrong with a state file ends its start.
 */
const DISK_TROUBLE = ["ENOSPC", "EDQUOT", "EROFS", "EIO", "EMFILE", "ENFILE"] as const;

/** Whether an error says that the disk does not take what is written, not that a path is wrong. */
export function isDiskTrouble(error: unknown): boolean {
  return isErrno(error, ...DISK_TROUBLE);
}

/**
 * Makes a directory, for its owner alone, and those above it, unless they are there. Node's own way
 * says ENOENT where the disk is read-only, as if the path were wrong.
 * @throws system errors
 */
export async function makeDirectory(path: string): Promise<void> {
  const make = async () => {
    await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
      if (!isErrno(error, "EEXIST")) throw error;
    });
  };
  try {
    await make();
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
    await makeDirectory(dirname(path));
    await make();
  }
}

/**
 * A record log that may be out of order for a while: what cannot be written is the caller's to
 * bear, and each write tries again.
 */
export class StateFile {
  readonly path: string;
  readonly #format: RecordFormat;
  readonly #onDamage: (path: string, damage: DamagedLog) => void;
  #log: RecordLog | undefined;
  #opening: Promise<readonly unknown[]> | undefined;
  #problem: string | undefined;

  /** @param onDamage hears of a file that could not be read and was set aside */
  constructor(
    path: string,
    format: RecordFormat,
    onDamage: (path: string, damage: DamagedLog) => void,
  ) {
    this.path = path;
    this.#format = format;
    this.#onDamage = onDamage;
  }

  /** Why the last write failed; undefined: it did not. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** The size of the file, in bytes; 0 while it is out of order. */
  get bytes(): number {
    return this.#log?.bytes ?? 0;
  }

  /**
   * Opens the file, or makes it and its directory. On a disk in trouble it gives what can be read.
   * @throws system errors that are no trouble of the disk
   */
  async load(): Promise<readonly unknown[]> {
    try {
      return await this.#open();
    } catch (error) {
      if (!isDiskTrouble(error)) throw error;
      this.#remember(error);
      return await this.peek();
    }
  }

  /** Reads what stands in the file, and leaves no trace. */
  async peek(): Promise<readonly unknown[]> {
    const content = await readFile(this.path).catch(() => undefined);
    return content === undefined ? [] : parseLog(content, this.#format).records;
  }

  /**
   * Adds a record. Resolves when it is on disk.
   * @throws system errors; the record is then not there
   */
  async append(record: unknown): Promise<void> {
    await this.#try(async (log) => await log.append(record));
  }

  /** Adds a record with the next one; it is no loss if it is lost. */
  note(record: unknown): void {
    this.#log?.note(record);
  }

  /**
   * Replaces all records.
   * @param records asked for when all that was begun before is done
   * @throws system errors; the old file is then as it was
   */
  async rewrite(records: () => readonly unknown[]): Promise<void> {
    await this.#try(async (log) => await log.rewrite(records));
  }

  async close(): Promise<void> {
    await this.#log?.close();
    this.#log = undefined;
  }

  async #try(write: (log: RecordLog) => Promise<void>): Promise<void> {
    try {
      if (this.#log === undefined) await this.#open();
      if (this.#log !== undefined) await write(this.#log);
      this.#problem = undefined;
    } catch (error) {
      this.#remember(error);
      throw error;
    }
  }

  /** Those who come together must not open it each for himself. */
  #open(): Promise<readonly unknown[]> {
    this.#opening ??= this.#openNow().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #openNow(): Promise<readonly unknown[]> {
    await makeDirectory(dirname(this.path));
    const { log, records, damage } = await RecordLog.open(this.path, this.#format);
    this.#log = log;
    if (damage !== undefined) this.#onDamage(this.path, damage);
    return records;
  }

  #remember(error: unknown): void {
    this.#problem = `${this.path}: ${errnoOf(error) ?? messageOf(error)}`;
  }
}
