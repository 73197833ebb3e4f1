import type { BigIntStats } from "node:fs";
import { escapePath } from "./escape-path.ts";
import { type Fingerprint, fingerprintOf } from "./fingerprint.ts";

/** One name in the watched directory, with what `lstat` said of it. */
export interface Entry {
  /** Path relative to the watched directory, as the bytes the kernel gave: names need not be UTF-8. */
  readonly path: Buffer;
  readonly isRegular: boolean;
  readonly fingerprint: Fingerprint;
}

/** Makes the entry of what a `stat` with nanoseconds said. */
export function entryOf(path: Buffer, stats: BigIntStats): Entry {
  return { path, isRegular: stats.isFile(), fingerprint: fingerprintOf(stats) };
}

/**
 * A path as text for people, log records and globs: the same as in its key, and never ambiguous.
 * A file is opened by its bytes, not by this.
 */
export function pathText(path: Buffer): string {
  return escapePath(path);
}
