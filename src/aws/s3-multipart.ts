import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  type S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import type {
  AbortUploadAnswer,
  CompleteUploadAnswer,
  CompleteUploadRequest,
  CreateUploadAnswer,
  CreateUploadRequest,
  Failed,
  Gone,
  PutPartAnswer,
  PutPartRequest,
  UploadReference,
} from "../sweep/object-store.ts";
import type { AwsFailure } from "./errors.ts";
import {
  objectInput,
  type Sender,
  SIGNED,
  signed,
  storeFailure,
  targetInput,
} from "./s3-requests.ts";

/**
 * One checksum for the whole object, made of the parts' (User Guide, "Checking object integrity").
 * CRC-32 and not CRC-64/NVME, since Node computes it in native code.
 */
const WHOLE_CRC32 = { ChecksumType: "FULL_OBJECT" } as const;

/** Begins a multipart upload. */
export async function createUpload(
  client: S3Client,
  sender: Sender,
  request: CreateUploadRequest,
): Promise<CreateUploadAnswer> {
  const { destination, key } = request;
  const command = new CreateMultipartUploadCommand({
    ...targetInput(destination, key),
    ...objectInput(destination),
    ...WHOLE_CRC32,
    ChecksumAlgorithm: "CRC32",
  });
  const reply = await sender(request, (_, options) => client.send(command, options));
  if (reply.kind === "refused") return failed(reply.failure);
  const { UploadId } = reply.answer;
  return UploadId === undefined ? notFromS3("id") : { kind: "created", uploadId: UploadId };
}

/** Uploads one part, signed with its SHA-256 and checked by S3 against its CRC-32. */
export async function putPart(
  client: S3Client,
  sender: Sender,
  request: PutPartRequest,
): Promise<PutPartAnswer> {
  const { destination, key, uploadId, partNumber, bytes, crc32, sha256 } = request;
  const reply = await sender(request, (Body, options) => {
    const command = new UploadPartCommand({
      ...targetInput(destination, key),
      UploadId: uploadId,
      PartNumber: partNumber,
      Body,
      ContentLength: bytes,
      ChecksumAlgorithm: "CRC32",
      ChecksumCRC32: crc32,
    });
    command.middlewareStack.add(signed(sha256), SIGNED);
    return client.send(command, options);
  });
  if (reply.kind === "refused") return goneOrFailed(reply.failure);
  const { ETag, ChecksumCRC32 } = reply.answer;
  if (ETag === undefined) return notFromS3("ETag");
  return { kind: "stored", etag: ETag, crc32: ChecksumCRC32 };
}

/** Makes the object of the parts. An error in the body of a 200 is an error (the SDK sees to it). */
export async function completeUpload(
  client: S3Client,
  sender: Sender,
  request: CompleteUploadRequest,
): Promise<CompleteUploadAnswer> {
  const { destination, key, uploadId, parts, bytes, crc32, mayOverwrite } = request;
  const command = new CompleteMultipartUploadCommand({
    ...targetInput(destination, key),
    ...WHOLE_CRC32,
    UploadId: uploadId,
    MultipartUpload: {
      Parts: parts.map((part) => ({
        PartNumber: part.partNumber,
        ETag: part.etag,
        ChecksumCRC32: part.crc32,
      })),
    },
    ChecksumCRC32: crc32,
    MpuObjectSize: bytes,
    ...(mayOverwrite ? {} : { IfNoneMatch: "*" }),
  });
  const reply = await sender(request, (_, options) => client.send(command, options));
  if (reply.kind === "answered") {
    const { ChecksumCRC32, VersionId } = reply.answer;
    return { kind: "stored", crc32: ChecksumCRC32, versionId: VersionId };
  }
  const { failure } = reply;
  if (failure.kind === "exists") return { kind: "taken" };
  // API reference, CompleteMultipartUpload, If-None-Match: after this 409 the upload starts over.
  if (failure.code === "ConditionalRequestConflict") return { kind: "conflict" };
  return goneOrFailed(failure);
}

/** Ends an upload that is not to be completed. */
export async function abortUpload(
  client: S3Client,
  sender: Sender,
  request: UploadReference,
): Promise<AbortUploadAnswer> {
  const command = new AbortMultipartUploadCommand({
    ...targetInput(request.destination, request.key),
    UploadId: request.uploadId,
  });
  const reply = await sender(request, (_, options) => client.send(command, options));
  return reply.kind === "answered" ? { kind: "aborted" } : goneOrFailed(reply.failure);
}

function goneOrFailed(failure: AwsFailure): Gone | Failed {
  return failure.code === "NoSuchUpload" ? { kind: "gone" } : failed(failure);
}

function failed(failure: AwsFailure): Failed {
  return { kind: "failed", failure: storeFailure(failure) };
}

/** A 200 that S3 cannot have given, as the page of a captive portal. */
function notFromS3(missing: string): Failed {
  const message = `the answer carries no ${missing}; a proxy or portal may have given it`;
  return {
    kind: "failed",
    failure: { kind: "proof", code: "proof-failed", message, isRetryable: false, scope: "service" },
  };
}
