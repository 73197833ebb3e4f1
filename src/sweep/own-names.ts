/**
 * The names that the agent itself gives to files in the watched directory. All of them begin with
 * `.s3oa-`; a producer's name never does. Pure.
 */

/** Where files go that fail again and again: a directory in the watched one, same tree below it. */
export const QUARANTINE = Buffer.from(".s3oa-quarantine");

/**
 * Where files go for the moment before their removal if their own directory has no room for one
 * more name. Made beforehand: on a full disk it could not be.
 */
export const ASIDE_DIRECTORY = Buffer.from(".s3oa-aside");

const OWN = Buffer.from(".s3oa-");

/** Linux takes names of up to 255 bytes (NAME_MAX, <linux/limits.h>). */
const NAME_BYTES_MAX = 255;
/** `.s3oa-`, 16 digits and a sign. */
const ASIDE_PREFIX_BYTES = OWN.length + 17;
/** No file was ever called `.` or `..`: who puts these behind it means another place. */
const ASIDE = /^\.s3oa-[0-9a-f]{16}([-~])(?!\.{0,2}$)/s;

/**
 * The name under which a file stands aside, in the same directory, for the moment before its
 * removal: `.s3oa-<16 hex digits>-<name>`, or `.s3oa-<16 hex digits>~<beginning of the name>` if
 * the name is too long for that.
 * @param random 8 random bytes
 */
export function asideName(name: Buffer, random: Buffer): Buffer {
  const room = NAME_BYTES_MAX - ASIDE_PREFIX_BYTES;
  const sign = isTooLongForAside(name) ? "~" : "-";
  const prefix = Buffer.from(`.s3oa-${random.toString("hex")}${sign}`);
  return Buffer.concat([prefix, name.subarray(0, room)]);
}

/** Whether an aside's name would hold only the beginning of this one. */
export function isTooLongForAside(name: Buffer): boolean {
  return name.length > NAME_BYTES_MAX - ASIDE_PREFIX_BYTES;
}

/** What an aside's name says of the name that the file had. */
export interface Aside {
  readonly name: Buffer;
  /** Only the beginning of it. */
  readonly isCut: boolean;
}

/** Reads an aside's name; undefined: it is none. */
export function parseAside(name: Buffer): Aside | undefined {
  if (!isOwnName(name)) return undefined;
  const sign = ASIDE.exec(name.toString("latin1"))?.[1];
  if (sign === undefined) return undefined;
  return { name: name.subarray(ASIDE_PREFIX_BYTES), isCut: sign === "~" };
}

/** How an aside is known among the active ones: by its name, which is random. */
export function activeKey(name: Buffer): string {
  return name.toString("latin1");
}

/** Whether the agent gave this name. */
export function isOwnName(name: Buffer): boolean {
  return name.subarray(0, OWN.length).equals(OWN);
}

const PROBE = Buffer.from(".s3oa-probe-");

/**
 * The name of an empty file by which `doctor` finds out what a directory allows. An agent at work
 * passes it by. @param random 8 random bytes
 */
export function probeName(random: Buffer): Buffer {
  return Buffer.concat([PROBE, Buffer.from(random.toString("hex"))]);
}

/** Whether `doctor` gave this name. */
export function isProbeName(name: Buffer): boolean {
  return name.subarray(0, PROBE.length).equals(PROBE);
}
