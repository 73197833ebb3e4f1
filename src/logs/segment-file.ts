import { constants } from "node:fs";
import { type FileHandle, open, stat, unlink } from "node:fs/promises";
import { isErrno } from "../lib/errors.ts";
import { segmentHeader, segmentLines } from "./segment.ts";

/** A larger file is none of ours: segments have a mebibyte, and one more record. */
export const SEGMENT_FILE_BYTES_MAX = 8 * 2 ** 20;

/** No link is followed, and whoever has put a FIFO there does not make us wait for its writer. */
const READ_ONLY = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** What a disk that fails cannot give is lost in pieces of this. */
const SECTOR_BYTES = 4_096;

/** Without a descriptor or memory to spare nothing can be said of what is on the disk. */
const NOT_NOW = ["EMFILE", "ENFILE", "ENOMEM"] as const;

/** A segment on disk. Written by one process, the one that made it, and read by others later. */
export class SegmentFile {
  readonly path: string;
  /** The number of its first record. */
  readonly first: number;
  /** The number behind its last record. */
  end: number;
  /** Up to here it was written. */
  bytes: number;
  #file: FileHandle | undefined;
  #isUnsynced = false;

  /** A segment that was found: it is only read. @param end the number behind its last record */
  static found(path: string, facts: { first: number; end: number; bytes: number }): SegmentFile {
    return new SegmentFile(path, facts, undefined);
  }

  /** Makes a segment. @param owner see segmentHeader @throws system errors; it is then not there */
  static async make(path: string, first: number, owner: string): Promise<SegmentFile> {
    const file = await open(path, "wx+", 0o600);
    const segment = new SegmentFile(path, { first, end: first, bytes: 0 }, file);
    try {
      await segment.#writeText(segmentHeader(owner));
    } catch (error) {
      await segment.remove().catch(() => undefined);
      throw error;
    }
    return segment;
  }

  private constructor(
    path: string,
    facts: { readonly first: number; readonly end: number; readonly bytes: number },
    file: FileHandle | undefined,
  ) {
    this.path = path;
    this.first = facts.first;
    this.end = facts.end;
    this.bytes = facts.bytes;
    this.#file = file;
  }

  /** Whether it is still there under its name: somebody may have removed or moved the whole spool. */
  async hasName(): Promise<boolean> {
    const named = await stat(this.path).catch(() => undefined);
    const own = await this.#file?.stat();
    return named !== undefined && named.ino === own?.ino && named.dev === own.dev;
  }

  /** Adds the lines of so many records. @throws system errors; none of them is then there */
  async write(lines: string, records: number): Promise<void> {
    await this.#writeText(lines);
    this.end += records;
  }

  async #writeText(text: string): Promise<void> {
    const file = this.#file;
    if (file === undefined) throw new Error(`${this.path} is closed`);
    const buffer = Buffer.from(text);
    try {
      for (let written = 0; written < buffer.length; ) {
        const at = this.bytes + written;
        written += (await file.write(buffer, written, undefined, at)).bytesWritten;
      }
    } catch (error) {
      // If it cannot be cut off now, the next lines go over it.
      await file.truncate(this.bytes).catch(() => undefined);
      throw error;
    }
    this.bytes += buffer.length;
    this.#isUnsynced = true;
  }

  /**
   * Reads from an offset to the end. What cannot be read is left out: the numbers tell of it.
   * @param bytesMax not more than this
   * @throws system errors that pass by themselves
   */
  async read(offset: number, bytesMax = Number.POSITIVE_INFINITY): Promise<Buffer> {
    const length = Math.min(bytesMax, Math.max(0, this.bytes - offset));
    try {
      if (this.#file !== undefined) return await readFrom(this.#file, offset, length);
      await using file = await open(this.path, READ_ONLY);
      return await readFrom(file, offset, length);
    } catch (error) {
      if (isErrno(error, ...NOT_NOW)) throw error;
      return Buffer.alloc(0);
    }
  }

  /** Makes what was written outlast a power cut. @throws system errors */
  async sync(): Promise<void> {
    if (!this.#isUnsynced) return;
    await this.#file?.datasync();
    this.#isUnsynced = false;
  }

  /** Nothing is written to it any more. What has no name is kept open, or nobody could read it. */
  async seal(): Promise<void> {
    await this.sync().catch(() => undefined);
    if (await this.hasName().catch(() => false)) await this.close();
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch(() => undefined);
  }

  /** Removes it. @throws system errors, but not if it is gone already */
  async remove(): Promise<void> {
    await this.close();
    try {
      await unlink(this.path);
    } catch (error) {
      if (!isErrno(error, "ENOENT", "ENOTDIR")) throw error;
    }
  }
}

/** What stands there, up to the end of the file. Of a bad sector only its own bytes are missing. */
async function readFrom(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let pieceBytes = length;
  let read = 0;
  while (read < length) {
    try {
      const piece = Math.min(pieceBytes, length - read);
      const { bytesRead } = await file.read(buffer, read, piece, offset + read);
      if (bytesRead === 0) break;
      read += bytesRead;
    } catch (error) {
      if (!isErrno(error, "EIO")) throw error;
      // Once more, in pieces; one that fails again stays zero.
      if (pieceBytes === SECTOR_BYTES) read = Math.min(length, read + SECTOR_BYTES);
      pieceBytes = SECTOR_BYTES;
    }
  }
  return buffer.subarray(0, read);
}

/**
 * The number behind the last record of a segment that an earlier process was writing. What is
 * damaged behind the last whole record counts as one record a line: it was begun, and is lost.
 */
export function endOf(content: Buffer, first: number): number {
  let end = first;
  let damaged = 0;
  let isHeader = true;
  for (const { record } of segmentLines(content)) {
    if (isHeader) isHeader = false;
    // More records than bytes: a line of another file.
    else if (record === undefined || record.number >= first + content.length) damaged += 1;
    else {
      end = Math.max(end, record.number + 1);
      damaged = 0;
    }
  }
  return end + damaged;
}
