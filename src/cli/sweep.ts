import type { Agent } from "../agent/agent.ts";
import type { Route } from "../agent/workplace.ts";
import type { Bootstrap } from "../config/bootstrap.ts";
import { systemClock } from "../lib/clock.ts";
import type { ExitCode } from "../lib/errors.ts";
import { formatDuration } from "../lib/units.ts";
import { VERSION } from "../lib/version.ts";
import { makeLogger, type RecordSink } from "../logs/logger.ts";
import { makeStreamSink } from "../logs/stream-sink.ts";
import type { Entry } from "../sweep/entry.ts";
import { exitCodeOf, type SweepReport } from "../sweep/report.ts";
import type { SweepObserver } from "../sweep/sweep.ts";
import type { CommandContext, CommonOptions } from "./context.ts";
import { afterStopDeadline } from "./deadline.ts";
import { makePlanRecorder } from "./plan-records.ts";
import { startAgent } from "./start-agent.ts";
import { makeSweepPrinter } from "./sweep-printer.ts";

export interface SweepCommandOptions extends CommonOptions {
  readonly dryRun?: boolean;
}

/**
 * `sweep`: one sweep now. Its records go to CloudWatch Logs as the daemon's do; on standard output
 * there is text for people, or with `--json` one event a line, the last of them `sweep.completed`.
 * A dry run tells what would happen and leaves no trace.
 * @throws AgentError if it cannot begin its work
 */
export async function sweep(
  options: SweepCommandOptions,
  context: CommandContext,
): Promise<ExitCode> {
  const isDryRun = options.dryRun === true;
  const isJson = options.json === true;
  const { agent, bootstrap } = await startAgent(
    options,
    context,
    isJson && !isDryRun ? [untilCompleted(context)] : [],
    { savesHost: !isDryRun },
  );
  try {
    const config = await agent.readConfig(context.stop);
    agent.followLogSettings(config);
    if (!isDryRun) agent.startShipping();
    for (const parameter of config.unknownParameters) {
      warn(context, `this version does not know the parameter ${parameter}`);
    }
    await using route = await agent.openRoute(config, { isReadOnly: isDryRun });
    const teller = makeTeller(route, { agent, bootstrap, context, isDryRun, isJson });
    if (!isDryRun) {
      await agent.waitForSteadyClock(route, context.stop, (ms) => {
        const text = `for ${formatDuration(ms)}, until the clock is known to run steadily`;
        context.stderr.write(`s3-offload-agent: waiting ${text}\n`);
      });
    }
    const signals = { stop: context.stop, cancel: afterStopDeadline(context.stop) };
    const observers = teller === undefined ? [] : [teller];
    const report = await agent.sweep(route, signals, { isDryRun, observers });
    teller?.finish(report);
    return exitCodeOf(report);
  } finally {
    const left = await agent.stop();
    if (left > 0) warn(context, `${left} log records could not be sent to CloudWatch Logs`);
  }
}

/** Who tells of the sweep on standard output; undefined: the log records themselves do. */
function makeTeller(
  route: Route,
  about: {
    readonly agent: Agent;
    readonly bootstrap: Bootstrap;
    readonly context: CommandContext;
    readonly isDryRun: boolean;
    readonly isJson: boolean;
  },
): (SweepObserver & { finish(report: SweepReport): void }) | undefined {
  const { agent, bootstrap, context, isDryRun } = about;
  const { settings } = route.config;
  const keyOf = (entry: Entry) => agent.keyOf(route.config, entry);
  if (!about.isJson) {
    return makeSweepPrinter({
      context,
      clock: systemClock,
      bucket: settings.bucket,
      keyOf,
      isDryRun,
    });
  }
  if (!isDryRun) return undefined;
  const sinks = [makeStreamSink(context.stdout)];
  const logger = makeLogger({
    clock: systemClock,
    base: { fleet: bootstrap.fleet, host: bootstrap.hostId, version: VERSION },
    state: sinks,
    files: sinks,
  });
  return makePlanRecorder(logger, keyOf);
}

/** Whoever reads the events may rely on `sweep.completed` being the last. */
function untilCompleted(context: CommandContext): RecordSink {
  const sink = makeStreamSink(context.stdout);
  let isCompleted = false;
  return {
    write(line, timestamp) {
      if (isCompleted) return;
      sink.write(line, timestamp);
      isCompleted = line.includes('"event":"sweep.completed"');
    },
  };
}

function warn(context: CommandContext, text: string): void {
  context.stderr.write(`s3-offload-agent: warning: ${text}\n`);
}
