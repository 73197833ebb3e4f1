import { CloudWatchLogsClient } from "@aws-sdk/client-cloudwatch-logs";
import { SSMClient } from "@aws-sdk/client-ssm";
import { fromNodeProviderChain } from "@aws-sdk/credential-providers";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { configurationError } from "../lib/errors.ts";
import { CONNECTION_TIMEOUT_MS, REQUEST_TIMEOUT_MS, SILENT } from "./clients.ts";

/** The clients of a person's own machine. */
export interface OperatorClients {
  readonly ssm: SSMClient;
  readonly logs: CloudWatchLogsClient;
  readonly region: string;
  /** Closes all connections. */
  destroy(): void;
}

/**
 * Makes clients with the credentials of whoever runs the command, from wherever the SDK finds them:
 * unlike a host, a person may have logged in (SSO).
 * @param region undefined: as the SDK finds it
 * @throws AgentError (exit code 2) if no region is to be found
 */
export async function makeOperatorClients(region: string | undefined): Promise<OperatorClients> {
  const about = region === undefined ? {} : { region };
  // Retries are ours, as on the hosts: a lost answer to a write means something else than a refusal.
  const common = {
    ...about,
    credentials: fromNodeProviderChain({ clientConfig: about }),
    maxAttempts: 1,
    logger: SILENT,
  };
  const makeHandler = () =>
    new NodeHttpHandler({
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
    });
  const ssm = new SSMClient({ ...common, requestHandler: makeHandler() });
  const logs = new CloudWatchLogsClient({ ...common, requestHandler: makeHandler() });
  const destroy = () => {
    ssm.destroy();
    logs.destroy();
  };
  try {
    return { ssm, logs, region: await ssm.config.region(), destroy };
  } catch (error) {
    destroy();
    throw configurationError(
      "No AWS region is set.",
      "Add --region REGION, or set AWS_REGION or a region in the profile.",
      error,
    );
  }
}
