import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import type { Agent } from "../agent/agent.ts";
import type { Route } from "../agent/workplace.ts";
import type { Bootstrap } from "../config/bootstrap.ts";
import type { Config, RouteConfig } from "../config/config.ts";
import { systemClock } from "../lib/clock.ts";
import { AgentError, configurationError, ExitCode } from "../lib/errors.ts";
import { nearest } from "../lib/nearest.ts";
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
import { settleHost, startAgent } from "./start-agent.ts";
import { makeSweepPrinter } from "./sweep-printer.ts";

export interface SweepCommandOptions extends CommonOptions {
  readonly dryRun?: boolean;
  /** Only this route; undefined: all of them. */
  readonly route?: string;
}

/**
 * `sweep`: one sweep of each route now, one after the other. Its records go to CloudWatch Logs as
 * the daemon's do; on standard output there is text for people, or with `--json` one event a line,
 * the last of them `sweep.completed`. A dry run tells what would happen and leaves no trace.
 * @throws AgentError if it cannot begin its work, or a route's directory cannot be used; the other
 *   routes are swept before that
 */
export async function sweep(
  options: SweepCommandOptions,
  context: CommandContext,
): Promise<ExitCode> {
  const isDryRun = options.dryRun === true;
  const isJson = options.json === true;
  const output = untilCompleted(context);
  const { agent, bootstrap, host } = await startAgent(
    options,
    context,
    isJson && !isDryRun ? [output] : [],
  );
  try {
    const config = await agent.readConfigOrLast(context.stop, (error) => {
      warn(context, `${error.message} The last good configuration of before is used.`);
    });
    agent.follow(config);
    if (!isDryRun) {
      await settleHost(agent, host);
      agent.startShipping();
    }
    for (const { parameter, reason } of config.unknown) warn(context, `${parameter} ${reason}`);
    const routes = routesOf(config, options.route);
    output.expect(routes.length);
    const signals = { stop: context.stop, cancel: afterStopDeadline(context.stop) };
    const about = { agent, bootstrap, context, output, isDryRun, isJson };
    const reports: SweepReport[] = [];
    let failure: unknown;
    for (const route of routes) {
      try {
        if (context.stop.aborted) break;
        const report = await sweepRoute(route, config, signals, about);
        if (report !== undefined) reports.push(report);
      } catch (error) {
        if (!(error instanceof AgentError) || context.stop.aborted) throw error;
        if (failure !== undefined) warn(context, `${error.message} ${error.hint}`);
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
    return Math.max(ExitCode.done, ...reports.map(exitCodeOf)) as ExitCode;
  } finally {
    const { kept, lost } = await agent.stop();
    const what = "log records could not be sent to CloudWatch Logs";
    if (kept > 0) warn(context, `${kept} ${what}: they wait on disk for the next sweep`);
    if (lost > 0) warn(context, `${lost} ${what}`);
  }
}

interface About {
  readonly agent: Agent;
  readonly bootstrap: Bootstrap;
  readonly context: CommandContext;
  readonly output: RecordSink;
  readonly isDryRun: boolean;
  readonly isJson: boolean;
}

async function sweepRoute(
  routeConfig: RouteConfig,
  config: Config,
  signals: { readonly stop: AbortSignal; readonly cancel: AbortSignal },
  about: About,
): Promise<SweepReport | undefined> {
  const { agent, context, isDryRun, isJson } = about;
  await using route = await agent.workplace.openIfWanted(routeConfig, { isReadOnly: isDryRun });
  if (route === undefined) return undefined;
  if (!isJson && config.routes.length > 1) {
    context.stdout.write(`route ${routeConfig.name}: ${route.directory.path}\n`);
  }
  const teller = makeTeller(route, config, about);
  if (!isDryRun) {
    await agent.workplace.watchOnly(config, await watchedOf(config, context));
    await agent.waitForSteadyClock(route, context.stop, (ms) => {
      const text = `for ${formatDuration(ms)}, until the clock is known to run steadily`;
      context.stderr.write(`s3-offload-agent: waiting ${text}\n`);
    });
  }
  const observers = teller === undefined ? [] : [teller];
  const report = await agent.sweeper.sweep(route, config, signals, { isDryRun, observers });
  teller?.finish(report);
  return report;
}

/** @throws AgentError (exit code 2) if there is no route of that name */
function routesOf({ routes }: Config, name: string | undefined): readonly RouteConfig[] {
  const wanted = name === undefined ? routes : routes.filter((route) => route.name === name);
  if (wanted.length > 0) return wanted;
  const names = routes.map((route) => route.name);
  const near = nearest(name ?? "", names);
  throw configurationError(
    `There is no route ${JSON.stringify(name)}${near === undefined ? "" : `: did you mean ${near}?`}`,
    `Name one of ${names.join(", ")}, or leave --route out to sweep all.`,
  );
}

/** The real paths of what is watched, by whichever sweep. */
async function watchedOf(config: Config, { workingDirectory }: CommandContext) {
  const paths = config.routes.map(({ settings }) => resolve(workingDirectory, settings.directory));
  return await Promise.all(paths.map((path) => realpath(path).catch(() => path)));
}

/** Who tells of the sweep on standard output; undefined: the log records themselves do. */
function makeTeller(
  route: Route,
  config: Config,
  about: About,
): (SweepObserver & { finish(report: SweepReport): void }) | undefined {
  const { agent, bootstrap, context, isDryRun } = about;
  const { settings } = route.config;
  const keyOf = (entry: Entry) => agent.sweeper.keyOf(route.config, entry);
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
  const logger = makeLogger({
    clock: systemClock,
    random: Math.random,
    base: { fleet: bootstrap.fleet, host: bootstrap.hostId, version: VERSION },
    local: [about.output],
    state: [],
    files: [],
  });
  return makePlanRecorder(logger, { route: route.config.name, config, keyOf });
}

/** Whoever reads the events may rely on `sweep.completed` being the last. */
function untilCompleted(context: CommandContext): RecordSink & { expect(sweeps: number): void } {
  const sink = makeStreamSink(context.stdout);
  let left = 1;
  return {
    expect(sweeps) {
      left = sweeps;
    },
    write(line, timestamp) {
      if (left <= 0) return;
      sink.write(line, timestamp);
      if (line.includes('"event":"sweep.completed"')) left -= 1;
    },
  };
}

function warn(context: CommandContext, text: string): void {
  context.stderr.write(`s3-offload-agent: warning: ${text}\n`);
}
