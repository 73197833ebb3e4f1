import { CloudWatchLogsClient } from "@aws-sdk/client-cloudwatch-logs";
import { SSMClient } from "@aws-sdk/client-ssm";
import { fromNodeProviderChain } from "@aws-sdk/credential-providers";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { assertRegion, CONNECTION_TIMEOUT_MS, REQUEST_TIMEOUT_MS, SILENT } from "./clients.ts";

/** What an operator's commands ask. */
export interface OperatorClients {
  readonly ssm: SSMClient;
  readonly logs: CloudWatchLogsClient;
  /** Closes all connections. */
  destroy(): void;
}

/**
 * Makes clients with a person's credentials. Those are found by the SDK itself and not as a host
 * finds its own: people sign in (SSO, `aws login`), and a command does not live long enough for
 * credentials to end.
 * @param region undefined: as the SDK finds it
 * @throws AgentError (exit code 2) if no region is to be found
 */
export async function makeOperatorClients(region: string | undefined): Promise<OperatorClients> {
  const common = {
    ...(region === undefined ? {} : { region }),
    credentials: fromNodeProviderChain({ timeout: 1_000, maxRetries: 3 }),
    // Retries are ours: they wait as the service asks, and tell what for.
    maxAttempts: 1,
    logger: SILENT,
  };
  const handler = () =>
    new NodeHttpHandler({
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
    });
  const ssm = new SSMClient({ ...common, requestHandler: handler() });
  const logs = new CloudWatchLogsClient({ ...common, requestHandler: handler() });
  await assertRegion(ssm);
  return {
    ssm,
    logs,
    destroy() {
      ssm.destroy();
      logs.destroy();
    },
  };
}
