import { makeClients } from "../aws/clients.ts";
import { makeParameterSource } from "../aws/ssm.ts";
import { makeParameterHistory, makeParameterWriter } from "../aws/ssm-write.ts";
import type { ParameterSource } from "../config/parameters.ts";
import type { HeartbeatSource } from "../fleet/live-hosts.ts";
import type { ParameterHistory, ParameterWriter } from "../fleet/parameter-store.ts";
import type { Clock } from "../lib/clock.ts";

/** What the operator's commands reach a fleet by. */
export interface FleetAccess {
  readonly region: string;
  readonly source: ParameterSource;
  readonly writer: ParameterWriter;
  readonly history: ParameterHistory;
  /** Undefined: there is none to ask. */
  readonly heartbeats: HeartbeatSource | undefined;
  /** What waits are measured by. */
  readonly clock: Clock;
  close(): void;
}

/**
 * Reaches a fleet with the operator's own credentials, as the SDK finds them.
 * @param options.region undefined: as the SDK finds it
 * @throws AgentError (exit code 2) if no region is to be found
 */
export async function openFleetAccess(options: {
  readonly region: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
}): Promise<FleetAccess> {
  const { region, env, clock } = options;
  const clients = await makeClients({ region, env, roleArn: undefined, hostId: "operator" });
  return {
    region: await clients.ssm.config.region(),
    source: makeParameterSource(clients.ssm, clock),
    writer: makeParameterWriter(clients.ssm),
    history: makeParameterHistory(clients.ssm),
    heartbeats: undefined,
    clock,
    close: () => clients.destroy(),
  };
}
