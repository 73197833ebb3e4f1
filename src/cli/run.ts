import { runDaemon } from "../agent/daemon.ts";
import { systemClock } from "../lib/clock.ts";
import { AgentError, ExitCode, messageOf } from "../lib/errors.ts";
import { makeStreamSink } from "../logs/stream-sink.ts";
import type { CommandContext, CommonOptions } from "./context.ts";
import { afterStopDeadline } from "./deadline.ts";
import { settleHost, startAgent } from "./start-agent.ts";

/**
 * `run`: the daemon. Every record goes to standard output, one JSON object a line, and to
 * CloudWatch Logs.
 * @throws AgentError if it cannot begin its work
 */
export async function run(options: CommonOptions, context: CommandContext): Promise<ExitCode> {
  const output = makeStreamSink(context.stdout);
  const { agent, host } = await startAgent(options, context, [output]);
  output.onFlowing = (records) => agent.tellUnread(records);
  // From now on a SIGHUP must not end the process; one that comes too early is fulfilled later.
  let isWished = false;
  let refresh = () => {
    isWished = true;
  };
  context.onReload(() => refresh());
  context.stop.addEventListener("abort", () => agent.logger.log("agent.stopping", {}), {
    once: true,
  });
  agent.logger.log("agent.started", { pid: process.pid, node: process.versions.node });
  agent.startShipping();
  try {
    await settleHost(agent, host);
    await runDaemon({
      agent,
      workingDirectory: context.workingDirectory,
      statusDirectories: statusDirectories(agent.stateDirectory, context.env),
      clock: systemClock,
      random: Math.random,
      stop: context.stop,
      cancel: afterStopDeadline(context.stop),
      onReload: (refreshNow) => {
        refresh = refreshNow;
        if (isWished) refreshNow();
      },
    });
    agent.logger.log("agent.stopped", {});
    return ExitCode.done;
  } catch (error) {
    if (context.stop.aborted) return ExitCode.done;
    const { hint, exitCode } = error instanceof AgentError ? error : {};
    agent.logger.log("agent.failed", { message: messageOf(error), hint, exitCode });
    throw error;
  } finally {
    await agent.stop();
  }
}

/** The state directory is for who may enter it; systemd's runtime directory is for everybody. */
function statusDirectories(stateDirectory: string, env: CommandContext["env"]): readonly string[] {
  const runtime = env["RUNTIME_DIRECTORY"]?.split(":")[0];
  return runtime ? [stateDirectory, runtime] : [stateDirectory];
}
