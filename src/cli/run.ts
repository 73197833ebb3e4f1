import type { Agent } from "../agent/agent.ts";
import { runDaemon } from "../agent/daemon.ts";
import { watchRoots } from "../agent/remade-roots.ts";
import { ServiceReport } from "../agent/service-report.ts";
import { systemClock } from "../lib/clock.ts";
import { AgentError, ExitCode, errnoOf, messageOf } from "../lib/errors.ts";
import { clearAmbientCapabilities } from "../lib/kernel.ts";
import {
  findServiceManager,
  type ServiceManager,
  withoutServiceManager,
} from "../lib/service-manager.ts";
import { makeStreamSink } from "../logs/stream-sink.ts";
import type { CommandContext, CommonOptions } from "./context.ts";
import { afterStopDeadline, STOP_MS_MAX } from "./deadline.ts";
import { settleHost, startAgent } from "./start-agent.ts";
import { whenConfigured } from "./wait-configured.ts";

/**
 * `run`: the daemon. Every record goes to standard output, one JSON object a line, and to
 * CloudWatch Logs. A service manager hears how it is, from the first moment on, and nobody else
 * has its socket or its capabilities.
 * @throws AgentError if it cannot begin its work
 */
export async function run(options: CommonOptions, given: CommandContext): Promise<ExitCode> {
  using manager = findServiceManager(given.env);
  const restart = new AbortController();
  const stop = AbortSignal.any([given.stop, restart.signal]);
  const context = { ...given, env: withoutServiceManager(given.env), stop };
  manager.status("starting");
  try {
    clearAmbientCapabilities();
    const exitCode = await runAgent(options, context, { manager, restart });
    // A service manager starts again what ends by itself.
    return restart.signal.aborted && !given.stop.aborted ? ExitCode.failed : exitCode;
  } catch (error) {
    // Systemd shows it until the next start.
    manager.status(context.stop.aborted ? "stopped" : failureText(error));
    throw error;
  }
}

async function runAgent(
  options: CommonOptions,
  context: CommandContext,
  about: { readonly manager: ServiceManager; readonly restart: AbortController },
): Promise<ExitCode> {
  const { manager, restart } = about;
  const output = makeStreamSink(context.stdout);
  const begin = () => startAgent(options, context, [output]);
  const clock = systemClock;
  const started = await whenConfigured(begin, options, context, { manager, clock });
  if (started === undefined) return ExitCode.done;
  const { agent, bootstrap, host } = started;
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
  const service = serviceReport(agent, context, manager);
  service.start();
  if (manager.isThere) {
    const { logger } = agent;
    const { allowedRoots } = bootstrap;
    const { workingDirectory, stop } = context;
    const onRemade = () => restart.abort(new Error("an allowed root was made anew"));
    void watchRoots({ allowedRoots, workingDirectory, logger, clock, stop, onRemade });
  }
  let last = "stopped";
  try {
    await agent.progress.watch("the start", () => settleHost(agent, host));
    await runDaemon({
      agent,
      workingDirectory: context.workingDirectory,
      statusDirectories: statusDirectories(agent.stateDirectory, context.env),
      clock,
      random: Math.random,
      stop: context.stop,
      cancel: afterStopDeadline(context.stop),
      service,
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
    last = failureText(error);
    throw error;
  } finally {
    await agent.stop();
    await service.end(last);
  }
}

/** A status is for everybody on the host: what was not written for people may hold anything. */
function failureText(error: unknown): string {
  const isForPeople = error instanceof AgentError || errnoOf(error) !== undefined;
  return `failed: ${isForPeople ? messageOf(error) : "see the journal"}`;
}

function serviceReport(agent: Agent, { stop }: CommandContext, manager: ServiceManager) {
  const { logger, progress } = agent;
  const stopMsMax = STOP_MS_MAX;
  return new ServiceReport({ manager, progress, logger, clock: systemClock, stop, stopMsMax });
}

/** The state directory is for who may enter it; systemd's runtime directory is for everybody. */
function statusDirectories(stateDirectory: string, env: CommandContext["env"]): readonly string[] {
  const runtime = env["RUNTIME_DIRECTORY"]?.split(":")[0];
  return runtime ? [stateDirectory, runtime] : [stateDirectory];
}
