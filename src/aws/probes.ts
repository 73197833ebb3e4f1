import {
  type CloudWatchLogsClient,
  CreateLogStreamCommand,
  PutLogEventsCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import { HeadBucketCommand, type S3Client } from "@aws-sdk/client-s3";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { ServiceError } from "../lib/errors.ts";
import type { AwsClients } from "./clients.ts";
import { type AwsFailure, readFailure } from "./errors.ts";

/** Whose credentials are used. */
export interface Caller {
  readonly account: string;
  readonly arn: string;
}

/** Questions that only `doctor` asks: one request each, and nothing of what is there changes. */
export interface Probes {
  /** Needs no permission; only an organization's policy can forbid it. */
  caller(signal: AbortSignal): Promise<Caller>;
  /** Makes the stream, unless it is there. */
  createStream(group: string, stream: string, signal: AbortSignal): Promise<void>;
  /** Puts one event that is too old to be kept. */
  putNothing(group: string, stream: string, signal: AbortSignal): Promise<void>;
  /** Where requests for a bucket go. */
  bucketUrl(bucket: string): Promise<URL>;
  /** The region that requests are signed for. */
  region(): Promise<string>;
  /** Closes its connections. */
  destroy(): void;
}

const CONNECTION_TIMEOUT_MS = 5_000;
/** Whoever asks gives up before. */
const REQUEST_TIMEOUT_MS = 15_000;

/** PutLogEvents answers 200 to events that are older than 14 days, and drops them (API reference). */
const TOO_OLD_MS = 30 * 86_400_000;

/**
 * Makes the probes of these clients.
 * @param onDate hears the time of each answer, refusals included, by the service's own clock
 */
export function makeProbes(
  { s3, ssm, logs, credentials }: AwsClients,
  onDate: (ms: number) => void,
): Probes {
  const sts = new STSClient({
    region: ssm.config.region,
    credentials: credentials.provider,
    maxAttempts: 1,
    logger: s3.config.logger,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
    }),
  });
  s3.middlewareStack.add(tellDates(onDate), TELL_DATES);
  ssm.middlewareStack.add(tellDates(onDate), TELL_DATES);
  logs.middlewareStack.add(tellDates(onDate), TELL_DATES);
  sts.middlewareStack.add(tellDates(onDate), TELL_DATES);
  return {
    async caller(signal) {
      const command = new GetCallerIdentityCommand({});
      const { Account = "", Arn = "" } = await sts.send(command, { abortSignal: signal });
      return { account: Account, arn: Arn };
    },
    createStream: (group, stream, signal) => createStream(logs, { group, stream, signal }),
    async putNothing(group, stream, signal) {
      const timestamp = Date.now() - TOO_OLD_MS;
      const command = new PutLogEventsCommand({
        logGroupName: group,
        logStreamName: stream,
        logEvents: [{ timestamp, message: "{}" }],
      });
      await logs.send(command, { abortSignal: signal });
    },
    bucketUrl: (bucket) => bucketUrl(s3, bucket),
    region: () => ssm.config.region(),
    destroy: () => sts.destroy(),
  };
}

/** Reads what a probe or a source of parameters threw. */
export function probeFailure(error: unknown): AwsFailure {
  const isWrapped = error instanceof ServiceError && error.cause !== undefined;
  return readFailure(isWrapped ? error.cause : error);
}

async function createStream(
  client: CloudWatchLogsClient,
  about: { readonly group: string; readonly stream: string; readonly signal: AbortSignal },
): Promise<void> {
  const { group, stream, signal } = about;
  const command = new CreateLogStreamCommand({ logGroupName: group, logStreamName: stream });
  try {
    await client.send(command, { abortSignal: signal });
  } catch (error) {
    if (readFailure(error).kind !== "exists") throw error;
  }
}

/** The URL of a bucket as the SDK makes it; the request itself is not sent. */
async function bucketUrl(client: S3Client, bucket: string): Promise<URL> {
  const command = new HeadBucketCommand({ Bucket: bucket });
  let url: URL | undefined;
  command.middlewareStack.add(
    () => async (args) => {
      const { protocol, hostname, port, path } = args.request as {
        readonly protocol: string;
        readonly hostname: string;
        readonly port?: number;
        readonly path: string;
      };
      url = new URL(`${protocol}//${hostname}${port === undefined ? "" : `:${port}`}${path}`);
      return { output: { $metadata: {} }, response: undefined };
    },
    { step: "build", priority: "low", name: "catchUrl" },
  );
  await client.send(command);
  if (url === undefined) throw new Error("the SDK made no request");
  return url;
}

/** Below what reads the answer, which throws a refusal. */
const TELL_DATES = { step: "deserialize", priority: "low", name: "tellDates" } as const;

function tellDates(onDate: (ms: number) => void) {
  return <Args, Result extends { readonly response: unknown }>(
    next: (args: Args) => Promise<Result>,
  ) =>
    async (args: Args): Promise<Result> => {
      const result = await next(args);
      const { headers } = result.response as { readonly headers?: Record<string, string> };
      const time = Date.parse(headers?.["date"] ?? "");
      if (!Number.isNaN(time)) onDate(time);
      return result;
    };
}
