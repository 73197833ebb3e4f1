import { statfs } from "node:fs/promises";

/** What kind of filesystem a directory lies in. */
export interface Filesystem {
  readonly name: string;
  /** Whether a read lease there means that nobody writes. */
  readonly hasLeases: boolean;
}

/**
 * Where a lease is worth something, by statfs(2)'s magic numbers (<linux/magic.h>). Elsewhere it is
 * not asked for: overlayfs and FUSE grant it although another layer may be written to, NFSv4 and
 * CIFS refuse it for reasons of their own.
 */
const WITH_LEASES: ReadonlyMap<number, string> = new Map([
  [0xef53, "ext4"],
  [0x58465342, "xfs"],
  [0x9123683e, "btrfs"],
  [0x01021994, "tmpfs"],
]);

/** Others that people have; only for their names. */
const WITHOUT_LEASES: ReadonlyMap<number, string> = new Map([
  [0x794c7630, "overlayfs"],
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
  const leased = WITH_LEASES.get(type);
  const name = leased ?? WITHOUT_LEASES.get(type) ?? `0x${type.toString(16)}`;
  return { name, hasLeases: leased !== undefined };
}
