import type { PutObjectCommandInput, S3Client } from "@aws-sdk/client-s3";
import type { Destination, StoreFailure, StoreFailureKind } from "../sweep/object-store.ts";
import { type AwsFailure, asksForNewCredentials, type FailureKind, readFailure } from "./errors.ts";
import { streamBody } from "./streamed-body.ts";

/** What became of a request: the service's answer, or why there is none. */
export type Reply<T> =
  | { readonly kind: "answered"; readonly answer: T }
  | { readonly kind: "refused"; readonly failure: AwsFailure };

/** How a request with a body is sent: with the body as the SDK takes it, and with this signal. */
export type Send<T> = (body: SentBody, options: { abortSignal: AbortSignal }) => Promise<T>;

type SentBody = NonNullable<PutObjectCommandInput["Body"]>;

/**
 * Sends one request, once.
 * @throws the signal's reason if it aborts, and what `body` throws
 */
export type Sender = <T>(
  request: { readonly body?: Buffer | AsyncIterable<Buffer>; readonly signal: AbortSignal },
  send: Send<T>,
) => Promise<Reply<T>>;

const NO_BODY = Buffer.alloc(0);

/**
 * Makes what sends all requests of a client. It closes bodies, reads errors, and has the
 * credentials renewed when the service says that they have expired: the SDK keeps those that came
 * without an expiry, as those of the shared files do, for ever.
 */
export function makeSender(client: S3Client): Sender {
  let renewals = 0;

  /** Requests that were under way together are answered by one renewal. */
  async function renewCredentials(renewalsBefore: number): Promise<void> {
    if (renewals !== renewalsBefore) return;
    renewals += 1;
    // What comes of it shows when the next request is signed.
    await client.config.credentials({ forceRefresh: true }).catch(() => undefined);
  }

  return async ({ body = NO_BODY, signal }, send) => {
    const renewalsBefore = renewals;
    const streamed = Buffer.isBuffer(body) ? undefined : streamBody(body);
    const abortSignal =
      streamed === undefined ? signal : AbortSignal.any([signal, streamed.failed]);
    try {
      const answer = await send(streamed?.stream ?? (body as Buffer), { abortSignal });
      return { kind: "answered", answer };
    } catch (error) {
      signal.throwIfAborted();
      streamed?.failed.throwIfAborted();
      const failure = readFailure(error);
      if (asksForNewCredentials(failure)) await renewCredentials(renewalsBefore);
      return { kind: "refused", failure };
    } finally {
      await streamed?.close();
    }
  };
}

/** What a request that makes an object says of it. */
export function objectInput(destination: Destination) {
  const tagging = new URLSearchParams(destination.tags).toString();
  return {
    // STANDARD is what a bucket does by itself; a bucket of another kind may not know the word.
    ...(destination.storageClass === "STANDARD"
      ? {}
      : {
          StorageClass: destination.storageClass as NonNullable<
            PutObjectCommandInput["StorageClass"]
          >,
        }),
    ...(destination.kmsKeyId === ""
      ? {}
      : { ServerSideEncryption: "aws:kms" as const, SSEKMSKeyId: destination.kmsKeyId }),
    ...(tagging === "" ? {} : { Tagging: tagging }),
  };
}

/** Where a request goes, and whose bucket that must be. */
export function targetInput(destination: Destination, key: string) {
  return {
    Bucket: destination.bucket,
    Key: key,
    ...(destination.bucketOwner === "" ? {} : { ExpectedBucketOwner: destination.bucketOwner }),
  };
}

/** Where `signed` belongs among the SDK's steps: after its own hashing, before the signature. */
export const SIGNED = { step: "build", name: "signKnownPayload" } as const;

/**
 * A step that has the digest signed that is known already: the SDK would hash a buffer a second
 * time, and leave the body of a stream unsigned.
 * @param sha256 of the body, in hexadecimal
 */
export function signed(sha256: string) {
  return <Args extends { readonly request: unknown }, Result>(next: (args: Args) => Result) =>
    (args: Args): Result => {
      const { request } = args;
      if (typeof request === "object" && request !== null && "headers" in request) {
        Object.assign(request.headers as Record<string, string>, {
          "x-amz-content-sha256": sha256,
        });
      }
      return next(args);
    };
}

const STORE_KINDS: Readonly<Record<FailureKind, StoreFailureKind>> = {
  credentials: "credentials",
  denied: "permanent",
  throttled: "throttled",
  transient: "transient",
  "clock-skew": "clock-skew",
  missing: "permanent",
  exists: "permanent",
  permanent: "permanent",
};

const RETRYABLE: ReadonlySet<FailureKind> = new Set(["transient", "throttled", "clock-skew"]);

/** Says in the store's words what a failure means. */
export function storeFailure(failure: AwsFailure): StoreFailure {
  const { kind, code, message } = failure;
  return {
    kind: STORE_KINDS[kind],
    code,
    message,
    // New credentials were asked for: the next request is signed with them.
    isRetryable: RETRYABLE.has(kind) || asksForNewCredentials(failure),
    // A body that arrived damaged says nothing of the other files.
    scope: kind === "permanent" || code === "BadDigest" ? "file" : "service",
  };
}
