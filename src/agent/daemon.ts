import type { Config } from "../config/config.ts";
import { resolveParameters } from "../config/config.ts";
import type { Random } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import { AgentError, messageOf } from "../lib/errors.ts";
import type { LastKnownGoodFile } from "../refresh/last-known-good.ts";
import { type LastKnownGood, Refresher } from "../refresh/refresher.ts";
import type { Agent } from "./agent.ts";
import { type Beat, BeatFile } from "./beat-file.ts";
import { askBeforeHeartbeat } from "./before-heartbeat.ts";
import { type DaemonState, daemonStatus } from "./daemon-state.ts";
import { heartbeatFields } from "./heartbeat-record.ts";
import { Heartbeats, SLOT_MS } from "./heartbeats.ts";
import type { LaneReport } from "./lane.ts";
import { Lanes } from "./lanes.ts";
import type { ServiceReport } from "./service-report.ts";
import { serviceStatus } from "./service-status.ts";
import { StatusFile } from "./status-file.ts";
import { watchParameters } from "./watched-parameters.ts";

/** What the daemon needs of an agent. */
export type DaemonAgent = Pick<
  Agent,
  | "about"
  | "credentials"
  | "follow"
  | "host"
  | "lastKnownGood"
  | "logger"
  | "logs"
  | "parameters"
  | "progress"
  | "renewCredentialsIfDue"
  | "stateDirectory"
  | "sweeper"
  | "workplace"
>;

export interface DaemonOptions {
  readonly agent: DaemonAgent;
  readonly workingDirectory: string;
  /** Where the daemon says how it is, for `status`. */
  readonly statusDirectories: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  /** Finish the files in flight and end. */
  readonly stop: AbortSignal;
  /** Give up the files in flight. */
  readonly cancel: AbortSignal;
  /** Hears how the daemon is, and tells the service manager. */
  readonly service: Pick<ServiceReport, "changed" | "follow" | "ready" | "reloading">;
  /** Calls the function whenever a person asks for a refresh (SIGHUP). */
  onReload(refresh: () => void): void;
  /** How much is free on a directory's disk; default: what its filesystem says. */
  readonly freePercentOf?: (directory: string) => Promise<number | undefined>;
}

/** What could not be put into effect, such as a directory that is not there, is tried again then. */
const APPLY_AGAIN_MS = 60_000;

/**
 * The daemon: sweeps on schedule, follows the parameters, and shows that it is alive. It begins
 * with the last good configuration, and without one waits until there is one: nothing that the
 * Parameter Store says or does not say ends it.
 * @throws AgentError if the state directory cannot be used, or another agent uses it (exit code 4)
 */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const { agent, clock, random, stop, service } = options;
  const { logger, workplace, progress } = agent;
  const file = agent.lastKnownGood();
  const good = await progress.watch("the start", async () => {
    await workplace.openState(false);
    return await usable(options, file);
  });
  let onChange = () => {};
  let woken = Promise.withResolvers<void>();
  /** The configuration that was desired has been put into effect, or refused. */
  let tried = Promise.withResolvers<void>();

  const refresher = new Refresher({
    source: watchParameters(agent.parameters, progress),
    host: agent.host,
    logger,
    clock,
    random,
    lastKnownGood: good?.kept,
    keep: (kept) => progress.watch("the keeping of the configuration", () => file.keep(kept)),
    onDesired: () => woken.resolve(),
    onReport: () => onChange(),
  });
  const refreshNow = async () => {
    await refresher.refreshNow();
    if (refresher.desired !== undefined) await tried.promise;
  };
  options.onReload(() => void service.reloading(refreshNow()));
  const { hostId } = agent.host;
  const beatFile = new BeatFile(agent.stateDirectory);
  const lastBeat = await progress.watch("the start", () => beatFile.read());
  const lanes = new Lanes({
    ...options,
    sweeper: agent.sweeper,
    workplace,
    logger,
    progress,
    hostId,
    waitedMs: waitedBefore(lastBeat, clock.now()),
    effective: () => refresher.effective,
    onChange: () => onChange(),
  });
  const startedAt = clock.now();
  const stateNow = (): DaemonState => ({
    ...agent.about,
    startedAt,
    now: clock.now(),
    config: refresher.effective,
    refresh: refresher.report,
    lanes: lanes.reports,
    credentials: agent.credentials,
    logs: agent.logs,
    isStopping: stop.aborted,
  });
  const statusFile = new StatusFile(options.statusDirectories, {
    clock,
    read: () => daemonStatus(stateNow()),
  });
  onChange = () => {
    statusFile.write();
    service.changed();
  };
  service.follow(() => serviceStatus(stateNow()));
  const heartbeats = new Heartbeats({
    hostId,
    clock,
    lastSlot: lastBeat?.slot,
    keepSlot: (slot) =>
      progress.watch("a heartbeat", () => beatFile.keep({ slot, waitedMs: lanes.waitedMs })),
    beat: async (slotAt) => {
      using _task = progress.begin("a heartbeat");
      const { freePercent } = await askBeforeHeartbeat({
        renewCredentials: () => agent.renewCredentialsIfDue(),
        directories: [agent.stateDirectory, ...lanes.reports.map(({ directory }) => directory)],
        clock,
        stop,
        ...(options.freePercentOf && { freePercentOf: options.freePercentOf }),
      });
      const sweeps = lanes.takeCounts();
      logger.log(
        "agent.heartbeat",
        heartbeatFields({ ...stateNow(), slotAt, sweeps, freePercent }),
      );
      statusFile.write();
    },
  });

  try {
    if (good !== undefined) {
      await lanes.apply(good.config, { isKnownGood: true });
      await refresher.applied(good.config, undefined);
      tellApplied(agent, good.config, lanes.reports);
    }
    const putIntoEffect = async () => {
      while (!stop.aborted) {
        const { desired } = refresher;
        if (desired !== undefined) {
          try {
            await lanes.apply(desired.config, { isKnownGood: false });
            await refresher.applied(desired.config, desired);
            tellApplied(agent, desired.config, lanes.reports);
          } catch (error) {
            refresher.refused(
              messageOf(error),
              error instanceof AgentError ? error.hint : undefined,
            );
          }
          tried.resolve();
          tried = Promise.withResolvers();
        }
        onChange();
        const pause = refresher.desired === undefined ? Number.POSITIVE_INFINITY : APPLY_AGAIN_MS;
        const either = new AbortController();
        void woken.promise.then(() => either.abort());
        await clock.sleep(pause, AbortSignal.any([stop, either.signal])).catch(() => undefined);
        woken = Promise.withResolvers();
      }
    };
    service.ready();
    await Promise.all([refresher.run(stop), heartbeats.run(stop), putIntoEffect()]);
  } finally {
    await lanes.ended();
    await statusFile.end();
    await file.close();
  }
}

/** The last good configuration, if the bootstrap file of today and this version still take it. */
async function usable(
  { agent }: DaemonOptions,
  file: LastKnownGoodFile,
): Promise<{ readonly config: Config; readonly kept: LastKnownGood } | undefined> {
  let kept: LastKnownGood | undefined;
  try {
    kept = await file.load();
  } catch (error) {
    agent.logger.log("state.unwritable", { message: messageOf(error) });
  }
  if (kept === undefined) return undefined;
  const resolved = resolveParameters(kept.set, agent.host, kept.readAt);
  return "config" in resolved ? { config: resolved.config, kept } : undefined;
}

function tellApplied(agent: DaemonAgent, config: Config, lanes: readonly LaneReport[]): void {
  const swept = new Set(lanes.map(({ route }) => route));
  agent.follow(config);
  agent.logger.log("config.applied", {
    configHash: config.hash,
    cohort: config.cohort,
    routes: config.routes
      .filter(({ name }) => swept.has(name))
      .map(({ name, settings }) => ({
        route: name,
        bucket: settings.bucket,
        prefix: settings.prefix,
        directory: settings.directory,
        schedule: settings.schedule,
      })),
  });
  for (const { parameter, reason } of config.unknown) {
    agent.logger.log("config.unknown-parameter", { parameter, reason });
  }
}

/** How long an agent that was at work until just now, or one heartbeat ago, had waited for a sweep. */
function waitedBefore(beat: Beat | undefined, now: number): number {
  if (beat?.waitedMs === undefined) return 0;
  const agoMs = now - beat.slot * SLOT_MS;
  return agoMs >= 0 && agoMs < 3 * SLOT_MS ? beat.waitedMs : 0;
}
