import type { StateFile } from "../lib/state-file.ts";
import { escapePath, unescapePath } from "./escape-path.ts";
import type { Fingerprint } from "./fingerprint.ts";
import { leadsDown } from "./path-bytes.ts";

/** A file whose bytes S3 has acknowledged, and which is still on disk as far as is known. */
export interface Uploaded {
  /** Real path of the watched directory. */
  readonly root: string;
  /** Relative to it: what the file was called when it was uploaded. */
  readonly path: Buffer;
  readonly inode: bigint;
  readonly bytes: bigint;
  readonly mtimeNs: bigint;
  /** Of the content, in hexadecimal. */
  readonly sha256: string;
  readonly bucket: string;
  /** Under which the bytes are. */
  readonly key: string;
}

/** Raised only when an older agent could not read the file correctly. */
export const LEDGER_FORMAT = { format: "s3-offload-agent ledger", version: 1 } as const;

/** What is forgotten beyond this is uploaded once more, at one object more at the most. */
const UPLOADED_MAX = 50_000;
/** A file of less than this is not worth the writing. */
const COMPACT_BYTES_MIN = 2 ** 20;
/** About what one record takes. */
const RECORD_BYTES = 400;

/**
 * What is in the bucket already, although the file is still there: written down between the upload
 * and the removal, so that neither a crash nor a file that cannot be removed leads to an upload on
 * every sweep. It saves work and is never the reason for a removal: whoever finds a file here reads
 * and hashes it again, and only the same content goes on from there.
 */
export class Ledger {
  readonly #file: StateFile;
  readonly #uploaded = new Map<string, Uploaded>();

  /**
   * @param records what stands in the file
   */
  static of(file: StateFile, records: readonly unknown[]): Ledger {
    const ledger = new Ledger(file);
    for (const record of records) ledger.#read(record);
    return ledger;
  }

  private constructor(file: StateFile) {
    this.#file = file;
  }

  /** How many files are known to be uploaded and not removed. */
  get size(): number {
    return this.#uploaded.size;
  }

  /** What is known of a file with these facts, whatever it is called now. */
  find(
    root: string,
    facts: Pick<Fingerprint, "inode" | "bytes" | "mtimeNs">,
  ): Uploaded | undefined {
    return this.#uploaded.get(keyOf({ ...facts, root }));
  }

  /** All files known to be uploaded and not removed. */
  list(): Iterable<Uploaded> {
    return this.#uploaded.values();
  }

  /**
   * Writes down that a file was uploaded. Resolves when that is on disk; it is known to this
   * process in any case.
   * @throws system errors if it cannot be written
   */
  async add(uploaded: Uploaded): Promise<void> {
    this.#remember(uploaded);
    await this.#file.append(toRecord(uploaded));
  }

  /** The file is gone, or is another one by now. */
  drop(uploaded: Uploaded): void {
    const key = keyOf(uploaded);
    if (this.#uploaded.delete(key)) this.#file.note({ dropped: key });
  }

  /** Leaves only what is still of use in the file, if that is worth it. @throws system errors */
  async compact(): Promise<void> {
    const needed = this.#uploaded.size * RECORD_BYTES;
    if (this.#file.bytes < COMPACT_BYTES_MIN + 2 * needed) return;
    // Others may add while this waits for its turn: what they were told is on disk must stay there.
    await this.#file.rewrite(() => [...this.#uploaded.values()].map(toRecord));
  }

  #remember(uploaded: Uploaded): void {
    const key = keyOf(uploaded);
    this.#uploaded.delete(key);
    this.#uploaded.set(key, uploaded);
    const [oldest] = this.#uploaded.keys();
    if (this.#uploaded.size > UPLOADED_MAX && oldest !== undefined) this.#uploaded.delete(oldest);
  }

  #read(record: unknown): void {
    if (typeof record !== "object" || record === null) return;
    if ("dropped" in record && typeof record.dropped === "string") {
      this.#uploaded.delete(record.dropped);
      return;
    }
    const uploaded = fromRecord(record);
    if (uploaded !== undefined) this.#remember(uploaded);
  }
}

function keyOf(facts: Pick<Uploaded, "root" | "inode" | "bytes" | "mtimeNs">): string {
  return `${facts.inode}:${facts.bytes}:${facts.mtimeNs}:${facts.root}`;
}

function toRecord(uploaded: Uploaded): Record<string, string> {
  const { path, inode, bytes, mtimeNs, ...rest } = uploaded;
  return {
    ...rest,
    path: escapePath(path),
    inode: String(inode),
    bytes: String(bytes),
    mtimeNs: String(mtimeNs),
  };
}

/** Reads what may have been written by anybody. */
function fromRecord(record: object): Uploaded | undefined {
  const text = (name: string): string => {
    const value: unknown = (record as Record<string, unknown>)[name];
    return typeof value === "string" ? value : "";
  };
  const [inode, bytes, mtimeNs] = ["inode", "bytes", "mtimeNs"].map(text);
  const isWhole =
    [inode, bytes, mtimeNs].every((number) => /^-?\d{1,30}$/.test(number ?? "")) &&
    /^[0-9a-f]{64}$/.test(text("sha256")) &&
    ["root", "path", "bucket", "key"].every((name) => text(name) !== "");
  const path = unescapePath(text("path"));
  if (!isWhole || !leadsDown(path)) return undefined;
  return {
    root: text("root"),
    path,
    inode: BigInt(inode ?? 0),
    bytes: BigInt(bytes ?? 0),
    mtimeNs: BigInt(mtimeNs ?? 0),
    sha256: text("sha256"),
    bucket: text("bucket"),
    key: text("key"),
  };
}
