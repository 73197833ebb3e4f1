import { Agent } from "../agent/agent.ts";
import { type Bootstrap, readBootstrap } from "../config/bootstrap.ts";
import { systemClock } from "../lib/clock.ts";
import type { RecordSink } from "../logs/logger.ts";
import type { CommandContext, CommonOptions } from "./context.ts";

/**
 * Reads the bootstrap configuration and builds the agent with the real clock and randomness.
 * @param sinks where log records go besides CloudWatch Logs
 * @throws AgentError (exit code 2)
 */
export async function startAgent(
  options: CommonOptions,
  context: CommandContext,
  sinks: readonly RecordSink[],
): Promise<{ readonly agent: Agent; readonly bootstrap: Bootstrap }> {
  const bootstrap = readBootstrap({ file: options.config, env: context.env });
  const agent = await Agent.start({
    bootstrap,
    env: context.env,
    workingDirectory: context.workingDirectory,
    clock: systemClock,
    random: Math.random,
    sinks,
  });
  return { agent, bootstrap };
}
