import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { crc32 } from "node:zlib";

/** What the service knows of a body that it has read. */
export interface Body {
  /** In bytes. */
  readonly size: number;
  readonly sha256: Buffer;
  readonly md5: Buffer;
  /** Four bytes, big-endian, as in `x-amz-checksum-crc32`. */
  readonly crc32: Buffer;
  /** The bytes themselves, if there are at most 16 MiB of them. */
  readonly content: Buffer | undefined;
}

/** Larger bodies are known by size and checksums only, so that a test can send gigabytes. */
export const CONTENT_BYTES_MAX = 16 * 2 ** 20;

/**
 * Reads the body of a request, whatever its length.
 * @param onBytes is told how many bytes have been read; when it answers false, reading ends.
 * @param contentBytesMax of a larger body, the bytes are not kept
 * @returns undefined if reading or the connection ended before the whole body was there.
 */
export async function readBody(
  request: IncomingMessage,
  onBytes: (size: number) => boolean,
  contentBytesMax = CONTENT_BYTES_MAX,
): Promise<Body | undefined> {
  const digest = new BodyDigest(contentBytesMax);
  try {
    // The connection must survive an early return: how it ends is the caller's choice.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      digest.add(chunk);
      if (!onBytes(digest.size)) return undefined;
    }
  } catch {
    return undefined;
  }
  return digest.end();
}

/** @returns what the service would know of these bytes. */
export function bodyOf(content: Buffer): Body {
  const digest = new BodyDigest(CONTENT_BYTES_MAX);
  digest.add(content);
  return digest.end();
}

class BodyDigest {
  size = 0;
  #chunks: Buffer[] = [];
  #crc32 = 0;
  readonly #sha256 = createHash("sha256");
  readonly #md5 = createHash("md5");
  readonly #contentBytesMax: number;

  constructor(contentBytesMax: number) {
    this.#contentBytesMax = contentBytesMax;
  }

  add(chunk: Buffer): void {
    this.size += chunk.length;
    this.#crc32 = crc32(chunk, this.#crc32);
    this.#sha256.update(chunk);
    this.#md5.update(chunk);
    if (this.size > this.#contentBytesMax) this.#chunks = [];
    else this.#chunks.push(chunk);
  }

  end(): Body {
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32BE(this.#crc32);
    return {
      size: this.size,
      sha256: this.#sha256.digest(),
      md5: this.#md5.digest(),
      crc32: checksum,
      content: this.size > this.#contentBytesMax ? undefined : Buffer.concat(this.#chunks),
    };
  }
}
