import { makeLogReader } from "../aws/log-reader.ts";
import { makeLogQueries } from "../aws/logs-insights.ts";
import { makeOperatorClients } from "../aws/operator-clients.ts";
import { makeParameterSource } from "../aws/ssm.ts";
import { makeParameterHistory, makeParameterWriter } from "../aws/ssm-write.ts";
import type { ParameterSource } from "../config/parameters.ts";
import type { ExpectedHost } from "../fleet/hosts/expected-hosts.ts";
import { makeHeartbeatSource } from "../fleet/hosts/heartbeat-source.ts";
import type { HeartbeatSource } from "../fleet/live-hosts.ts";
import type { LogQueries, LogReader } from "../fleet/log-queries.ts";
import type { ParameterHistory, ParameterWriter } from "../fleet/parameter-store.ts";
import type { Patience } from "../fleet/read-fleet.ts";
import type { Clock } from "../lib/clock.ts";

/** What the operator's commands reach a fleet by. */
export interface FleetAccess {
  readonly region: string;
  readonly source: ParameterSource;
  readonly writer: ParameterWriter;
  readonly history: ParameterHistory;
  /** Undefined: there is none to ask. */
  readonly heartbeats: HeartbeatSource | undefined;
  readonly logs: FleetLogs;
  /** What waits are measured by. */
  readonly clock: Clock;
  close(): void;
}

/** What tells of the hosts that there are, and that there should be. */
export interface FleetLogs {
  readonly queries: LogQueries;
  readonly reader: LogReader;
  /**
   * The hosts that an inventory has for a fleet: EC2, or the managed nodes of Systems Manager.
   * @throws ServiceError; the signal's reason
   */
  expected(
    inventory: "ec2" | "ssm",
    fleet: string,
    patience: Patience,
  ): Promise<readonly ExpectedHost[]>;
}

/**
 * Reaches a fleet with the operator's own credentials, as the SDK finds them.
 * @param options.region undefined: as the SDK finds it
 * @throws AgentError (exit code 2) if no region is to be found
 */
export async function openFleetAccess(options: {
  readonly region: string | undefined;
  readonly parameterRoot: string;
  readonly clock: Clock;
}): Promise<FleetAccess> {
  const { parameterRoot, clock } = options;
  const clients = await makeOperatorClients(options.region);
  const queries = makeLogQueries(clients.logs, { clock, random: Math.random });
  return {
    region: clients.region,
    source: makeParameterSource(clients.ssm, clock),
    writer: makeParameterWriter(clients.ssm),
    history: makeParameterHistory(clients.ssm),
    heartbeats: makeHeartbeatSource({ queries, parameterRoot, clock }),
    logs: {
      queries,
      reader: makeLogReader(clients.logs),
      async expected(inventory, fleet, patience) {
        // EC2's client is the largest of all, and seldom needed.
        const { expectedOfEc2, expectedOfSsm } = await import("../aws/expected-hosts.ts");
        const read = inventory === "ec2" ? expectedOfEc2 : expectedOfSsm;
        return await read(clients.ssm, fleet, patience);
      },
    },
    clock,
    close: () => clients.destroy(),
  };
}
