import type { IncomingHttpHeaders } from "node:http";
import type { Fault } from "./fake-s3-faults.ts";
import type { Target } from "./fake-s3-rules.ts";

/** The operations of S3 that the fake knows. It denies all others. */
export type Operation =
  | "PutObject"
  | "CreateMultipartUpload"
  | "UploadPart"
  | "CompleteMultipartUpload"
  | "AbortMultipartUpload";

/** What a request asks for. */
export interface Asked {
  readonly operation: Operation;
  /** As they were sent; undefined where the operation has none. */
  readonly uploadId: string | undefined;
  readonly partNumber: string | undefined;
}

/**
 * Tells the operation from the method and the query, as S3 does. The SDK adds `x-id=<operation>`,
 * which S3 ignores.
 * @returns undefined if it is none that the fake knows
 */
export function askedFor(
  method: string,
  target: Target,
  headers: IncomingHttpHeaders,
): Asked | undefined {
  if (target.bucket === "" || target.key === "") return undefined;
  if (headers["x-amz-copy-source"] !== undefined) return undefined;
  const query = new URLSearchParams(target.query);
  query.delete("x-id");
  const names = [...query.keys()].toSorted().join("&");
  const operation = OPERATIONS[`${method} ${names}`];
  if (operation === undefined) return undefined;
  return {
    operation,
    uploadId: query.get("uploadId") ?? undefined,
    partNumber: query.get("partNumber") ?? undefined,
  };
}

const OPERATIONS: Readonly<Record<string, Operation>> = {
  "PUT ": "PutObject",
  "POST uploads": "CreateMultipartUpload",
  "PUT partNumber&uploadId": "UploadPart",
  "POST uploadId": "CompleteMultipartUpload",
  "DELETE uploadId": "AbortMultipartUpload",
};

/** One request of any kind, as far as it has got. */
export interface RecordedRequest {
  /** Its position in `requests`, from 0. */
  readonly index: number;
  readonly method: string;
  readonly bucket: string;
  readonly key: string;
  readonly query: string;
  /** Undefined: one that is denied. */
  readonly operation: Operation | undefined;
  readonly headers: IncomingHttpHeaders;
  /** The fault that it meets. */
  fault: Fault["kind"] | undefined;
  /** How many bytes of the body have been read. */
  bytes: number;
  /** How far it got: the headers are there, the whole body is read, the object is stored. */
  step: "arrived" | "read" | "stored";
  /** The status of its answer, or that its connection ended without one; undefined: not yet. */
  answer: number | "dropped" | undefined;
}
