/** Where to and how an object is written; the same for all files of a route. */
export interface Destination {
  readonly bucket: string;
  readonly storageClass: string;
  /** Empty: the bucket's default encryption. */
  readonly kmsKeyId: string;
  readonly tags: Readonly<Record<string, string>>;
  /** Empty: not checked. */
  readonly bucketOwner: string;
}

/** One object to store. */
export interface PutRequest {
  readonly destination: Destination;
  readonly key: string;
  readonly bytes: number;
  /** The content's SHA-256, in hexadecimal. */
  readonly sha256: string;
  /** All bytes at once, or in pieces that can be read once. */
  readonly body: Buffer | AsyncIterable<Buffer>;
  /** False: an object that is there under the key stays, and the answer is `taken`. */
  readonly mayOverwrite: boolean;
  readonly signal: AbortSignal;
}

/** What became of a put. */
export type PutAnswer =
  /** The store acknowledged an object and says whose bytes it holds. */
  | {
      readonly kind: "stored";
      readonly sha256: string | undefined;
      readonly versionId: string | undefined;
    }
  /** The key was taken before; nothing was written. */
  | { readonly kind: "taken" }
  | Failed;

/** One upload in parts to begin. */
export interface CreateUploadRequest {
  readonly destination: Destination;
  readonly key: string;
  readonly signal: AbortSignal;
}

export type CreateUploadAnswer = { readonly kind: "created"; readonly uploadId: string } | Failed;

/** An upload in parts that was begun. */
export interface UploadReference {
  readonly destination: Destination;
  readonly key: string;
  readonly uploadId: string;
  readonly signal: AbortSignal;
}

/** One part of an upload to store. */
export interface PutPartRequest extends UploadReference {
  /** From 1. */
  readonly partNumber: number;
  readonly bytes: number;
  /** The part's SHA-256, in hexadecimal. */
  readonly sha256: string;
  /** The part's CRC-32: four bytes, big-endian, in base64. */
  readonly crc32: string;
  /** All bytes at once, or in pieces that can be read once. */
  readonly body: Buffer | AsyncIterable<Buffer>;
}

export type PutPartAnswer =
  /** The store holds a part and says, if it does, what its CRC-32 is. */
  | { readonly kind: "stored"; readonly etag: string; readonly crc32: string | undefined }
  | Gone
  | Failed;

/** What a completion says of one part that was stored. */
export interface StoredPart {
  readonly partNumber: number;
  readonly etag: string;
  /** In base64. */
  readonly crc32: string;
}

/** An upload to make an object of. */
export interface CompleteUploadRequest extends UploadReference {
  /** All parts, in ascending order. */
  readonly parts: readonly StoredPart[];
  /** The size of the whole object. */
  readonly bytes: number;
  /** The CRC-32 of the whole object, in base64. */
  readonly crc32: string;
  /** False: an object that is there under the key stays, and the answer is `taken`. */
  readonly mayOverwrite: boolean;
}

export type CompleteUploadAnswer =
  /** The store acknowledged an object and says, if it does, what the CRC-32 of the whole is. */
  | {
      readonly kind: "stored";
      readonly crc32: string | undefined;
      readonly versionId: string | undefined;
    }
  /** The key is taken; nothing was written, and the upload is still open. */
  | { readonly kind: "taken" }
  | Gone
  /** Something else happened to the key meanwhile: every part must be uploaded again. */
  | { readonly kind: "conflict" }
  | Failed;

export type AbortUploadAnswer = { readonly kind: "aborted" } | Gone | Failed;

/** The store knows no such upload: it was completed or aborted before. */
export interface Gone {
  readonly kind: "gone";
}

export interface Failed {
  readonly kind: "failed";
  readonly failure: StoreFailure;
}

export interface StoreFailure {
  readonly kind: StoreFailureKind;
  /** The service's own code, such as `SlowDown`, or the system's, such as `ECONNRESET`. */
  readonly code: string;
  readonly message: string;
  /** Whether the same request may succeed if it is sent again soon. */
  readonly isRetryable: boolean;
  /** `service`: others would fail as well. `file`: this one alone. */
  readonly scope: "service" | "file";
}

export type StoreFailureKind =
  /** Refused: the request, the permissions or the destination must change first. */
  | "permanent"
  /** Too many requests. */
  | "throttled"
  /** The service failed or was not reached. */
  | "transient"
  /** No credentials were found, or the service does not accept them. */
  | "credentials"
  /** The host's clock is wrong. The store has seen the service's time: the next request has it. */
  | "clock-skew"
  /** Something answered that cannot have been the service, or not about these bytes. */
  | "proof";

/**
 * A place that takes objects once and gives none back. Every method sends one request, once: what
 * it means to send it again, the caller knows. Whether an acknowledged checksum is the right one,
 * the caller compares.
 * @throws (every method) the signal's reason if it aborts, and what `body` throws; everything else
 *   is an answer
 */
export interface ObjectStore {
  /**
   * Stores the body under the key, all of it or nothing. It answers `stored` only if the service
   * acknowledged.
   */
  put(request: PutRequest): Promise<PutAnswer>;

  /** Begins an upload in parts. Nothing is to be seen under the key until it is completed. */
  createUpload(request: CreateUploadRequest): Promise<CreateUploadAnswer>;

  /** Stores one part. One that is there under this number already is replaced. */
  putPart(request: PutPartRequest): Promise<PutPartAnswer>;

  /**
   * Makes one object of the parts, if they are these parts and give these bytes. After a failure
   * that is not a refusal, or a `stored` without the right checksum, nobody knows whether it did.
   */
  completeUpload(request: CompleteUploadRequest): Promise<CompleteUploadAnswer>;

  /** Removes an upload that was not completed, with its parts. */
  abortUpload(request: UploadReference): Promise<AbortUploadAnswer>;
}
