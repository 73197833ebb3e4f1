import { resolve } from "node:path";
import { Agent } from "../agent/agent.ts";
import type { Bootstrap } from "../config/bootstrap.ts";
import { type Host, saveHost } from "../host/resolve-host.ts";
import { systemClock } from "../lib/clock.ts";
import type { RecordSink } from "../logs/logger.ts";
import type { CommandContext, CommonOptions } from "./context.ts";
import { readHost } from "./read-host.ts";

/**
 * Reads the bootstrap configuration, finds out who this host is, and builds the agent with the real
 * clock and randomness.
 * @param sinks where log records go besides CloudWatch Logs
 * @param how.savesHost whether this is an agent at work, and no mere look
 * @throws AgentError (exit code 2 or 3)
 */
export async function startAgent(
  options: CommonOptions,
  context: CommandContext,
  sinks: readonly RecordSink[],
  how: { readonly savesHost: boolean } = { savesHost: false },
): Promise<{ readonly agent: Agent; readonly bootstrap: Bootstrap; readonly host: Host }> {
  const { bootstrap, host } = await readHost(options, context);
  const { env, workingDirectory } = context;
  const agent = await Agent.start({
    bootstrap,
    env,
    workingDirectory,
    clock: systemClock,
    random: Math.random,
    sinks,
  });
  if (!how.savesHost) return { agent, bootstrap, host };
  const unsaved = await saveHost(resolve(workingDirectory, bootstrap.stateDirectory), host);
  const findings = [...host.findings, ...(unsaved === undefined ? [] : [unsaved])];
  return { agent, bootstrap, host: { ...host, findings } };
}
