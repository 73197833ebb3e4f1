import type { Random } from "../lib/backoff.ts";
import type { StateFile } from "../lib/state-file.ts";
import type { FailedBefore } from "./decide.ts";
import type { Entry } from "./entry.ts";
import { escapePath } from "./escape-path.ts";

/** What is known of one file that does not go. */
export interface Attempt {
  /** Real path of the watched directory. */
  readonly root: string;
  /** Where the file is, relative to it, escaped: two files that are called the same are two. */
  readonly path: string;
  readonly inode: string;
  /** Tells one state of a file from another: any change of it makes the file worth another try. */
  readonly state: string;
  /** When it was first seen and did not go, in wall-clock milliseconds. */
  readonly firstSeenAt: number;
  /** How often it failed in this state. */
  readonly failures: number;
  /** Of these, those in sweeps in which others succeeded: the fault was its own. */
  readonly counted: number;
  /** Of the last failure; empty: it has never failed, only waited. */
  readonly reason: string;
  readonly message: string;
  /** When the next try is due, in wall-clock milliseconds. */
  readonly dueAt: number;
  readonly isQuarantined: boolean;
}

export const ATTEMPTS_FORMAT = { format: "s3-offload-agent attempts", version: 1 } as const;

/**
 * Of one root, so that none takes what the others need. What does not fit is tried in every sweep,
 * as if it had never failed.
 */
export const ATTEMPTS_MAX = 4_096;
const BACKOFF_BASE_MS = 60_000;
const BACKOFF_CAP_MS = 6 * 3_600_000;

const NEVER_FAILED = { failures: 0, counted: 0, reason: "", message: "", dueAt: 0 } as const;

/**
 * Remembers the files that wait or fail, over restarts too: how long they have been there, how
 * often they failed, and when they are tried again. A file that has changed in any way, a chmod
 * included, begins anew. Sweeps of several roots may use it side by side, one of each.
 */
export class Attempts {
  readonly #file: StateFile;
  /** By root and path. */
  readonly #known = new Map<string, Map<string, Attempt>>();
  /** By root, the paths seen since the sweep of it began. */
  readonly #seen = new Map<string, Set<string>>();
  /** How many changes there were, and how many of them are on disk. */
  #changes = 0;
  #changesWritten = 0;

  /**
   * @param records what stands in the file
   */
  static of(file: StateFile, records: readonly unknown[]): Attempts {
    const attempts = new Attempts(file);
    for (const record of records) {
      const attempt = fromRecord(record);
      if (attempt !== undefined) attempts.#knownIn(attempt.root).set(attempt.path, attempt);
    }
    return attempts;
  }

  private constructor(file: StateFile) {
    this.#file = file;
  }

  /** All files that wait or fail, as far as they are known. */
  *list(): Iterable<Attempt> {
    for (const known of this.#known.values()) yield* known.values();
  }

  /** How many files of a root are in quarantine, and how many are in the bucket and cannot go. */
  count(root: string): { readonly quarantined: number; readonly undeletable: number } {
    let [quarantined, undeletable] = [0, 0];
    for (const { isQuarantined, reason } of this.#known.get(root)?.values() ?? []) {
      if (isQuarantined) quarantined += 1;
      else if (reason === "not-removable") undeletable += 1;
    }
    return { quarantined, undeletable };
  }

  /** What is known of a file, if it has not changed since. */
  find(root: string, entry: Entry): Attempt | undefined {
    const attempt = this.#known.get(root)?.get(escapePath(entry.at));
    return attempt?.state === stateOf(entry) ? attempt : undefined;
  }

  /** For `decide`: why the file failed in this very state, and when it is tried again. */
  failedBefore(root: string, entry: Entry, now: number): FailedBefore | undefined {
    const attempt = this.find(root, entry);
    if (attempt === undefined || attempt.reason === "") return undefined;
    // A clock that was set back must not hold a file for ever.
    const isSensible = attempt.dueAt - now <= BACKOFF_CAP_MS;
    return isSensible ? { reason: attempt.reason, dueAt: attempt.dueAt } : undefined;
  }

  /**
   * Notes that a file is there and does not go yet.
   * @returns for how long that has been so, in milliseconds
   */
  waits(root: string, entry: Entry, now: number): number {
    const firstSeenAt = this.#sameFile(root, entry)?.firstSeenAt ?? now;
    const { failures, counted, reason, message, dueAt } = this.find(root, entry) ?? NEVER_FAILED;
    const failed = { failures, counted, reason, message, dueAt };
    this.#set(root, entry, { firstSeenAt, ...failed, isQuarantined: false });
    return now - firstSeenAt;
  }

  /**
   * Notes that a file failed for a reason of its own. It is tried again in the next sweep; if it
   * fails then as well, after a pause that doubles from one minute to six hours, half of it random.
   */
  failed(
    root: string,
    entry: Entry,
    failure: { readonly reason: string; readonly message: string },
    { now, random }: { readonly now: number; readonly random: Random },
  ): Attempt {
    const known = this.#sameFile(root, entry);
    const before = this.find(root, entry);
    const failures = (before?.failures ?? 0) + 1;
    const doubled = BACKOFF_BASE_MS * 2 ** Math.min(failures - 2, 30);
    const range = failures === 1 ? 0 : Math.min(BACKOFF_CAP_MS, doubled);
    return this.#set(root, entry, {
      firstSeenAt: known?.firstSeenAt ?? now,
      failures,
      counted: (before?.counted ?? 0) + 1,
      ...failure,
      dueAt: now + Math.round((range / 2) * (1 + random())),
      isQuarantined: false,
    });
  }

  /** Failures count against a file only while others succeed: takes back one of a sweep without. */
  uncount(attempt: Attempt): void {
    const { root, path } = attempt;
    const known = this.#known.get(root)?.get(path);
    if (known === undefined) return;
    this.#knownIn(root).set(path, { ...known, counted: known.counted - 1 });
    this.#changes += 1;
  }

  /** Notes that a file was set aside. @param entry as it is now */
  quarantined(root: string, entry: Entry, attempt: Attempt): void {
    this.#delete(attempt.root, attempt.path);
    this.#set(root, entry, { ...attempt, isQuarantined: true });
  }

  /** The file is gone. */
  forget(root: string, entry: Entry): void {
    this.#delete(root, escapePath(entry.at));
  }

  /** The file is there as it was: it is not to be forgotten. */
  isThere(root: string, entry: Entry): void {
    const path = escapePath(entry.at);
    if (this.#known.get(root)?.has(path) === true) this.#seenIn(root).add(path);
  }

  /** Begins a sweep: what is not seen below `root` until its end is gone. */
  begin(root: string): void {
    this.#seen.set(root, new Set());
  }

  /**
   * Ends a sweep and writes everything down, what sweeps of other roots know so far as well.
   * @param isWhole whether it looked at everything below `root`
   * @throws system errors
   */
  async end(root: string, isWhole: boolean): Promise<void> {
    const seen = this.#seenIn(root);
    this.#seen.delete(root);
    for (const path of isWhole ? this.#knownIn(root).keys() : []) {
      if (!seen.has(path)) this.#delete(root, path);
    }
    await this.#write();
  }

  /**
   * Forgets the files in directories that nobody watches any more: nobody would find them gone. One
   * in quarantine stays for as long as it is there, since a person put none of it right yet.
   * @param roots the watched directories
   * @param isThere whether a file is in quarantine still
   * @throws system errors
   */
  async keepRoots(
    roots: readonly string[],
    isThere: (attempt: Attempt) => Promise<boolean>,
  ): Promise<void> {
    for (const attempt of [...this.list()]) {
      if (roots.includes(attempt.root)) continue;
      if (attempt.isQuarantined && (await isThere(attempt))) continue;
      this.#delete(attempt.root, attempt.path);
    }
    await this.#write();
  }

  async #write(): Promise<void> {
    if (this.#changes === this.#changesWritten) return;
    let changes = this.#changes;
    await this.#file.rewrite(() => {
      changes = this.#changes;
      return [...this.list()];
    });
    // Not those that came while it was written.
    this.#changesWritten = changes;
  }

  #knownIn(root: string): Map<string, Attempt> {
    return this.#known.getOrInsertComputed(root, () => new Map());
  }

  #delete(root: string, path: string): void {
    if (this.#known.get(root)?.delete(path) === true) this.#changes += 1;
  }

  #seenIn(root: string): Set<string> {
    return this.#seen.getOrInsertComputed(root, () => new Set());
  }

  /** The same file under the same name, whatever state it was in. */
  #sameFile(root: string, entry: Entry): Attempt | undefined {
    const known = this.#known.get(root)?.get(escapePath(entry.at));
    return known?.inode === String(entry.fingerprint.inode) ? known : undefined;
  }

  #set(
    root: string,
    entry: Entry,
    rest: Omit<Attempt, "root" | "path" | "inode" | "state">,
  ): Attempt {
    const path = escapePath(entry.at);
    const known = this.#knownIn(root);
    const inode = String(entry.fingerprint.inode);
    const attempt: Attempt = { ...rest, root, path, inode, state: stateOf(entry) };
    if (known.size < ATTEMPTS_MAX || known.has(path)) {
      this.#seenIn(root).add(path);
      known.set(path, attempt);
      this.#changes += 1;
    }
    return attempt;
  }
}

/** A path is not enough: its file may be another one, or have been mended. */
function stateOf({ fingerprint }: Entry): string {
  const { inode, bytes, mtimeNs, ctimeNs } = fingerprint;
  return `${inode}:${bytes}:${mtimeNs}:${ctimeNs}`;
}

/** Reads what may have been written by anybody. */
function fromRecord(record: unknown): Attempt | undefined {
  if (typeof record !== "object" || record === null) return undefined;
  const attempt = record as Record<string, unknown>;
  const isText = (name: string) => typeof attempt[name] === "string";
  const isNumber = (name: string) => Number.isFinite(attempt[name]);
  const isWhole =
    ["root", "path", "inode", "state", "reason", "message"].every(isText) &&
    ["firstSeenAt", "failures", "counted", "dueAt"].every(isNumber) &&
    typeof attempt["isQuarantined"] === "boolean";
  return isWhole ? (record as Attempt) : undefined;
}
