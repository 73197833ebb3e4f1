import { readFile, stat } from "node:fs/promises";

/** A process that holds an exclusive flock(2). */
export interface LockHolder {
  readonly pid: number;
  /** The lock is on this very file; else only the inode's number is the same, as on btrfs. */
  readonly isSameDevice: boolean;
}

/**
 * Who holds an exclusive flock(2) on a file or directory, as /proc/locks (proc_locks(5)) says it to
 * everybody. Takes no lock and opens nothing. Processes that this one cannot see are left out.
 * @throws system errors, ENOENT and EACCES among them
 */
export async function lockHolders(path: string): Promise<readonly LockHolder[]> {
  const { dev, ino } = await stat(path, { bigint: true });
  return parseLocks(await readFile("/proc/locks", "utf8"), { device: deviceText(dev), inode: ino });
}

/** Reads `1: FLOCK  ADVISORY  WRITE 24295 fe:00:9982411 0 EOF`, and passes by who waits (`1: ->`). Pure. */
export function parseLocks(
  text: string,
  file: { readonly device: string; readonly inode: bigint },
): readonly LockHolder[] {
  const held = /^\d+: FLOCK +\S+ +WRITE +(\d+) ([0-9a-f]+:[0-9a-f]+):(\d+) /gm;
  return [...text.matchAll(held)]
    .filter(([, , , inode]) => BigInt(inode ?? 0) === file.inode)
    .map(([, pid, device]) => ({ pid: Number(pid), isSameDevice: device === file.device }));
}

/** As the kernel writes a device there. The bits are those of gnu_dev_major(3) and gnu_dev_minor(3). */
export function deviceText(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n);
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
  const two = (part: bigint) => part.toString(16).padStart(2, "0");
  return `${two(major)}:${two(minor)}`;
}
