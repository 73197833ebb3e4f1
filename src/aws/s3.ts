import { PutObjectCommand, type PutObjectCommandInput, type S3Client } from "@aws-sdk/client-s3";
import type { ObjectStore, PutAnswer, PutRequest, StoreFailure } from "../sweep/object-store.ts";
import { readFailure } from "./errors.ts";
import { streamBody } from "./streamed-body.ts";

/** S3 as an object store: one PutObject a put, and no other request. */
export function makeS3Store(client: S3Client): ObjectStore {
  return { put: (request) => put(client, request) };
}

async function put(client: S3Client, request: PutRequest): Promise<PutAnswer> {
  const { body, signal } = request;
  const streamed = Buffer.isBuffer(body) ? undefined : streamBody(body);
  const Body = streamed?.stream ?? (body as Buffer);
  const command = new PutObjectCommand({ ...inputOf(request), Body });
  signPayload(command, request.sha256);
  const abortSignal = streamed === undefined ? signal : AbortSignal.any([signal, streamed.failed]);
  try {
    const answer = await client.send(command, { abortSignal });
    return {
      kind: "stored",
      sha256: answer.ChecksumSHA256 === undefined ? undefined : hexOf(answer.ChecksumSHA256),
      versionId: answer.VersionId,
    };
  } catch (error) {
    signal.throwIfAborted();
    streamed?.failed.throwIfAborted();
    return answerOf(error);
  } finally {
    await streamed?.close();
  }
}

function inputOf(request: PutRequest): PutObjectCommandInput {
  const { destination } = request;
  const tagging = new URLSearchParams(destination.tags).toString();
  return {
    Bucket: destination.bucket,
    Key: request.key,
    ContentLength: request.bytes,
    ChecksumAlgorithm: "SHA256",
    ChecksumSHA256: Buffer.from(request.sha256, "hex").toString("base64"),
    IfNoneMatch: "*",
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
    ...(destination.bucketOwner === "" ? {} : { ExpectedBucketOwner: destination.bucketOwner }),
  };
}

/**
 * Signs the digest that is known already: the SDK would hash a buffer a second time, and leave the
 * body of a stream unsigned.
 */
function signPayload(command: PutObjectCommand, sha256: string): void {
  command.middlewareStack.add(
    (next) => (args) => {
      const { request } = args;
      if (typeof request === "object" && request !== null && "headers" in request) {
        Object.assign(request.headers as Record<string, string>, {
          "x-amz-content-sha256": sha256,
        });
      }
      return next(args);
    },
    { step: "build", name: "signKnownPayload" },
  );
}

function answerOf(error: unknown): PutAnswer {
  const { kind, code, message } = readFailure(error);
  if (kind === "exists") return { kind: "taken" };
  const failure: StoreFailure = {
    code,
    message,
    isRetryable: kind === "transient" || kind === "throttled",
    scope: kind === "permanent" || code === "BadDigest" ? "file" : "service",
  };
  return { kind: "failed", failure };
}

function hexOf(base64: string): string {
  return Buffer.from(base64, "base64").toString("hex");
}
