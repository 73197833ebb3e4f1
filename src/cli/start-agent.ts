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
 * @throws AgentError (exit code 2 or 3)
 */
export async function startAgent(
  options: CommonOptions,
  context: CommandContext,
  sinks: readonly RecordSink[],
): Promise<{ readonly agent: Agent; readonly bootstrap: Bootstrap; readonly host: Host }> {
  const { bootstrap, host } = await readHost(options, context);
  const { env, workingDirectory } = context;
  const agent = await Agent.start({
    bootstrap,
    machine: host.machine,
    env,
    workingDirectory,
    clock: systemClock,
    random: Math.random,
    sinks,
  });
  return { agent, bootstrap, host };
}

/**
 * Opens the state directory, keeps who this host is for the next start, and tells what is odd about
 * it. Only whoever holds that directory may do so.
 */
export async function settleHost(agent: Agent, host: Host): Promise<void> {
  await agent.openState();
  const unsaved = await saveHost(agent.stateDirectory, host);
  for (const { kind, message, wayOut } of [...host.findings, ...(unsaved ? [unsaved] : [])]) {
    agent.logger.log(kind, { message, hint: wayOut, machine: host.machine });
  }
}
