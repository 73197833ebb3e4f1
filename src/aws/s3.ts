import { PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import type { ObjectStore, PutAnswer, PutRequest } from "../sweep/object-store.ts";
import { abortUpload, completeUpload, createUpload, putPart } from "./s3-multipart.ts";
import {
  makeSender,
  objectInput,
  type Sender,
  SIGNED,
  signed,
  storeFailure,
  targetInput,
} from "./s3-requests.ts";

/** S3 as an object store: one request for each call, and no other. The client must not retry. */
export function makeS3Store(client: S3Client): ObjectStore {
  const sender = makeSender(client);
  return {
    put: (request) => put(client, sender, request),
    createUpload: (request) => createUpload(client, sender, request),
    putPart: (request) => putPart(client, sender, request),
    completeUpload: (request) => completeUpload(client, sender, request),
    abortUpload: (request) => abortUpload(client, sender, request),
  };
}

async function put(client: S3Client, sender: Sender, request: PutRequest): Promise<PutAnswer> {
  const { destination, key, sha256 } = request;
  const reply = await sender(request, (Body, options) => {
    const command = new PutObjectCommand({
      ...targetInput(destination, key),
      ...objectInput(destination),
      Body,
      ContentLength: request.bytes,
      ChecksumAlgorithm: "SHA256",
      ChecksumSHA256: Buffer.from(sha256, "hex").toString("base64"),
      ...(request.mayOverwrite ? {} : { IfNoneMatch: "*" }),
    });
    command.middlewareStack.add(signed(sha256), SIGNED);
    return client.send(command, options);
  });
  if (reply.kind === "refused") {
    if (reply.failure.kind === "exists") return { kind: "taken" };
    return { kind: "failed", failure: storeFailure(reply.failure) };
  }
  const { ChecksumSHA256: checksum, VersionId } = reply.answer;
  return {
    kind: "stored",
    sha256: checksum === undefined ? undefined : Buffer.from(checksum, "base64").toString("hex"),
    versionId: VersionId,
  };
}
