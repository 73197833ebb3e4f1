import { crc32 } from "node:zlib";
import type {
  CompleteUploadAnswer,
  CompleteUploadRequest,
  PutPartAnswer,
  PutPartRequest,
  StoreFailure,
} from "../../src/sweep/object-store.ts";
import { crc32Text } from "../../src/sweep/read-file.ts";

/** A body that a store has taken in. */
export interface Received {
  readonly bytes: number;
  readonly sha256: string;
  /** In base64. */
  readonly crc32: string;
  /** Empty if the store keeps no bytes. */
  readonly content: Buffer;
}

interface Part extends Received {
  readonly etag: string;
}

interface OpenUpload {
  readonly key: string;
  readonly parts: Map<number, Part>;
}

/** The uploads in parts of a MemoryStore. */
export class MemoryUploads {
  readonly open = new Map<string, OpenUpload>();
  /** Ids of completed uploads with the answer, which S3 gives again for a while. */
  readonly completed = new Map<string, CompleteUploadAnswer>();
  /** False: a completion that is sent again is told that there is no such upload. */
  repeatsAnswers = true;
  #created = 0;

  takeOver(other: MemoryUploads): void {
    for (const [id, { key, parts }] of other.open)
      this.open.set(id, { key, parts: new Map(parts) });
    for (const [id, answer] of other.completed) this.completed.set(id, answer);
    this.repeatsAnswers = other.repeatsAnswers;
    this.#created = other.#created;
  }

  create(key: string): string {
    this.#created += 1;
    const uploadId = `upload-${this.#created}`;
    this.open.set(uploadId, { key, parts: new Map() });
    return uploadId;
  }

  putPart(request: PutPartRequest, received: Received): PutPartAnswer {
    const upload = this.open.get(request.uploadId);
    if (upload === undefined || upload.key !== request.key) return { kind: "gone" };
    const etag = `"${received.sha256.slice(0, 32)}"`;
    upload.parts.set(request.partNumber, { ...received, etag });
    return { kind: "stored", etag, crc32: received.crc32 };
  }

  complete(request: CompleteUploadRequest, objects: Map<string, Buffer>): CompleteUploadAnswer {
    const upload = this.open.get(request.uploadId);
    if (upload === undefined || upload.key !== request.key) {
      const answer = this.repeatsAnswers ? this.completed.get(request.uploadId) : undefined;
      return answer ?? { kind: "gone" };
    }
    const parts: Part[] = [];
    for (const [index, { partNumber, etag, crc32: checksum }] of request.parts.entries()) {
      const part = upload.parts.get(partNumber);
      if (part?.etag !== etag || part.crc32 !== checksum) return refused("InvalidPart");
      if (partNumber !== index + 1) return refused("InvalidPartOrder");
      parts.push(part);
    }
    const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
    if (bytes !== request.bytes) return refused("InvalidRequest");
    const content = Buffer.concat(parts.map((part) => part.content));
    // A store that keeps no bytes takes the caller's word for the whole.
    const whole = content.length === bytes ? crc32Text(crc32(content)) : request.crc32;
    if (whole !== request.crc32) return refused("BadDigest");
    if (objects.has(request.key) && !request.mayOverwrite) return { kind: "taken" };
    objects.set(request.key, content);
    this.open.delete(request.uploadId);
    const answer = { kind: "stored", crc32: whole, versionId: undefined } as const;
    this.completed.set(request.uploadId, answer);
    return answer;
  }

  /** @returns whether there was such an upload */
  abort(uploadId: string): boolean {
    return this.open.delete(uploadId);
  }
}

function refused(code: string): { readonly kind: "failed"; readonly failure: StoreFailure } {
  const failure = {
    kind: "permanent",
    code,
    message: "No",
    isRetryable: false,
    scope: "file",
  } as const;
  return { kind: "failed", failure };
}
