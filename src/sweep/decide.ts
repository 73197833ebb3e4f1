import type { Entry } from "./entry.ts";
import { OBJECT_BYTES_MAX } from "./part-plan.ts";

/** What to do with one entry, and why. */
export type Decision =
  | { readonly action: "transfer"; readonly settledAt: number }
  | { readonly action: "wait"; readonly reason: WaitReason; readonly settledAt: number }
  | { readonly action: "keep"; readonly reason: KeepReason; readonly settledAt: number }
  | { readonly action: "ignore"; readonly reason: IgnoreReason };

export type WaitReason =
  /** It changed less than the settle age ago. */
  | "young"
  /** Its time lies ahead of the clock: nobody knows its age. */
  | "future";

export type KeepReason =
  /** S3 takes no object of more than 50 TB. */
  | "too-large"
  /** S3 cannot carry the name as it is. */
  | "unsupported-name";

export type IgnoreReason =
  /** A directory, symbolic link, FIFO, socket or device: never opened, never followed. */
  | "not-regular"
  /** A name that a filesystem or this agent uses for its own ends. */
  | "reserved-name"
  /** The settings `include` and `exclude` say so. */
  | "excluded";

/** What decides besides the entry itself. */
export interface Policy {
  readonly settleMs: number;
  /** Whether the settings `include` and `exclude` select this path. */
  isSelected(path: string): boolean;
  /** The object key of the entry, or undefined if S3 cannot carry it. */
  keyOf(entry: Entry): string | undefined;
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
 * | more than 50 TB                                    | keep too-large          |
 * | no valid object key                                | keep unsupported-name   |
 * | otherwise                                          | transfer                |
 *
 * @param now wall-clock milliseconds
 */
export function decide(entry: Entry, policy: Policy, now: number): Decision {
  if (!entry.isRegular) return { action: "ignore", reason: "not-regular" };
  const path = entry.path.toString("utf8");
  if (RESERVED_NAME.test(path)) return { action: "ignore", reason: "reserved-name" };
  if (!policy.isSelected(path)) return { action: "ignore", reason: "excluded" };

  const changedAtMs = changedAt(entry);
  const settledAt = changedAtMs + policy.settleMs;
  if (changedAtMs > now) return { action: "wait", reason: "future", settledAt };
  if (now < settledAt) return { action: "wait", reason: "young", settledAt };
  if (entry.fingerprint.bytes > OBJECT_BYTES_MAX) {
    return { action: "keep", reason: "too-large", settledAt };
  }
  if (policy.keyOf(entry) === undefined) {
    return { action: "keep", reason: "unsupported-name", settledAt };
  }
  return { action: "transfer", settledAt };
}

/**
 * The later of mtime and ctime, in milliseconds. A program can set mtime to any time it likes, as
 * `cp -p`, `mv` and `touch -d` do; ctime is the kernel's own.
 */
function changedAt(entry: Entry): number {
  const { mtimeNs, ctimeNs } = entry.fingerprint;
  return Number(mtimeNs > ctimeNs ? mtimeNs : ctimeNs) / 1e6;
}
