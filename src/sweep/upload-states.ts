import { createHash } from "node:crypto";
import { mkdir, readdir, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { syncDirectory } from "../lib/atomic-file.ts";
import { errnoOf, isErrno, messageOf } from "../lib/errors.ts";
import { type OpenedLog, RecordLog } from "../lib/record-log.ts";
import type { ObjectStore, StoreFailure } from "./object-store.ts";
import {
  type BegunUpload,
  completingRecord,
  createdRecord,
  fileRecord,
  isSameSubject,
  NO_PROGRESS,
  type ProvedObject,
  parseRecords,
  partRecord,
  provedRecord,
  type RecordedPart,
  type UploadProgress,
  type UploadSubject,
} from "./upload-records.ts";

const FORMAT = { format: "s3-offload-agent upload", version: 1 };
const SUFFIX = ".upload";

/** Something about a state that a person may want to know. The uploads go on all the same. */
export type StateProblem =
  /** A state could not be read. What it was is kept beside it; the upload starts over. */
  | { readonly kind: "damaged"; readonly file: string; readonly reason: string }
  /** A state cannot be written: this upload cannot go on after a restart. */
  | { readonly kind: "unwritable"; readonly file: string; readonly message: string }
  /** An upload stays in the store until the bucket's own rule removes it. */
  | { readonly kind: "not-aborted"; readonly key: string; readonly failure: StoreFailure };

/** A state on disk, as it was read. */
export interface StoredState {
  readonly subject: UploadSubject;
  readonly progress: UploadProgress;
}

interface Found extends StoredState {
  readonly file: string;
}

/**
 * How far the uploads in parts have got, on disk: one record log for each, in a folder of their
 * own. Losing a state loses work and nothing else, so no trouble with one is an error. Each watched
 * directory has a folder to itself: whoever reads a log may cut it or set it aside, which nobody
 * may do to one that another sweep has open. Of one directory there is one sweep at a time.
 */
export class UploadStates {
  readonly #directory: string;
  readonly #onProblem: (problem: StateProblem) => void;
  /** The logs that are open here. */
  readonly #inUse = new Set<string>();

  constructor(options: {
    /** Made when it is needed. */
    readonly directory: string;
    readonly onProblem: (problem: StateProblem) => void;
  }) {
    this.#directory = options.directory;
    this.#onProblem = options.onProblem;
  }

  /**
   * Opens the state of an upload, or makes it. Nobody else may have the same one open.
   * @returns the state, and the uploads that were begun for what is not there any more
   */
  async open(
    subject: UploadSubject,
  ): Promise<{ readonly state: UploadState; readonly stale: StoredState | undefined }> {
    const file = this.#fileOf(subject.root, subject.path);
    this.#inUse.add(file);
    const opened = await this.#openLog(file);
    const found = opened === undefined ? undefined : this.#read(opened, file);
    const isUsable =
      found !== undefined && !found.isDamaged && isSameSubject(found.subject, subject);
    const state = new UploadState({
      subject,
      progress: isUsable ? found.progress : NO_PROGRESS,
      log: opened?.log,
      remove: () => this.#remove(file),
      onUnwritable: (error) => this.#tellUnwritable(file, error),
      onClosed: () => this.#inUse.delete(file),
    });
    return { state, stale: isUsable ? undefined : found };
  }

  /** Removes the state of a file that needs none any longer, as when it has been removed. */
  async forget(root: Buffer, path: Buffer): Promise<void> {
    await this.#remove(this.#fileOf(root, path));
  }

  /** All states of a watched directory on disk but those that are open here. */
  async list(root: Buffer): Promise<readonly StoredState[]> {
    return (await this.#list(root)).map(({ subject, progress }) => ({ subject, progress }));
  }

  /**
   * Ends the uploads of a watched directory that nobody will go on with, in the store and on disk.
   * @param options.root real path of the watched directory
   * @param options.isCurrent whether the file is still there, unchanged, and to be uploaded to there; it
   *   must say yes to what it knows nothing of
   * @returns how many uploads were ended
   * @throws the signal's reason, and what `isCurrent` throws
   */
  async abortOrphans(options: {
    readonly root: Buffer;
    readonly store: ObjectStore;
    readonly isCurrent: (subject: UploadSubject) => boolean | Promise<boolean>;
    readonly signal: AbortSignal;
  }): Promise<number> {
    let ended = 0;
    for (const { file, subject, progress } of await this.#list(options.root)) {
      options.signal.throwIfAborted();
      if (this.#inUse.has(file) || (await options.isCurrent(subject))) continue;
      if (!(await this.abort({ ...options, subject, progress }))) continue;
      await this.#remove(file);
      ended += 1;
    }
    return ended;
  }

  /**
   * Ends an upload in the store.
   * @returns whether its state may go: it is ended, or it is no use to try again
   * @throws the signal's reason
   */
  async abort(options: {
    readonly store: ObjectStore;
    readonly subject: UploadSubject;
    readonly progress: UploadProgress;
    readonly signal: AbortSignal;
  }): Promise<boolean> {
    const { begun } = options.progress;
    if (begun === undefined) return true;
    const { key, uploadId } = begun;
    const { destination } = options.subject;
    const answer = await options.store.abortUpload({
      destination,
      key,
      uploadId,
      signal: options.signal,
    });
    if (answer.kind !== "failed") return true;
    if (answer.failure.kind !== "permanent") return false;
    this.#onProblem({ kind: "not-aborted", key, failure: answer.failure });
    return true;
  }

  async #list(root: Buffer): Promise<Found[]> {
    const found: Found[] = [];
    const folder = this.#folderOf(root);
    for (const name of await namesIn(folder)) {
      const file = join(folder, name);
      if (!name.endsWith(SUFFIX) || this.#inUse.has(file)) continue;
      const opened = await this.#openLog(file);
      if (opened === undefined) continue;
      const read = this.#read(opened, file);
      await opened.log.close();
      if (read === undefined) await this.#remove(file);
      else found.push({ file, subject: read.subject, progress: read.progress });
    }
    return found;
  }

  async #openLog(file: string): Promise<OpenedLog | undefined> {
    try {
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      return await RecordLog.open(file, FORMAT);
    } catch (error) {
      this.#tellUnwritable(file, error);
      return undefined;
    }
  }

  /** What stands in a log; undefined if that is nothing. */
  #read(opened: OpenedLog, file: string) {
    const { records, damage } = opened;
    const parsed = parseRecords(records);
    const reason =
      damage?.reason ??
      (parsed === undefined && records.length > 0 ? "unknown records" : undefined);
    if (reason !== undefined) this.#onProblem({ kind: "damaged", file, reason });
    return parsed && { ...parsed, isDamaged: reason !== undefined };
  }

  #folderOf(root: Buffer): string {
    return join(this.#directory, hashOf(root));
  }

  #fileOf(root: Buffer, path: Buffer): string {
    return join(this.#folderOf(root), `${hashOf(path)}${SUFFIX}`);
  }

  async #remove(file: string): Promise<void> {
    try {
      await unlink(file);
      await syncDirectory(dirname(file));
    } catch (error) {
      if (!isErrno(error, "ENOENT")) this.#tellUnwritable(file, error);
    }
  }

  #tellUnwritable(file: string, error: unknown): void {
    if (errnoOf(error) === undefined) throw error;
    this.#onProblem({ kind: "unwritable", file, message: messageOf(error) });
  }
}

interface StateOptions {
  readonly subject: UploadSubject;
  readonly progress: UploadProgress;
  readonly log: RecordLog | undefined;
  readonly remove: () => Promise<void>;
  readonly onUnwritable: (error: unknown) => void;
  readonly onClosed: () => void;
}

/** The state of one upload. It is written before it counts, as far as it can be written. */
export class UploadState {
  readonly #options: StateOptions;
  #log: RecordLog | undefined;
  #hasFailed = false;

  /** Made by UploadStates. */
  constructor(options: StateOptions) {
    this.#options = options;
    this.#log = options.log;
  }

  get subject(): UploadSubject {
    return this.#options.subject;
  }

  /** How far it had got when it was opened. */
  get progress(): UploadProgress {
    return this.#options.progress;
  }

  /** Another upload has been begun: what stood here before is of no use. */
  async begin(begun: BegunUpload): Promise<void> {
    await this.#rewrite(createdRecord(begun));
  }

  /** A part has been acknowledged. */
  async addPart(part: RecordedPart): Promise<void> {
    await this.#write((log) => log.append(partRecord(part)));
  }

  /** A completion is about to be sent. */
  async completing(): Promise<void> {
    await this.#write((log) => log.append(completingRecord()));
  }

  /** The object is there. It stands here until the file has been removed. */
  async proved(proved: ProvedObject): Promise<void> {
    await this.#rewrite(provedRecord(proved));
  }

  /** Removes the state from the disk. It can be used on, but nothing is written any more. */
  async delete(): Promise<void> {
    await this.#endLog();
    await this.#options.remove();
  }

  /** Ends the use of it; on disk it stays. */
  async close(): Promise<void> {
    await this.#endLog();
    this.#options.onClosed();
  }

  async #rewrite(record: unknown): Promise<void> {
    const isWritten = await this.#write((log) =>
      log.rewrite(() => [fileRecord(this.#options.subject), record]),
    );
    // Parts of this upload must never stand behind the name of the one before.
    if (!isWritten && this.#log !== undefined) await this.delete();
  }

  async #write(work: (log: RecordLog) => Promise<void>): Promise<boolean> {
    if (this.#log === undefined) return false;
    try {
      await work(this.#log);
      return true;
    } catch (error) {
      if (!this.#hasFailed) this.#options.onUnwritable(error);
      this.#hasFailed = true;
      return false;
    }
  }

  async #endLog(): Promise<void> {
    const log = this.#log;
    this.#log = undefined;
    await log?.close();
  }
}

/** A name for any bytes: 128 bits of their SHA-256. */
function hashOf(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 32);
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return []; // Nothing is there, or nothing to be had: the bucket's own rule ends the uploads.
  }
}
