import type { BigIntStats } from "node:fs";
import { escapePath } from "./escape-path.ts";
import { type Fingerprint, fingerprintOf } from "./fingerprint.ts";

/** What a name stands for; only a `file` is ever opened. */
export type EntryType = "file" | "link" | "fifo" | "socket" | "device";

/** One name in the watched directory, with what `lstat` said of it. */
export interface Entry {
  /**
   * What it is called: the path relative to the watched directory from which its key is made, as
   * the bytes the kernel gave (names need not be UTF-8).
   */
  readonly path: Buffer;
  /** Where it is: the same, unless the agent itself has renamed it. */
  readonly at: Buffer;
  readonly type: EntryType;
  readonly fingerprint: Fingerprint;
}

/** Makes the entry of what a `stat` with nanoseconds said. */
export function entryOf(path: Buffer, stats: BigIntStats, at = path): Entry {
  return { path, at, type: typeOf(stats), fingerprint: fingerprintOf(stats) };
}

/**
 * A path as text for people, log records and globs: the same as in its key, and never ambiguous.
 * A file is opened by its bytes, not by this.
 */
export function pathText(path: Buffer): string {
  return escapePath(path);
}

function typeOf(stats: BigIntStats): EntryType {
  if (stats.isFile()) return "file";
  if (stats.isSymbolicLink()) return "link";
  if (stats.isFIFO()) return "fifo";
  return stats.isSocket() ? "socket" : "device";
}
