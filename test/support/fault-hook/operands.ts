import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { original } from "./originals.ts";

/**
 * What a call works on, as the path it leads to now. Each byte of a name is one character, so that
 * names that are not UTF-8 can be compared; `textOf` makes it readable.
 */
export type Operand = string;

/** "the working directory" in the place of a descriptor. */
const AT_FDCWD = -100;

const FD_PATH = /^\/proc\/(?:self|thread-self|\d+)\/fd\/(\d+)(\/.*)?$/s;

/** @returns where an open descriptor leads; undefined if it is not open, or has no name. */
export function operandOfFd(fd: number): Operand | undefined {
  if (fd === AT_FDCWD) return latin(process.cwd());
  if (!Number.isInteger(fd) || fd < 0) return undefined;
  try {
    const link = original.readlinkSync(`/proc/self/fd/${fd}`, { encoding: "buffer" });
    const path = link.toString("latin1");
    return path.startsWith("/") ? path.replace(/ \(deleted\)$/, "") : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param value a path (text, bytes, URL), which may go through `/proc/self/fd/N`, or a descriptor
 * @param directory what a relative path starts from
 */
export function operandOf(value: unknown, directory: number = AT_FDCWD): Operand | undefined {
  if (typeof value === "number") return operandOfFd(value);
  let path: string;
  if (typeof value === "string") path = latin(value);
  else if (value instanceof URL) path = latin(fileURLToPath(value));
  else if (value instanceof Uint8Array) path = Buffer.from(value).toString("latin1");
  else return undefined;
  // C strings in buffers end with a zero.
  path = path.replace(/\0.*$/s, "");
  const [, fd, rest = ""] = FD_PATH.exec(path) ?? [];
  if (fd !== undefined) {
    const start = operandOfFd(Number(fd));
    return start === undefined ? undefined : start + rest;
  }
  if (path.startsWith("/")) return posix.normalize(path);
  const start = operandOfFd(directory);
  return start === undefined ? undefined : posix.join(start, path);
}

/** @returns the operands of a kernel call, by what its first arguments are known to be. */
export function operandsOfKernelCall(
  name: string,
  args: readonly unknown[],
): (Operand | undefined)[] {
  const [first, second, third, fourth] = args;
  if (/^(renameat2?|linkat)$/.test(name)) {
    return [operandOf(second, Number(first)), operandOf(fourth, Number(third))];
  }
  if (/^(\w+at|\w+at2|statx)$/.test(name)) return [operandOf(second, Number(first))];
  return [operandOf(first)];
}

/** Whether an operand is one of the directories or below it. */
export function isUnder(operand: Operand, directories: readonly Operand[]): boolean {
  return directories.some((one) => operand === one || operand.startsWith(`${one}/`));
}

/** Text as an operand. */
export function latin(text: string): Operand {
  return Buffer.from(text).toString("latin1");
}

/** An operand as text; bytes that are not UTF-8 are replaced. */
export function textOf(operand: Operand): string {
  return Buffer.from(operand, "latin1").toString();
}
