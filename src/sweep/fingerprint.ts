import type { BigIntStats } from "node:fs";

/** The facts that tell whether a file is still the one, with the content, that we looked at. */
export interface Fingerprint {
  readonly device: bigint;
  readonly inode: bigint;
  readonly bytes: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** Takes the fingerprint from a `stat` with nanoseconds. */
export function fingerprintOf(stats: BigIntStats): Fingerprint {
  return {
    device: stats.dev,
    inode: stats.ino,
    bytes: stats.size,
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
  };
}

/** Whether both are of the same file, unchanged. */
export function isSameFingerprint(one: Fingerprint, other: Fingerprint): boolean {
  return (
    one.device === other.device &&
    one.inode === other.inode &&
    one.bytes === other.bytes &&
    one.mtimeNs === other.mtimeNs &&
    one.ctimeNs === other.ctimeNs
  );
}
