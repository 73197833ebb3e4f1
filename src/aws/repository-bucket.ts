import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { fromNodeProviderChain } from "@aws-sdk/credential-providers";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { AgentError, configurationError, ExitCode } from "../lib/errors.ts";
import { CONNECTION_TIMEOUT_MS, SILENT, takesPathStyle } from "./clients.ts";
import { readFailure, unreachableError } from "./errors.ts";

/** An object as a listing tells it. */
export interface PublishedObject {
  /** Without quotes: the MD5 of the content in hexadecimal, where the bucket's encryption lets it be. */
  readonly etag: string;
  readonly bytes: number;
  readonly modifiedAt: Date;
}

/** An object to store. */
export interface ObjectToPublish {
  readonly key: string;
  readonly body: Buffer;
  /** Of the body, in hexadecimal; S3 refuses another one. */
  readonly sha256: string;
  readonly contentType: string;
  readonly cacheControl: string;
  /** `new`: only if the key is free. An ETag: only if that is there still. */
  readonly onlyIf: "new" | { readonly etag: string } | "always";
}

/**
 * The bucket of a package repository, for the tool that publishes it and not for the agent. It takes
 * what the publish policy of infra/repository.yaml allows: to list, read, write and delete.
 * All calls throw AgentError (exit code 3) if S3 is out of reach or refuses.
 */
export interface RepositoryBucket {
  /** All objects below a prefix, by their keys. */
  list(prefix: string): Promise<Map<string, PublishedObject>>;
  /** Undefined: there is none. */
  read(key: string): Promise<Buffer | undefined>;
  /** The SHA-256 that S3 has of an object, in hexadecimal; undefined: it has none, or no object. */
  sha256(key: string): Promise<string | undefined>;
  /**
   * `refused`: the condition does not hold. An answer that was lost can have that end, too: the
   * second attempt then meets what the first one has stored.
   */
  put(object: ObjectToPublish): Promise<"stored" | "refused">;
  remove(key: string): Promise<void>;
  /** Closes all connections. */
  destroy(): void;
}

/** How long a connection may carry nothing in either direction. */
const SOCKET_IDLE_MS = 60_000;

/** Nobody waits for a fleet's pauses here: the SDK's own retries, some more than by default. */
const ATTEMPTS_MAX = 5;

/**
 * Opens a bucket with the credentials of whoever publishes, from wherever the SDK finds them.
 * @throws AgentError (exit code 2) if no region is to be found
 */
export async function openRepositoryBucket(
  bucket: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<RepositoryBucket> {
  const client = new S3Client({
    credentials: fromNodeProviderChain(),
    maxAttempts: ATTEMPTS_MAX,
    logger: SILENT,
    forcePathStyle: takesPathStyle(env),
    requestHandler: new NodeHttpHandler({
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      socketTimeout: SOCKET_IDLE_MS,
    }),
  });
  try {
    await client.config.region();
  } catch (error) {
    client.destroy();
    throw configurationError(
      "No AWS region is set.",
      "Set AWS_REGION or a region in the profile: that of the bucket.",
      error,
    );
  }
  const target = (key: string) => ({ Bucket: bucket, Key: key });
  const refused = (what: string, action: string, error: unknown) =>
    publisherError(`${what} s3://${bucket}`, action, error);
  return {
    list: (prefix) => list(client, bucket, prefix, refused),
    async read(key) {
      try {
        const { Body } = await client.send(new GetObjectCommand(target(key)));
        return Body === undefined ? undefined : Buffer.from(await Body.transformToByteArray());
      } catch (error) {
        if (readFailure(error).kind === "missing") return undefined;
        throw refused(`read ${key} of`, "s3:GetObject", error);
      }
    },
    async sha256(key) {
      try {
        const command = new HeadObjectCommand({ ...target(key), ChecksumMode: "ENABLED" });
        const { ChecksumSHA256 } = await client.send(command);
        if (ChecksumSHA256 === undefined) return undefined;
        return Buffer.from(ChecksumSHA256, "base64").toString("hex");
      } catch (error) {
        if (readFailure(error).kind === "missing") return undefined;
        throw refused(`look at ${key} of`, "s3:GetObject", error);
      }
    },
    async put({ key, body, sha256, contentType, cacheControl, onlyIf }) {
      const command = new PutObjectCommand({
        ...target(key),
        Body: body,
        ContentLength: body.length,
        ChecksumSHA256: Buffer.from(sha256, "hex").toString("base64"),
        ContentType: contentType,
        CacheControl: cacheControl,
        ...conditionOf(onlyIf),
      });
      try {
        await client.send(command);
        return "stored";
      } catch (error) {
        const { kind, code } = readFailure(error);
        // A condition on an object that has gone meanwhile is answered as if it were missing.
        const isGone = kind === "missing" && code === "NoSuchKey";
        if (kind === "exists" || code === "ConditionalRequestConflict" || isGone) return "refused";
        throw refused(`write ${key} to`, "s3:PutObject", error);
      }
    },
    async remove(key) {
      try {
        await client.send(new DeleteObjectCommand(target(key)));
      } catch (error) {
        throw refused(`delete ${key} of`, "s3:DeleteObject", error);
      }
    },
    destroy: () => client.destroy(),
  };
}

type Refused = (what: string, action: string, error: unknown) => AgentError;

async function list(
  client: S3Client,
  bucket: string,
  prefix: string,
  refused: Refused,
): Promise<Map<string, PublishedObject>> {
  const objects = new Map<string, PublishedObject>();
  let ContinuationToken: string | undefined;
  do {
    const command = new ListObjectsV2Command({
      Bucket: bucket,
      Prefix: prefix,
      ...(ContinuationToken === undefined ? {} : { ContinuationToken }),
    });
    const page = await client.send(command).catch((error: unknown) => {
      throw refused("list", "s3:ListBucket", error);
    });
    for (const { Key, ETag = "", Size = 0, LastModified = new Date() } of page.Contents ?? []) {
      if (Key === undefined) continue;
      const etag = ETag.replaceAll('"', "");
      objects.set(Key, { etag, bytes: Size, modifiedAt: LastModified });
    }
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken !== undefined);
  return objects;
}

function conditionOf(onlyIf: ObjectToPublish["onlyIf"]) {
  if (onlyIf === "always") return {};
  return onlyIf === "new" ? { IfNoneMatch: "*" } : { IfMatch: `"${onlyIf.etag}"` };
}

function publisherError(what: string, action: string, error: unknown): AgentError {
  const told = unreachableError(what, action, error);
  if (told.deniedAction === undefined) return told;
  return new AgentError(told.message, {
    exitCode: ExitCode.unreachable,
    hint: `It takes ${action}: give whoever publishes the policy of infra/repository.yaml (output PublishPolicyArn).`,
    cause: error,
  });
}
