import { type FileHandle, open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { replaceFile, syncDirectory, writeFileAtomically } from "./atomic-file.ts";
import { checksumOf } from "./checksum.ts";
import { isErrno } from "./errors.ts";

/** What a log's first line says of the rest. */
export interface RecordFormat {
  readonly format: string;
  /** Raised only when an older agent could not read the file correctly. */
  readonly version: number;
}

/** What was found wrong with a log's file when it was opened. The file itself was set aside. */
export interface DamagedLog {
  readonly reason: string;
  readonly setAsideAs: string;
}

/** A log as it was opened, with what stood in it. */
export interface OpenedLog {
  readonly log: RecordLog;
  /** Every record that is whole, in the order of writing. They come from outside: check them. */
  readonly records: readonly unknown[];
  readonly damage: DamagedLog | undefined;
}

/** A larger file is no log of ours: they are compacted long before. */
const FILE_BYTES_MAX = 256 * 2 ** 20;

interface Waiting {
  readonly line: string;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * An append-only file of JSON records that survives power cuts. Each line is the CRC-32 of its JSON
 * in eight hexadecimal digits, a space, and the JSON; the first one names the format. INVARIANTS:
 *
 * - `append` resolves only when the record is on disk; records that come together share one sync.
 * - `append` and `rewrite` may be called by many at once. A rewrite asks for its records when its
 *   turn has come: what was appended until then is in the old file, what comes later in the new one.
 * - Lines are written behind the last one that was synced, and a write that failed half-way is cut
 *   off: it leaves nothing in the middle, and none of its records comes back.
 * - A torn last line was never acknowledged and is cut off. Anything else that cannot be read is
 *   set aside under another name, never deleted, and the whole records are kept.
 */
export class RecordLog {
  readonly #path: string;
  readonly #format: RecordFormat;
  #file: FileHandle;
  /** Up to where the file is known to be on disk, in bytes. */
  #bytes: number;
  #queue: Waiting[] = [];
  #busy: Promise<void> = Promise.resolve();
  #isFlushing = false;

  /**
   * Opens a log, or makes it.
   * @throws system errors
   */
  static async open(path: string, format: RecordFormat): Promise<OpenedLog> {
    const content = await readIfThere(path);
    const read = content === undefined ? undefined : parseLog(content, format);
    let damage: DamagedLog | undefined;
    const reason = read?.reason;
    const records = read?.records ?? [];
    if (read === undefined || reason !== undefined) {
      // On a full disk this fails before anything was moved: the damaged file stays in its place.
      await writeFileAtomically(path, textOf(format, records), async () => {
        if (reason !== undefined) damage = { reason, setAsideAs: await setAside(path) };
      });
    }
    const file = await open(path, "r+");
    const log = new RecordLog(path, format, file);
    try {
      // Without damage a torn last line is cut off here; positions, not O_APPEND, say where to write.
      log.#bytes = damage === undefined && read ? read.bytes : (await file.stat()).size;
      await file.truncate(log.#bytes);
    } catch (error) {
      await file.close();
      throw error;
    }
    return { log, records, damage };
  }

  private constructor(path: string, format: RecordFormat, file: FileHandle) {
    this.#path = path;
    this.#format = format;
    this.#file = file;
    this.#bytes = 0;
  }

  /** The size of the file, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Adds a record. Resolves when it is on disk.
   * @throws system errors; the record is then not there, and the next one may succeed
   */
  append(record: unknown): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#queue.push({ line: lineOf(record), resolve, reject });
    if (!this.#isFlushing) {
      this.#isFlushing = true;
      this.#busy = this.#busy.then(() => this.#flush());
    }
    return promise;
  }

  /** Adds a record with the next one that is appended, or at the end. It is no loss if it is lost. */
  note(record: unknown): void {
    this.#queue.push({ line: lineOf(record), resolve: () => {}, reject: () => {} });
  }

  /**
   * Replaces all records.
   * @param records asked for when all that was begun before is done
   * @throws system errors; the old file is then as it was
   */
  async rewrite(records: () => readonly unknown[]): Promise<void> {
    const done = this.#busy.then(async () => {
      const content = Buffer.from(textOf(this.#format, records()));
      await replaceFile(this.#path, content, {
        onReplaced: async (file) => {
          const replaced = this.#file;
          this.#file = file;
          this.#bytes = content.length;
          await replaced.close().catch(() => undefined);
        },
      });
    });
    this.#busy = done.catch(() => undefined);
    await done;
  }

  /** Writes what was noted and closes the file. Never throws for what was only noted. */
  async close(): Promise<void> {
    await this.#busy;
    await this.#flush();
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue;
      this.#queue = [];
      try {
        const bytes = Buffer.from(batch.map(({ line }) => line).join(""));
        await writeAll(this.#file, bytes, this.#bytes);
        await this.#file.datasync();
        this.#bytes += bytes.length;
        for (const { resolve } of batch) resolve();
      } catch (error) {
        // If it cannot be cut off now, the next line goes over it.
        await this.#file.truncate(this.#bytes).catch(() => undefined);
        for (const { reject } of batch) reject(error);
      }
    }
    this.#isFlushing = false;
  }
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, written, undefined, position + written);
    written += bytesWritten;
  }
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
  try {
    const { size } = await file.stat();
    return size > FILE_BYTES_MAX ? Buffer.alloc(1) : await file.readFile();
  } finally {
    await file.close();
  }
}

/**
 * Renames a file that cannot be used to a free name beside it.
 * @returns its new path
 */
export async function setAside(path: string): Promise<string> {
  for (let number = 1; ; number += 1) {
    const target = `${path}.set-aside-${number}`;
    try {
      await (await open(target, "wx", 0o600)).close();
    } catch (error) {
      if (isErrno(error, "EEXIST")) continue;
      throw error;
    }
    await rename(path, target);
    await syncDirectory(dirname(path));
    return target;
  }
}

interface ParsedLog {
  readonly records: readonly unknown[];
  /** Up to the end of the last whole line. */
  readonly bytes: number;
  /** Why the file cannot be used as it is; undefined: it can. */
  readonly reason: string | undefined;
}

/** Reads a log's content. Pure. */
export function parseLog(content: Buffer, format: RecordFormat): ParsedLog {
  const bytes = content.lastIndexOf("\n") + 1;
  const [first = "", ...lines] = content.subarray(0, bytes).toString("utf8").split("\n");
  const header = parseLine(first)?.record as Partial<RecordFormat> | null | undefined;
  const refuse = (reason: string): ParsedLog => ({ records: [], bytes: 0, reason });
  if (header?.format !== format.format) return refuse("it is no file of this kind");
  if (header.version !== format.version) {
    return refuse(`its version is ${header.version}, this agent reads ${format.version}`);
  }
  lines.pop(); // What follows the last line end.
  const parsed = lines.map(parseLine);
  const records = parsed.filter((line) => line !== undefined).map(({ record }) => record);
  const damaged = lines.length - records.length;
  const reason =
    damaged === 0 ? undefined : `${damaged} of its ${lines.length} records are damaged`;
  return { records, bytes, reason };
}

function parseLine(line: string): { readonly record: unknown } | undefined {
  const json = line.slice(9);
  if (line.slice(0, 9) !== `${checksumOf(json)} `) return undefined;
  try {
    return { record: JSON.parse(json) };
  } catch {
    return undefined;
  }
}

function textOf(format: RecordFormat, records: readonly unknown[]): string {
  return [format, ...records].map(lineOf).join("");
}

function lineOf(record: unknown): string {
  const json = JSON.stringify(record);
  return `${checksumOf(json)} ${json}\n`;
}
