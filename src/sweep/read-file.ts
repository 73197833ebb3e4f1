import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { crc32 } from "node:zlib";

/** Above this a file is not held in memory as a whole but read twice: to hash it, then to send it. */
export const BUFFERED_BYTES_MAX = 4 * 2 ** 20;

const CHUNK_BYTES = 2 ** 20;

/** The file is not, or not any longer, what was looked at. Nothing may be concluded from its bytes. */
export class FileChangedError extends Error {
  constructor(what: string) {
    super(`the file changed while it was read: ${what}`);
    this.name = "FileChangedError";
  }
}

/** The content of a file: its digest, and a body for each attempt to send it. */
export interface Content {
  /** In hexadecimal. */
  readonly sha256: string;
  /** The bytes again; in pieces if the file is large. */
  body(): Buffer | AsyncIterable<Buffer>;
}

/** Some bytes of a file. */
export interface ByteRange {
  /** Where they begin, from 0. */
  readonly start: number;
  readonly bytes: number;
}

/** A part of a file: its digests, and a body for each attempt to send it. */
export interface PartContent extends Content {
  /** Four bytes, big-endian, in base64. */
  readonly crc32: string;
}

/**
 * Reads exactly `bytes` bytes of an open file and hashes them.
 * @param onPiece hears of each piece that was read
 * @throws FileChangedError if the file is shorter or longer than that; the signal's reason
 */
export async function readContent(
  file: FileHandle,
  bytes: number,
  signal: AbortSignal,
  onPiece?: () => void,
): Promise<Content> {
  const range = { start: 0, bytes };
  const endsAt = bytes;
  // S3 wants the checksum before the body, so a file that does not fit in memory is read twice.
  const held = bytes <= BUFFERED_BYTES_MAX ? Buffer.allocUnsafe(bytes) : undefined;
  return await readPart(file, range, { held, endsAt, signal, ...(onPiece && { onPiece }) });
}

/**
 * Hashes exactly `bytes` bytes of an open file.
 * @param onPiece hears of each piece that was read
 * @returns the SHA-256, in hexadecimal
 * @throws FileChangedError if the file is shorter or longer than that; the signal's reason
 */
export async function hashContent(
  file: FileHandle,
  bytes: number,
  signal: AbortSignal,
  onPiece?: () => void,
): Promise<string> {
  const range = { start: 0, bytes };
  const options = { held: undefined, endsAt: bytes, signal, ...(onPiece && { onPiece }) };
  return (await readPart(file, range, options)).sha256;
}

/**
 * Reads a part of an open file and hashes it.
 * @param options `held`: memory for all of its bytes; without, they are read again for each body;
 *   `endsAt`: where the file must end, if the part reaches so far; `onPiece` is shown all bytes in
 *   order and keeps none
 * @throws FileChangedError if the file is shorter, or longer than `endsAt`; the signal's reason
 */
export async function readPart(
  file: FileHandle,
  range: ByteRange,
  options: {
    readonly held: Buffer | undefined;
    readonly endsAt: number;
    readonly signal: AbortSignal;
    readonly onPiece?: (piece: Buffer) => void;
  },
): Promise<PartContent> {
  const { held, endsAt, signal } = options;
  const chunk = Buffer.allocUnsafeSlow(held ? 0 : Math.min(CHUNK_BYTES, range.bytes));
  const target: Target = (offset, length) =>
    held?.subarray(offset, offset + length) ?? chunk.subarray(0, length);
  const hash = createHash("sha256");
  let checksum = 0;
  for await (const piece of readPieces(file, range, { target, endsAt, signal })) {
    hash.update(piece);
    checksum = crc32(piece, checksum);
    options.onPiece?.(piece);
  }
  const sha256 = hash.digest("hex");
  return {
    sha256,
    crc32: crc32Text(checksum),
    body: () => held ?? provenPieces(file, range, { sha256, endsAt, signal }),
  };
}

/** A CRC-32 as S3 writes it: four bytes, big-endian, in base64. */
export function crc32Text(checksum: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(checksum);
  return bytes.toString("base64");
}

/**
 * The pieces of the file, the last one held back until the digest over all of them is the expected
 * one: a file that changed between the two readings never becomes a whole object.
 */
async function* provenPieces(
  file: FileHandle,
  range: ByteRange,
  options: { readonly sha256: string; readonly endsAt: number; readonly signal: AbortSignal },
): AsyncGenerator<Buffer> {
  const hash = createHash("sha256");
  let last: Buffer | undefined;
  // A new buffer for each piece, since a sent one is in use.
  const target: Target = (_, length) => Buffer.allocUnsafeSlow(length);
  for await (const piece of readPieces(file, range, { ...options, target })) {
    hash.update(piece);
    if (last !== undefined) yield last;
    last = piece;
  }
  if (hash.digest("hex") !== options.sha256) throw new FileChangedError("its content is another");
  if (last !== undefined) yield last;
}

/** Gives the buffer for the next bytes, `offset` bytes behind the start of the range. */
type Target = (offset: number, length: number) => Buffer;

/**
 * Reads by position, so that nobody else's use of the descriptor matters, and looks for one more
 * byte where the file must end.
 */
async function* readPieces(
  file: FileHandle,
  { start, bytes }: ByteRange,
  options: { readonly target: Target; readonly endsAt: number; readonly signal: AbortSignal },
): AsyncGenerator<Buffer> {
  let offset = 0;
  while (offset < bytes) {
    options.signal.throwIfAborted();
    const length = Math.min(CHUNK_BYTES, bytes - offset);
    const target = options.target(offset, length);
    const { bytesRead } = await file.read(target, 0, length, start + offset);
    if (bytesRead === 0) throw new FileChangedError("it is shorter than it was");
    offset += bytesRead;
    yield target.subarray(0, bytesRead);
  }
  if (start + bytes < options.endsAt) return;
  const { bytesRead } = await file.read(Buffer.allocUnsafe(1), 0, 1, options.endsAt);
  if (bytesRead !== 0) throw new FileChangedError("it is longer than it was");
}
