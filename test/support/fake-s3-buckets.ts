import { randomUUID } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { Body } from "./fake-s3-body.ts";

/** One object of a bucket. */
export interface StoredObject {
  /** In bytes. */
  readonly size: number;
  /** Of the content, in hexadecimal. */
  readonly sha256: string;
  /** The content, if it is not larger than 16 MiB. */
  readonly body: Buffer | undefined;
  readonly storageClass: string;
  /** As in the header: `name=value&name=value`, percent-encoded. */
  readonly tagging: string | undefined;
  /** Those of the request that stored it; none if a test has planted it. */
  readonly headers: IncomingHttpHeaders;
  /** Only in a versioned fake. */
  readonly versionId: string | undefined;
}

/** The buckets of one fake S3 and what is in them. A key that is put again is overwritten. */
export class Buckets {
  readonly #buckets: ReadonlyMap<string, Map<string, StoredObject>>;
  readonly #isVersioned: boolean;

  constructor(names: readonly string[], isVersioned: boolean) {
    this.#buckets = new Map(names.map((name) => [name, new Map()]));
    this.#isVersioned = isVersioned;
  }

  has(bucket: string): boolean {
    return this.#buckets.has(bucket);
  }

  /** @throws if there is no such bucket. */
  objects(bucket: string): ReadonlyMap<string, StoredObject> {
    return this.#objects(bucket);
  }

  /** @throws if there is no such bucket. */
  put(bucket: string, key: string, body: Body, headers: IncomingHttpHeaders): StoredObject {
    const stored: StoredObject = {
      size: body.size,
      sha256: body.sha256.toString("hex"),
      body: body.content,
      storageClass: headers["x-amz-storage-class"]?.toString() ?? "STANDARD",
      tagging: headers["x-amz-tagging"]?.toString(),
      headers,
      versionId: this.#isVersioned ? randomUUID() : undefined,
    };
    this.#objects(bucket).set(key, stored);
    return stored;
  }

  #objects(bucket: string): Map<string, StoredObject> {
    const objects = this.#buckets.get(bucket);
    if (objects === undefined) throw new Error(`the fake S3 has no bucket "${bucket}"`);
    return objects;
  }
}
