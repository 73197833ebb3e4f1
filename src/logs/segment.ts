import { createHash } from "node:crypto";
import { checksumOf } from "../lib/checksum.ts";
import { EVENT_OVERHEAD_BYTES, type LogEvent } from "./batch.ts";

/**
 * A segment of the spool is a text file, `<number of its first record>.log`. Its first line names
 * the format; every other one is a record:
 *
 *     <CRC-32 of the rest, 8 hexadecimal digits> <number> <wall-clock milliseconds> <message>
 *
 * Numbers run on from segment to segment, so a record that cannot be read is missed by its number:
 * what is lost is counted exactly, whatever else happened to the file.
 */
const SEGMENT_FORMAT = "s3-offload-agent spool";
/** Raised only when an older agent could not read the file correctly. */
export const SEGMENT_VERSION = 1;

/** The first line is shorter. */
export const HEADER_BYTES_MAX = 128;

/** Digits of a number in a name, so that names sort as numbers do: 2^53 has no more. */
const NUMBER_DIGITS = 16;
const NAME = new RegExp(`^(\\d{${NUMBER_DIGITS}})\\.log$`);
const OWNER_DIGITS = 12;
const HEADER = new RegExp(`^${SEGMENT_FORMAT} (\\d{1,9})(?: ([0-9a-f]{${OWNER_DIGITS}}))?(?: |$)`);
const LINE_END = 0x0a;
/** A number and a time are never longer than this. */
const PREFIX_BYTES_MAX = 64;

/** What a line, and the first one of a segment, have more than a batch counts for a record, at most. */
const LINE_BYTES_MORE = 64;

/** What records take in a segment, at most. */
export function bytesOnDisk(events: readonly LogEvent[]): number {
  return events.reduce((sum, { bytes }) => sum + bytes + LINE_BYTES_MORE, 0);
}

/** The name of the segment that begins with this record. */
export function segmentName(first: number): string {
  return `${String(first).padStart(NUMBER_DIGITS, "0")}.log`;
}

/** The number of a segment's first record; undefined: it is no segment's name. */
export function firstOf(name: string): number | undefined {
  const [, digits] = NAME.exec(name) ?? [];
  const first = Number(digits);
  return digits !== undefined && Number.isSafeInteger(first) ? first : undefined;
}

/** The first line of a segment. @param owner whose records they are: a log group's name */
export function segmentHeader(owner: string): string {
  return checked(`${SEGMENT_FORMAT} ${SEGMENT_VERSION} ${ownerMark(owner)}`);
}

/** Says of a segment whose it is, in a line that is short whatever the owner's name. */
export function ownerMark(owner: string): string {
  return createHash("sha256").update(owner).digest("hex").slice(0, OWNER_DIGITS);
}

/** A record as a line. A message is one line: JSON has no raw line ends. */
export function recordLine(number: number, { timestamp, message }: LogEvent): string {
  return checked(`${number} ${timestamp} ${message}`);
}

/** What the first line of a segment says. */
export interface SegmentHeader {
  readonly version: number;
  /** See `ownerMark`. Undefined: a newer version says it otherwise. */
  readonly owner: string | undefined;
}

/** Reads the first line of a segment. @returns undefined: it is damaged */
export function headerOf(start: Buffer): SegmentHeader | undefined {
  const end = start.indexOf(LINE_END);
  const text = end < 0 ? undefined : verified(start.subarray(0, end))?.toString();
  const [, version, owner] = HEADER.exec(text ?? "") ?? [];
  return version === undefined ? undefined : { version: Number(version), owner };
}

/** One line of a segment. */
export interface SegmentLine {
  /** Where it ends, in bytes from the start of the text. */
  readonly end: number;
  /** Undefined: it is damaged, or no record. */
  readonly record: { readonly number: number; readonly event: LogEvent } | undefined;
}

/** Reads the lines of a part of a segment, the torn last one too. */
export function* segmentLines(text: Buffer): Generator<SegmentLine> {
  for (let start = 0; start < text.length; ) {
    const found = text.indexOf(LINE_END, start);
    const end = found < 0 ? text.length : found;
    yield { end: end + 1, record: found < 0 ? undefined : recordOf(text.subarray(start, end)) };
    start = end + 1;
  }
}

function recordOf(line: Buffer): SegmentLine["record"] {
  const content = verified(line);
  if (content === undefined) return undefined;
  const head = content.toString("latin1", 0, PREFIX_BYTES_MAX);
  const [prefix, number, timestamp] = /^(\d{1,16}) (\d{1,16}) /.exec(head) ?? [];
  if (prefix === undefined) return undefined;
  const message = content.toString("utf8", prefix.length);
  const bytes = content.length - prefix.length + EVENT_OVERHEAD_BYTES;
  return { number: Number(number), event: { timestamp: Number(timestamp), message, bytes } };
}

/** What stands behind a checksum that is right. */
function verified(line: Buffer): Buffer | undefined {
  const content = line.subarray(9);
  if (line.toString("latin1", 0, 9) !== `${checksumOf(content)} `) return undefined;
  return content;
}

function checked(content: string): string {
  return `${checksumOf(content)} ${content}\n`;
}
