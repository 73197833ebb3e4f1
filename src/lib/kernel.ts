import koffi from "koffi";

/**
 * The kernel calls that Node lacks. The only file that knows how they are made: koffi calls libc.
 */
const libc = koffi.load("libc.so.6");

const flock: (fd: number, operation: number) => number = libc.func("int flock(int, int)");

/** flock(2): exclusive, and fail at once instead of waiting. */
const LOCK_EX_NB = 2 | 4;

/**
 * Takes an exclusive flock(2) on an open file or directory. The kernel drops it when the
 * descriptor closes, so it dies with its process however that ends.
 * @returns false if somebody else holds it
 * @throws Error if the kernel refuses for any other reason (a filesystem without locks, ENOLCK)
 */
export function tryLock(fd: number): boolean {
  if (flock(fd, LOCK_EX_NB) === 0) return true;
  const errno = koffi.errno();
  if (errno === koffi.os.errno["EWOULDBLOCK"] || errno === koffi.os.errno["EAGAIN"]) return false;
  throw new Error(`flock: the kernel answered errno ${errno}`);
}
