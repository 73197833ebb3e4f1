import type { BigIntStats } from "node:fs";

/** The facts that tell whether a file is still the one, with the content, that we looked at. */
export interface Fingerprint {
  readonly device: bigint;
  readonly inode: bigint;
  readonly bytes: bigint;
  readonly mtimeNs: bigint;
  /** Changes with every rename and chmod, our own included: it tells ages, not contents. */
  readonly ctimeNs: bigint;
  /** How many names the file has. */
  readonly links: bigint;
}

/** Takes the fingerprint from a `stat` with nanoseconds. */
export function fingerprintOf(stats: BigIntStats): Fingerprint {
  return {
    device: stats.dev,
    inode: stats.ino,
    bytes: stats.size,
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
    links: stats.nlink,
  };
}

/**
 * Whether both are of the same file, its content unchanged as far as its facts tell. ctime plays no
 * part: the agent's own rename changes it.
 */
export function isSameContent(one: Fingerprint, other: Fingerprint): boolean {
  return (
    isSameFile(one, other) &&
    one.bytes === other.bytes &&
    one.mtimeNs === other.mtimeNs &&
    one.links === other.links
  );
}

/** Whether both are of one file, whatever became of its content. */
export function isSameFile(one: Fingerprint, other: Fingerprint): boolean {
  return one.device === other.device && one.inode === other.inode;
}
