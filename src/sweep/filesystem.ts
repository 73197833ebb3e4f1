import { statfs } from "node:fs/promises";

/** What kind of filesystem a directory lies in. */
export interface Filesystem {
  readonly name: string;
  /**
   * What a read lease says there: `proof`, nobody writes; `hint`, nobody does who comes the same way,
   * but another may; `none`, nothing, not even its refusal.
   */
  readonly leases: "proof" | "hint" | "none";
}

/** Where a lease is a proof, by statfs(2)'s magic numbers (<linux/magic.h>). */
const WITH_LEASES: ReadonlyMap<number, string> = new Map([
  [0xef53, "ext4"],
  [0x58465342, "xfs"],
  [0x9123683e, "btrfs"],
  [0x01021994, "tmpfs"],
]);

/** Its leases know nothing of who writes to a layer itself; in containers hardly anybody does. */
const WITH_HINTS: ReadonlyMap<number, string> = new Map([[0x794c7630, "overlayfs"]]);

/**
 * Others that people have; only for their names. Leases are not asked for there: FUSE grants them
 * although the files may be written to elsewhere, NFSv4 and CIFS refuse them for reasons of their
 * own.
 */
const WITHOUT_LEASES: ReadonlyMap<number, string> = new Map([
  [0x65735546, "fuse"],
  [0x6969, "nfs"],
  [0xff534d42, "cifs"],
  [0xfe534d42, "smb2"],
  [0x01021997, "9p"],
  [0x2fc12fc1, "zfs"],
  [0xf2f52010, "f2fs"],
  [0x4d44, "vfat"],
]);

/** The filesystem of an open directory. */
export async function filesystemOf(fd: number): Promise<Filesystem> {
  const { type } = await statfs(`/proc/self/fd/${fd}`);
  const proof = WITH_LEASES.get(type);
  if (proof !== undefined) return { name: proof, leases: "proof" };
  const hint = WITH_HINTS.get(type);
  if (hint !== undefined) return { name: hint, leases: "hint" };
  return { name: WITHOUT_LEASES.get(type) ?? `0x${type.toString(16)}`, leases: "none" };
}

/** Room in a filesystem, for users without privileges. */
export interface FreeSpace {
  readonly bytes: number;
  /** Of all its blocks, in hundredths of a percent at the finest. */
  readonly percent: number;
}

/**
 * The room in the filesystem of a path, for those who are not root.
 * @returns undefined if it cannot be told, or the filesystem has no size of its own
 */
export async function freeSpaceOf(path: string): Promise<FreeSpace | undefined> {
  const { bavail, blocks, bsize } = await statfs(path).catch(() => NO_SIZE);
  if (blocks === 0) return undefined;
  return { bytes: bavail * bsize, percent: Math.round((bavail / blocks) * 10_000) / 100 };
}

const NO_SIZE = { bavail: 0, blocks: 0, bsize: 0 } as const;
