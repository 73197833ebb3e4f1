import type { Config } from "../config/load.ts";
import type { Random } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import { AgentError, messageOf } from "../lib/errors.ts";
import { stableFraction } from "../lib/stable-fraction.ts";
import { nextRun } from "../schedule/schedule.ts";
import { Scheduler } from "../schedule/scheduler.ts";
import type { Agent } from "./agent.ts";
import { Refresher } from "./refresher.ts";
import type { Route } from "./workplace.ts";

export interface DaemonOptions {
  readonly agent: Agent;
  readonly hostId: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Finish the files in flight and end. */
  readonly stop: AbortSignal;
  /** Give up the files in flight. */
  readonly cancel: AbortSignal;
  /** Calls the function whenever a person asks for a refresh (SIGHUP). */
  onReload(refresh: () => void): void;
}

/**
 * The daemon: sweeps on schedule and follows the parameters. A changed configuration is read and
 * validated at any time, but applied only between two sweeps; one that is refused or cannot be
 * read changes nothing. Uploads never wait for the Parameter Store.
 * @throws AgentError if there is no valid configuration at the start
 */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const { agent, clock, stop } = options;
  let route = await agent.openRoute(await agent.readConfig(stop), { isReadOnly: false });
  try {
    agent.followLogSettings(route.config);
    tellApplied(agent, route.config);
    const scheduler = new Scheduler(clock);
    const refresher = new Refresher({
      readConfig: (signal) => agent.readConfig(signal),
      logger: agent.logger,
      clock,
      random: options.random,
      effective: route.config,
      onDesired: () => scheduler.wake(),
      stop,
    });
    options.onReload(() => refresher.refreshNow());
    const refreshing = refresher.run();

    await scheduler.run(
      async () => {
        const desired = refresher.takeDesired();
        if (desired !== undefined) route = await apply(agent, route, desired, refresher);
        // The same configuration, read again, is younger.
        route = { ...route, config: refresher.effective };
        const dueAt = nextRun(
          route.config.schedule,
          clock.now(),
          stableFraction(options.hostId, "sweep"),
        );
        agent.logger.log("sweep.scheduled", { dueAt: new Date(dueAt).toISOString() });
        return dueAt;
      },
      async (dueAt) => {
        route = await sweepOnce(options, route);
        tellOverrun(options, route, dueAt);
      },
      stop,
    );
    await refreshing;
  } finally {
    await route[Symbol.asyncDispose]();
  }
}

/** @returns the route, opened anew if its directory was replaced */
async function sweepOnce({ agent, stop, cancel }: DaemonOptions, route: Route): Promise<Route> {
  let current = route;
  try {
    current = await agent.refreshRoute(route);
    await agent.sweep(current, { stop, cancel }, { isDryRun: false, observers: [] });
  } catch (error) {
    // One sweep that fails as a whole is not the end: the next one may find things mended.
    const hint = error instanceof AgentError ? error.hint : undefined;
    agent.logger.log("sweep.failed", { message: messageOf(error), hint });
  }
  return current;
}

function tellOverrun(
  { agent, clock, hostId }: DaemonOptions,
  { config }: Route,
  dueAt: number,
): void {
  const nextDueAt = nextRun(config.schedule, dueAt, stableFraction(hostId, "sweep"));
  if (nextDueAt <= clock.now()) {
    agent.logger.log("sweep.overran", {
      dueAt: new Date(dueAt).toISOString(),
      nextDueAt: new Date(nextDueAt).toISOString(),
    });
  }
}

/** Puts a configuration into effect, between two sweeps. @returns the route that is in effect then */
async function apply(
  agent: Agent,
  current: Route,
  desired: Config,
  refresher: Refresher,
): Promise<Route> {
  try {
    const isSameDirectory = await agent.leadsTo(desired, current.directory);
    const route = isSameDirectory
      ? { ...current, config: desired }
      : await agent.openRoute(desired, { isReadOnly: false });
    if (!isSameDirectory) await current[Symbol.asyncDispose]();
    agent.followLogSettings(desired);
    refresher.setEffective(desired);
    tellApplied(agent, desired);
    return route;
  } catch (error) {
    refresher.tellRefused(error);
    return current;
  }
}

function tellApplied(agent: Agent, config: Config): void {
  const { bucket, prefix, directory, schedule } = config.settings;
  agent.logger.log("config.applied", {
    configHash: config.hash,
    bucket,
    prefix,
    directory,
    schedule,
  });
  for (const parameter of config.unknownParameters) {
    agent.logger.log("config.unknown-parameter", { parameter });
  }
}
