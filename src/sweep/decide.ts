import { type Entry, pathText } from "./entry.ts";
import { OBJECT_BYTES_MAX } from "./part-plan.ts";

/** What to do with one entry, and why. */
export type Decision =
  | { readonly action: "transfer"; readonly settledAt: number }
  | { readonly action: "wait"; readonly reason: WaitReason; readonly settledAt: number }
  | {
      readonly action: "defer";
      /** Why it failed when it was tried last. */
      readonly reason: string;
      readonly settledAt: number;
      /** When it is tried again, in wall-clock milliseconds. */
      readonly dueAt: number;
    }
  | { readonly action: "keep"; readonly reason: KeepReason; readonly settledAt: number }
  | { readonly action: "ignore"; readonly reason: IgnoreReason };

export type WaitReason =
  /** It changed less than the settle age ago. */
  | "young"
  /** Its time lies ahead of the clock: nobody knows its age. */
  | "future"
  /** The clock is known to run steadily for less than the settle age: nobody knows any age. */
  | "clock-set";

export type KeepReason =
  /** S3 takes no larger object. */
  "too-large";

export type IgnoreReason =
  /** A symbolic link, FIFO, socket or device: never opened, never followed. */
  | "not-regular"
  /** A name that a filesystem or this agent uses for its own ends. */
  | "reserved-name"
  /** The settings `include` and `exclude` say so. */
  | "excluded";

/** What the settings say about entries. */
export interface Policy {
  readonly settleMs: number;
  /** Whether the settings `include` and `exclude` select this path, given as `pathText` has it. */
  isSelected(path: string): boolean;
  /** The object key of the entry. */
  keyOf(entry: Entry): string;
}

/** What is known of the time, in wall-clock milliseconds. */
export interface Moment {
  readonly now: number;
  /** Since when the wall clock is known to have run steadily. */
  readonly steadySince: number;
}

/** What is known of earlier tries of the same file, unchanged since. */
export interface FailedBefore {
  readonly reason: string;
  /** When the next try is due, in wall-clock milliseconds. */
  readonly dueAt: number;
}

/** NFS and FUSE keep removed but open files under such names; `.s3oa-` names are this agent's. */
const RESERVED_NAME = /(^|\/)\.(nfs|fuse_hidden|s3oa-)[^/]*$/;

/**
 * Decides what happens to one entry. Pure: the same facts at the same time have the same answer.
 * The first line that applies decides:
 *
 * | entry                                              | decision                |
 * |----------------------------------------------------|-------------------------|
 * | not a regular file                                 | ignore not-regular      |
 * | `.nfs*`, `.fuse_hidden*`, `.s3oa-*`                | ignore reserved-name    |
 * | not selected by include and exclude                | ignore excluded         |
 * | mtime or ctime ahead of the clock                  | wait future             |
 * | now - max(mtime, ctime) < settle age               | wait young              |
 * | now - steadySince < settle age                     | wait clock-set          |
 * | larger than any object                             | keep too-large          |
 * | failed before, and its next try is not due         | defer                   |
 * | otherwise                                          | transfer                |
 */
export function decide(
  entry: Entry,
  policy: Policy,
  { now, steadySince }: Moment,
  failedBefore?: FailedBefore,
): Decision {
  if (entry.type !== "file") return { action: "ignore", reason: "not-regular" };
  const path = pathText(entry.path);
  if (RESERVED_NAME.test(path)) return { action: "ignore", reason: "reserved-name" };
  if (!policy.isSelected(path)) return { action: "ignore", reason: "excluded" };

  const changedAtMs = changedAt(entry);
  const settledAt = changedAtMs + policy.settleMs;
  if (changedAtMs > now) return { action: "wait", reason: "future", settledAt };
  if (now < settledAt) return { action: "wait", reason: "young", settledAt };
  const provedAt = steadySince + policy.settleMs;
  if (now < provedAt) return { action: "wait", reason: "clock-set", settledAt: provedAt };
  if (entry.fingerprint.bytes > OBJECT_BYTES_MAX) {
    return { action: "keep", reason: "too-large", settledAt };
  }
  if (failedBefore !== undefined && now < failedBefore.dueAt) {
    return { action: "defer", settledAt, ...failedBefore };
  }
  return { action: "transfer", settledAt };
}

/**
 * The later of mtime and ctime, in milliseconds. A program can set mtime to any time it likes, as
 * `cp -p`, `mv` and `touch -d` do; ctime is the kernel's own.
 */
export function changedAt(entry: Entry): number {
  const { mtimeNs, ctimeNs } = entry.fingerprint;
  return Number(mtimeNs > ctimeNs ? mtimeNs : ctimeNs) / 1e6;
}
