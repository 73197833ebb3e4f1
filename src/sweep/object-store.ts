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
  | { readonly kind: "failed"; readonly failure: StoreFailure };

export interface StoreFailure {
  /** The service's own code, such as `SlowDown`, or the system's, such as `ECONNRESET`. */
  readonly code: string;
  readonly message: string;
  /** Whether the same request may succeed if it is sent again soon. */
  readonly isRetryable: boolean;
  /** `service`: others would fail as well. `file`: this one alone. */
  readonly scope: "service" | "file";
}

/** A place that takes objects once and gives none back. */
export interface ObjectStore {
  /**
   * Stores the body under the key, all of it or nothing, unless the key is taken: it MUST NOT
   * overwrite, and it MUST NOT send the request twice. It answers `stored` only if the service
   * acknowledged; whether the acknowledged digest is the right one, the caller compares.
   * @throws the signal's reason if it aborts, and what `body` throws; everything else is an answer
   */
  put(request: PutRequest): Promise<PutAnswer>;
}
