import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, rm, unlink, writeFile } from "node:fs/promises";
import type { IncomingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import { type Body, CONTENT_BYTES_MAX } from "./fake-s3-body.ts";
import { combineCrc32 } from "./fake-s3-crc32.ts";

/** A part of an upload, as the service has it. */
export interface UploadedPart {
  readonly size: number;
  readonly sha256: string;
  /** In quotes, as in the header. */
  readonly etag: string;
  /** Four bytes, big-endian. */
  readonly crc32: Buffer;
  readonly md5: Buffer;
  /** Where its bytes are, if it is not larger than 16 MiB. */
  readonly file: string | undefined;
}

/** A multipart upload that is neither completed nor aborted. */
export interface OpenUpload {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
  /** Those of the request that created it: what the object will be. */
  readonly headers: IncomingHttpHeaders;
  readonly parts: ReadonlyMap<number, UploadedPart>;
}

/** The multipart uploads of one fake S3. Parts are kept on disk: a test may send gigabytes. */
export class Uploads {
  readonly #open = new Map<string, OpenUpload & { readonly parts: Map<number, UploadedPart> }>();
  #directory: Promise<string> | undefined;
  #files = 0;

  create(bucket: string, key: string, headers: IncomingHttpHeaders): string {
    const uploadId = randomBytes(24).toString("base64url");
    this.#open.set(uploadId, { bucket, key, uploadId, headers, parts: new Map() });
    return uploadId;
  }

  /** @returns undefined if there is none of this bucket and key. */
  find(bucket: string, key: string, uploadId: string | undefined): OpenUpload | undefined {
    const upload = this.#open.get(uploadId ?? "");
    return upload?.bucket === bucket && upload.key === key ? upload : undefined;
  }

  list(bucket: string): readonly OpenUpload[] {
    return [...this.#open.values()].filter((upload) => upload.bucket === bucket);
  }

  /** Stores a part, if the upload is still open when its bytes are on disk. */
  async putPart(uploadId: string, partNumber: number, body: Body): Promise<UploadedPart> {
    const part: UploadedPart = {
      size: body.size,
      sha256: body.sha256.toString("hex"),
      etag: `"${body.md5.toString("hex")}"`,
      crc32: body.crc32,
      md5: body.md5,
      file: body.content && (await this.#write(body.content)),
    };
    const parts = this.#open.get(uploadId)?.parts;
    const before = parts?.get(partNumber);
    parts?.set(partNumber, part);
    await removeFile(before);
    return part;
  }

  /** Ends an upload and removes its parts. */
  async end(uploadId: string): Promise<void> {
    const upload = this.#open.get(uploadId);
    this.#open.delete(uploadId);
    await Promise.all([...(upload?.parts.values() ?? [])].map(removeFile));
  }

  /** Removes everything from the disk. */
  async clear(): Promise<void> {
    if (this.#directory !== undefined) await rm(await this.#directory, { recursive: true });
  }

  async #write(content: Buffer): Promise<string> {
    this.#directory ??= mkdtemp(`${tmpdir()}/fake-s3-`);
    this.#files += 1;
    const name = this.#files;
    const file = `${await this.#directory}/${name}`;
    await writeFile(file, content);
    return file;
  }
}

/**
 * What the service knows of an object made of these parts, one behind the other. If a part is
 * larger than 16 MiB nobody knows its SHA-256, which is then empty.
 */
export async function joinParts(parts: readonly UploadedPart[]): Promise<Body> {
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  const isKnown = parts.every(({ file }) => file !== undefined);
  const hash = createHash("sha256");
  const chunks: Buffer[] = [];
  for (const { file } of isKnown ? parts : []) {
    for await (const chunk of createReadStream(file ?? "") as AsyncIterable<Buffer>) {
      hash.update(chunk);
      if (size <= CONTENT_BYTES_MAX) chunks.push(chunk);
    }
  }
  const checksum = parts.reduce(
    (sum, part) => combineCrc32(sum, part.crc32.readUInt32BE(), part.size),
    0,
  );
  const crc32 = Buffer.alloc(4);
  crc32.writeUInt32BE(checksum);
  const md5 = createHash("md5");
  for (const part of parts) md5.update(part.md5);
  return {
    size,
    sha256: isKnown ? hash.digest() : Buffer.alloc(0),
    md5: md5.digest(),
    crc32,
    content: isKnown && size <= CONTENT_BYTES_MAX ? Buffer.concat(chunks) : undefined,
  };
}

async function removeFile(part: UploadedPart | undefined): Promise<void> {
  if (part?.file !== undefined) await unlink(part.file).catch(() => undefined);
}
