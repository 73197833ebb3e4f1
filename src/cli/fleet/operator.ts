import { type AwsClients, makeClients } from "../../aws/clients.ts";
import { readBootstrap } from "../../config/bootstrap.ts";
import type { FleetPlace } from "../../fleet/keys.ts";
import type { CommandContext, CommonOptions } from "../context.ts";

/** What every command on an operator's machine may be told. */
export interface OperatorOptions extends CommonOptions {
  readonly fleet?: string;
  readonly region?: string;
  readonly parameterRoot?: string;
}

/** Which fleet it is about, and the services with the operator's own credentials. */
export interface Operator extends Disposable {
  readonly place: FleetPlace;
  readonly clients: AwsClients;
}

/**
 * Finds the fleet: options first, then `S3_OFFLOAD_` variables, then the bootstrap file, which an
 * operator's machine need not have.
 * @throws AgentError (exit code 2) if no fleet or no region is to be found
 */
export async function startOperator(
  options: OperatorOptions,
  { env }: CommandContext,
): Promise<Operator> {
  const { fleet, region, parameterRoot } = options;
  const said = {
    ...(fleet === undefined ? {} : { S3_OFFLOAD_FLEET: fleet }),
    ...(region === undefined ? {} : { S3_OFFLOAD_REGION: region }),
    ...(parameterRoot === undefined ? {} : { S3_OFFLOAD_PARAMETER_ROOT: parameterRoot }),
    // Nobody asks for the id of this machine, whose name may not even serve as one.
    S3_OFFLOAD_HOST_ID: "operator",
  };
  const bootstrap = readBootstrap({ file: options.config, env: { ...env, ...said } });
  const clients = await makeClients({
    region: bootstrap.region,
    roleArn: undefined,
    hostId: bootstrap.hostId,
    env,
  });
  return {
    place: { parameterRoot: bootstrap.parameterRoot, fleet: bootstrap.fleet },
    clients,
    [Symbol.dispose]: () => clients.destroy(),
  };
}
