import { isIP } from "node:net";
import { CloudWatchLogsClient } from "@aws-sdk/client-cloudwatch-logs";
import { S3Client } from "@aws-sdk/client-s3";
import { SSMClient } from "@aws-sdk/client-ssm";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { configurationError } from "../lib/errors.ts";
import {
  type Credentials,
  type CredentialsOptions,
  makeCredentials,
} from "./credentials/credentials.ts";
import { asksForNewCredentials, readFailure } from "./errors.ts";

/** The clients of all services, which share one credential provider. */
export interface AwsClients {
  readonly s3: S3Client;
  readonly ssm: SSMClient;
  readonly logs: CloudWatchLogsClient;
  readonly credentials: Credentials;
  /**
   * How far the host's clock is behind S3's, in milliseconds, as S3's answers tell; 0 until then.
   * Requests are signed with S3's time from then on.
   */
  clockOffsetMs(): number;
  /** Closes all connections. */
  destroy(): void;
}

/** Where names resolve at all, a connection is there well within this. */
export const CONNECTION_TIMEOUT_MS = 5_000;
/** For SSM and CloudWatch Logs, whose answers come within a second. */
export const REQUEST_TIMEOUT_MS = 15_000;
/** For S3: how long a connection may carry nothing in either direction. */
const SOCKET_IDLE_MS = 60_000;

/** The SDK's own warnings would go to the console, between our records; what fails is told by us. */
export const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * Makes the clients. The SDK's own environment variables hold: AWS_PROFILE, AWS_ENDPOINT_URL,
 * AWS_ENDPOINT_URL_S3, AWS_EC2_METADATA_SERVICE_ENDPOINT and so on.
 * @throws AgentError (exit code 2) if no region is to be found
 */
export async function makeClients(options: CredentialsOptions): Promise<AwsClients> {
  const region = options.region === undefined ? {} : { region: options.region };
  const credentials = makeCredentials(options);
  // Retries are ours: they know what a lost answer means, and a fleet's pauses are spread.
  const common = { ...region, credentials: credentials.provider, maxAttempts: 1, logger: SILENT };
  const control = { requestTimeout: REQUEST_TIMEOUT_MS, throwOnRequestTimeout: true };

  const s3 = new S3Client({
    ...common,
    forcePathStyle: takesPathStyle(options.env),
    // Otherwise every body of 2 MiB or more goes over a new connection of its own.
    expectContinueHeader: false,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      socketTimeout: SOCKET_IDLE_MS,
    }),
  });
  const ssm = new SSMClient({
    ...common,
    requestHandler: new NodeHttpHandler({ connectionTimeout: CONNECTION_TIMEOUT_MS, ...control }),
  });
  const logs = new CloudWatchLogsClient({
    ...common,
    requestHandler: new NodeHttpHandler({ connectionTimeout: CONNECTION_TIMEOUT_MS, ...control }),
  });
  // S3's requests have theirs in one place, together with what else they do about a failure.
  ssm.middlewareStack.add(renewing(credentials), RENEWING);
  logs.middlewareStack.add(renewing(credentials), RENEWING);
  await assertRegion(ssm);
  return {
    s3,
    ssm,
    logs,
    credentials,
    clockOffsetMs: () => s3.config.systemClockOffset,
    destroy() {
      for (const client of [s3, ssm, logs]) client.destroy();
      credentials.destroy();
    },
  };
}

const RENEWING = { step: "initialize", name: "renewCredentials" } as const;

/** A step that has credentials renewed when the service says that these have ended. */
function renewing(credentials: Credentials) {
  return <Args, Result>(next: (args: Args) => Promise<Result>) =>
    async (args: Args): Promise<Result> => {
      const used = await credentials.provider();
      try {
        return await next(args);
      } catch (error) {
        if (asksForNewCredentials(readFailure(error))) await credentials.renew(used);
        throw error;
      }
    };
}

async function assertRegion(client: SSMClient): Promise<void> {
  try {
    await client.config.region();
  } catch (error) {
    throw configurationError(
      "No AWS region is set.",
      "Set `region` in the bootstrap file, S3_OFFLOAD_REGION, AWS_REGION, or a region in the profile.",
      error,
    );
  }
}

/** An endpoint that is an address or localhost cannot have the bucket's name before its own. */
export function takesPathStyle(env: Readonly<Record<string, string | undefined>>): boolean {
  const endpoint = env["AWS_ENDPOINT_URL_S3"] ?? env["AWS_ENDPOINT_URL"];
  if (endpoint === undefined || !URL.canParse(endpoint)) return false;
  const host = new URL(endpoint).hostname.replace(/^\[|\]$/g, "");
  return isIP(host) !== 0 || host === "localhost" || host.endsWith(".localhost");
}
