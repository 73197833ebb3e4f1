import { closeSync } from "node:fs";
import { constants } from "node:os";
import koffi from "koffi";

/**
 * The kernel calls that Node lacks. The only file that knows how they are made: koffi calls libc.
 * All of them are short and made on the main thread; none of them waits for another process.
 */
const libc = koffi.load("libc.so.6");

const flock: (fd: number, operation: number) => number = libc.func("int flock(int, int)");
// fcntl is variadic in C; on x86-64 and arm64 Linux an int travels the same way in both forms.
const fcntl: (fd: number, command: number, argument: number) => number = libc.func(
  "int fcntl(int, int, int)",
);
const renameat2: (fromFd: number, from: Buffer, toFd: number, to: Buffer, flags: number) => number =
  libc.func("int renameat2(int, const uint8_t *, int, const uint8_t *, unsigned int)");
const clockGettime: (clock: number, result: BigInt64Array) => number = libc.func(
  "int clock_gettime(int, int64_t *)",
);
const socket: (domain: number, type: number, protocol: number) => number = libc.func(
  "int socket(int, int, int)",
);
const sendto: (
  fd: number,
  bytes: Buffer,
  length: number,
  flags: number,
  address: Buffer,
  addressLength: number,
) => number = libc.func(
  "int64_t sendto(int, const uint8_t *, size_t, int, const uint8_t *, unsigned int)",
);
const prctl: (option: number, ...args: readonly [number, number, number, number]) => number =
  libc.func("int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)");

/** flock(2): exclusive, and fail at once instead of waiting. */
const LOCK_EX_NB = 2 | 4;
/** fcntl(2), from <linux/fcntl.h>. */
const F_SETLEASE = 1024;
const F_GETLEASE = 1025;
const F_RDLCK = 0;
const F_UNLCK = 2;
/** renameat2(2): fail with EEXIST rather than replace what has the name. */
const RENAME_NOREPLACE = 1;
/** clock_gettime(2): never set, and goes on while the machine sleeps. */
const CLOCK_BOOTTIME = 7;
/** socket(2): datagrams between processes of this host; no child inherits the descriptor. */
const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
/** send(2): never wait for the reader, and no signal if he is gone. */
const MSG_DONTWAIT_NOSIGNAL = 0x40 | 0x4000;
/** unix(7): how many bytes of an address are its name. */
const SUN_PATH_BYTES = 108;
/** prctl(2), from <linux/prctl.h>. */
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;

const ERRNO_NAMES: ReadonlyMap<number, string> = new Map(
  // EAGAIN and EWOULDBLOCK are one number; the first name wins.
  Object.entries(constants.errno)
    .reverse()
    .map(([name, number]) => [number, name]),
);

/**
 * Takes an exclusive flock(2) on an open file or directory. The kernel drops it when the
 * descriptor closes, so it dies with its process however that ends.
 * @returns false if somebody else holds it
 * @throws Error with the system's code if the kernel refuses for any other reason (a filesystem
 *   without locks, ENOLCK)
 */
export function tryLock(fd: number): boolean {
  if (flock(fd, LOCK_EX_NB) === 0) return true;
  const code = lastErrno();
  if (code === "EAGAIN" || code === "EWOULDBLOCK") return false;
  throw systemError("flock", code);
}

/** What the kernel said to the wish for a read lease. */
export type LeaseAnswer =
  | { readonly kind: "held" }
  /** A process has the file open, or mapped, for writing. */
  | { readonly kind: "busy" }
  /** No lease is to be had here: another's file without CAP_LEASE (EACCES), or no such thing. */
  | { readonly kind: "refused"; readonly code: string };

/**
 * Asks for a read lease, fcntl(2) F_SETLEASE: granted only while nobody can write to the file, and
 * broken, with a SIGIO to this process, before anybody opens it for writing or truncates it. The
 * SIGIO handler must be there before: without one the signal ends the process.
 */
export function takeReadLease(fd: number): LeaseAnswer {
  if (fcntl(fd, F_SETLEASE, F_RDLCK) === 0) return { kind: "held" };
  const code = lastErrno();
  return code === "EAGAIN" || code === "EWOULDBLOCK" ? { kind: "busy" } : { kind: "refused", code };
}

/** Whether the read lease on this descriptor is still there and nobody waits for its end. */
export function holdsReadLease(fd: number): boolean {
  return fcntl(fd, F_GETLEASE, 0) === F_RDLCK;
}

/** Gives the lease up; whoever waits in open(2) goes on. */
export function releaseLease(fd: number): void {
  fcntl(fd, F_SETLEASE, F_UNLCK);
}

/** A name within an open directory. */
export interface NameAt {
  readonly fd: number;
  readonly name: Buffer;
}

/**
 * Renames without ever replacing anything, renameat2(2).
 * @throws Error with the system's code: EEXIST if `to` is taken, EINVAL where the filesystem knows
 *   no such rename, ENOENT, ENOSPC and so on
 */
export function renameExclusive(from: NameAt, to: NameAt): void {
  if (renameat2(from.fd, cString(from.name), to.fd, cString(to.name), RENAME_NOREPLACE) === 0)
    return;
  throw systemError("renameat2", lastErrno());
}

/** Milliseconds since boot, sleep included; nobody can set this clock. */
export function bootTimeMs(): number {
  const result = new BigInt64Array(2);
  if (clockGettime(CLOCK_BOOTTIME, result) !== 0) throw systemError("clock_gettime", lastErrno());
  const [seconds = 0n, nanoseconds = 0n] = result;
  return Number(seconds) * 1_000 + Number(nanoseconds) / 1e6;
}

/** Sends datagrams to one address of this host. */
export interface DatagramSender extends Disposable {
  /**
   * Hands a datagram to the kernel, at once or not at all.
   * @throws Error with the system's code: EAGAIN if the reader has not kept up, ECONNREFUSED or
   *   ENOENT if there is none
   */
  send(text: string): void;
}

/**
 * Opens a datagram socket, to be kept: a process that has run out of descriptors can still send.
 * @param address the path of a socket, or `@` and a name in the kernel's abstract namespace
 * @throws Error with the system's code; EINVAL if the address is neither, or too long for a socket
 */
export function openDatagramSender(address: string): DatagramSender {
  const name = Buffer.from(address);
  const isAbstract = address.startsWith("@");
  // A path ends with a zero, which must fit as well; an abstract name is all of its bytes.
  const room = isAbstract ? SUN_PATH_BYTES : SUN_PATH_BYTES - 1;
  const isName = isAbstract ? name.length > 1 : address.startsWith("/");
  if (!isName || name.length > room) throw systemError("socket address", "EINVAL");
  if (isAbstract) name[0] = 0;
  const family = Buffer.alloc(2);
  new Uint16Array(family.buffer, family.byteOffset, 1)[0] = AF_UNIX;
  const socketAddress = Buffer.concat([family, isAbstract ? name : cString(name)]);
  const fd = socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  if (fd < 0) throw systemError("socket", lastErrno());
  return {
    send(text) {
      const bytes = Buffer.from(text);
      const flags = MSG_DONTWAIT_NOSIGNAL;
      if (sendto(fd, bytes, bytes.length, flags, socketAddress, socketAddress.length) < 0)
        throw systemError("sendto", lastErrno());
    },
    [Symbol.dispose]: () => closeSync(fd),
  };
}

/**
 * Takes the ambient capabilities from this thread, which is the one that starts children: they
 * get none of what the service manager gave the agent. The agent keeps its own.
 * @throws Error with the system's code
 */
export function clearAmbientCapabilities(): void {
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) === 0) return;
  const code = lastErrno();
  // A kernel before Linux 4.3 has none to take.
  if (code !== "EINVAL") throw systemError("prctl", code);
}

function cString(name: Buffer): Buffer {
  return Buffer.concat([name, Buffer.of(0)]);
}

function lastErrno(): string {
  const errno = koffi.errno();
  return ERRNO_NAMES.get(errno) ?? `errno ${errno}`;
}

function systemError(call: string, code: string): Error {
  return Object.assign(new Error(`${code}: ${call} failed`), { code, syscall: call });
}
