import type { IncomingHttpHeaders } from "node:http";
import type { Body } from "./fake-s3-body.ts";
import type { Operation } from "./fake-s3-operations.ts";

/** The account that owns every bucket of the fake, for `x-amz-expected-bucket-owner`. */
export const BUCKET_OWNER = "111122223333";

/** Most bytes of an object key in UTF-8. Source: S3 User Guide, "Naming Amazon S3 objects". */
const KEY_BYTES_MAX = 1_024;

/** Most bytes of one PutObject and of one part. Source: S3 User Guide, "Uploading objects". */
const PUT_BYTES_MAX = 5 * 2 ** 30;

/** Where a request goes. An empty bucket or key means that it names none. */
export interface Target {
  readonly bucket: string;
  readonly key: string;
  /** What follows the question mark, as it was sent. */
  readonly query: string;
}

/** An error answer of S3. The codes are those of the API reference, "Error Responses". */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

export const refusal = (status: number, code: string, message: string): Refusal => ({
  status,
  code,
  message,
});

export const ACCESS_DENIED = refusal(403, "AccessDenied", "Access Denied");

export const PRECONDITION_FAILED = refusal(
  412,
  "PreconditionFailed",
  "At least one of the pre-conditions you specified did not hold",
);

export const INVALID_URI = refusal(400, "InvalidURI", "Couldn't parse the specified URI.");

export const NOT_IMPLEMENTED = refusal(
  501,
  "NotImplemented",
  "A header you provided implies functionality that is not implemented",
);

/**
 * Splits a path-style request target, `/bucket/key?query`. It is not normalised as a URL would be:
 * `..` and `//` are ordinary parts of a key. A bare `+` means a space: S3 is reported to
 * read it so, and a client that encodes its keys never sends one.
 * @returns undefined if the percent-encoding is not valid UTF-8 (S3 answers InvalidURI).
 */
export function parseTarget(url: string): Target | undefined {
  const [, bucket = "", key = "", query = ""] =
    /^\/([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(url) ?? [];
  try {
    return { bucket, key: decodeURIComponent(key.replaceAll("+", " ")), query };
  } catch {
    return undefined;
  }
}

/**
 * Applies every rule that needs no body. Source: S3 API reference, the page of each operation, and
 * for `x-amz-content-sha256` "Signature Calculations for the Authorization Header".
 * @returns the refusal, or undefined if the body may come.
 */
export function refuseHead(
  operation: Operation,
  target: Target,
  headers: IncomingHttpHeaders,
  hasBucket: boolean,
): Refusal | undefined {
  if (headers.authorization === undefined) return ACCESS_DENIED;
  if (!hasBucket) return refusal(404, "NoSuchBucket", "The specified bucket does not exist");
  const owner = header(headers, "x-amz-expected-bucket-owner");
  if (owner !== undefined && owner !== BUCKET_OWNER) return ACCESS_DENIED;
  if (Buffer.byteLength(target.key) > KEY_BYTES_MAX) {
    return refusal(400, "KeyTooLongError", "Your key is too long");
  }
  const hasBody = operation === "PutObject" || operation === "UploadPart";
  if (hasBody && headers["content-length"] === undefined) {
    return refusal(411, "MissingContentLength", "You must provide the Content-Length HTTP header.");
  }
  if (Number(headers["content-length"]) > PUT_BYTES_MAX) {
    return refusal(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size");
  }
  // S3 takes no other condition than "*" with If-None-Match. If-Match is real but not faked.
  const isOtherCondition = (headers["if-none-match"] ?? "*") !== "*";
  if (isOtherCondition || headers["if-match"] !== undefined) return NOT_IMPLEMENTED;
  return refuseContentSha256(headers) ?? refuseChecksumHeaders(headers);
}

/**
 * Compares the body with what the headers say of it.
 * @returns the refusal, or undefined if they agree.
 */
export function refuseBody(headers: IncomingHttpHeaders, body: Body): Refusal | undefined {
  const signed = header(headers, "x-amz-content-sha256");
  if (signed !== "UNSIGNED-PAYLOAD" && signed?.toLowerCase() !== body.sha256.toString("hex")) {
    const message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
    return refusal(400, "XAmzContentSHA256Mismatch", message);
  }
  const given = givenChecksum(headers);
  if (given !== undefined && given.value !== body[given.algorithm].toString("base64")) {
    const name = given.algorithm.toUpperCase();
    const message = `The ${name} you specified did not match the calculated checksum.`;
    return refusal(400, "BadDigest", message);
  }
  const md5 = header(headers, "content-md5");
  if (md5 !== undefined && md5 !== body.md5.toString("base64")) {
    return refusal(
      400,
      "BadDigest",
      "The Content-MD5 you specified did not match what we received.",
    );
  }
  return undefined;
}

/** The headers with which S3 answers a PutObject that succeeded. */
export function successHeaders(headers: IncomingHttpHeaders, body: Body): Record<string, string> {
  const given = givenChecksum(headers);
  return {
    etag: `"${body.md5.toString("hex")}"`,
    "x-amz-server-side-encryption": "AES256",
    ...(given && {
      [`x-amz-checksum-${given.algorithm}`]: given.value,
      "x-amz-checksum-type": "FULL_OBJECT",
    }),
  };
}

/** The body of an error answer. Source: S3 API reference, "REST error responses". */
export function errorXml(error: Refusal, resource: string, requestId: string): string {
  const fields = {
    Code: error.code,
    Message: error.message,
    Resource: resource,
    RequestId: requestId,
  };
  const elements = Object.entries(fields).map(
    ([name, text]) => `<${name}>${escapeXml(text)}</${name}>`,
  );
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error>${elements.join("")}</Error>`;
}

const CHECKSUM_BYTES = { sha256: 32, crc32: 4 } as const;

interface GivenChecksum {
  readonly algorithm: keyof typeof CHECKSUM_BYTES;
  /** In base64, as it was sent. */
  readonly value: string;
}

function givenChecksum(headers: IncomingHttpHeaders): GivenChecksum | undefined {
  for (const algorithm of ["sha256", "crc32"] as const) {
    const value = header(headers, `x-amz-checksum-${algorithm}`);
    if (value !== undefined) return { algorithm, value };
  }
  return undefined;
}

function refuseContentSha256(headers: IncomingHttpHeaders): Refusal | undefined {
  const value = header(headers, "x-amz-content-sha256");
  if (value === undefined) {
    const message = "Missing required header for this request: x-amz-content-sha256";
    return refusal(400, "InvalidRequest", message);
  }
  // The chunked signatures of a streamed body are real but not faked: the agent sends none.
  if (value.startsWith("STREAMING-")) return NOT_IMPLEMENTED;
  if (value === "UNSIGNED-PAYLOAD" || /^[0-9a-f]{64}$/i.test(value)) return undefined;
  return refusal(400, "InvalidArgument", "x-amz-content-sha256 must be a valid sha256 value.");
}

function refuseChecksumHeaders(headers: IncomingHttpHeaders): Refusal | undefined {
  const names = Object.keys(headers).filter((name) =>
    /^x-amz-checksum-(?!type$|algorithm$)/.test(name),
  );
  if (names.length > 1) {
    const message =
      "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";
    return refusal(400, "InvalidRequest", message);
  }
  const given = givenChecksum(headers);
  if (given === undefined) return names.length === 0 ? undefined : NOT_IMPLEMENTED;
  const bytes = Buffer.from(given.value, "base64");
  if (
    bytes.length === CHECKSUM_BYTES[given.algorithm] &&
    bytes.toString("base64") === given.value
  ) {
    return undefined;
  }
  const message = `Value for x-amz-checksum-${given.algorithm} header is invalid.`;
  return refusal(400, "InvalidRequest", message);
}

export function header(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}

export function escapeXml(text: string): string {
  return text.replace(/[<>&]/g, (character) => `&#${character.charCodeAt(0)};`);
}
