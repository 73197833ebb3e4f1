import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";

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

/**
 * Reads exactly `bytes` bytes of an open file and hashes them.
 * @throws FileChangedError if the file is shorter or longer than that; the signal's reason
 */
export async function readContent(
  file: FileHandle,
  bytes: number,
  signal: AbortSignal,
): Promise<Content> {
  if (bytes > BUFFERED_BYTES_MAX) {
    // S3 wants the checksum before the body, so a file that does not fit in memory is read twice.
    const sha256 = await hashPieces(readPieces(file, bytes, signal));
    return { sha256, body: () => provenPieces(file, bytes, sha256, signal) };
  }
  const buffer = Buffer.allocUnsafe(bytes);
  let filled = 0;
  for await (const piece of readPieces(file, bytes, signal, buffer)) filled += piece.length;
  if (filled !== bytes) throw new FileChangedError("it is shorter than it was");
  return { sha256: createHash("sha256").update(buffer).digest("hex"), body: () => buffer };
}

/**
 * Hashes exactly `bytes` bytes of an open file.
 * @returns the SHA-256, in hexadecimal
 * @throws FileChangedError if the file is shorter or longer than that; the signal's reason
 */
export async function hashContent(
  file: FileHandle,
  bytes: number,
  signal: AbortSignal,
): Promise<string> {
  return await hashPieces(readPieces(file, bytes, signal));
}

async function hashPieces(pieces: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
}

/**
 * The pieces of the file, the last one held back until the digest over all of them is the expected
 * one: a file that changed between the two readings never becomes a whole object.
 */
async function* provenPieces(
  file: FileHandle,
  bytes: number,
  sha256: string,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const hash = createHash("sha256");
  let last: Buffer | undefined;
  for await (const piece of readPieces(file, bytes, signal)) {
    hash.update(piece);
    if (last !== undefined) yield last;
    last = piece;
  }
  if (hash.digest("hex") !== sha256) throw new FileChangedError("its content is another");
  if (last !== undefined) yield last;
}

/**
 * Reads by position, so that nobody else's use of the descriptor matters, and looks for one more
 * byte at the end.
 * @param into where the pieces go; undefined: into a new buffer each, since a sent one is in use
 */
async function* readPieces(
  file: FileHandle,
  bytes: number,
  signal: AbortSignal,
  into?: Buffer,
): AsyncGenerator<Buffer> {
  let position = 0;
  while (position < bytes) {
    signal.throwIfAborted();
    const length = Math.min(CHUNK_BYTES, bytes - position);
    const target = into?.subarray(position, position + length) ?? Buffer.allocUnsafeSlow(length);
    const { bytesRead } = await file.read(target, 0, length, position);
    if (bytesRead === 0) throw new FileChangedError("it is shorter than it was");
    position += bytesRead;
    yield target.subarray(0, bytesRead);
  }
  const { bytesRead } = await file.read(Buffer.allocUnsafe(1), 0, 1, bytes);
  if (bytesRead !== 0) throw new FileChangedError("it is longer than it was");
}
