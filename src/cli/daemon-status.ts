import { resolve } from "node:path";
import { type DaemonView, type Liveness, livenessOf, readDaemon } from "../agent/daemon-view.ts";
import { formatDuration } from "../lib/units.ts";
import { timeText } from "./files-status.ts";

/** What a daemon said of itself last, and whether it is still there. */
export interface DaemonReport {
  readonly view: DaemonView | undefined;
  readonly liveness: Liveness;
  /** Why what the daemon wrote cannot be read; undefined: it can, or there is nothing. */
  readonly unreadable: string | undefined;
}

/** A daemon writes at each heartbeat, which are ten minutes apart at most. */
const SILENT_MS_MAX = 15 * 60_000;
/** A new configuration may hold a sweep up until those under way have ended. */
const OVERDUE_MS_MAX = 15 * 60_000;
/** A network that is down for less than this mends itself more often than not. */
const UNREACHABLE_MS_MAX = 3_600_000;

/** systemd's runtime directory of the unit, in which everybody may read. */
const RUNTIME_DIRECTORY = "/run/s3-offload-agent";

/**
 * Finds the daemon that works with a state directory: by what it writes there, and for those who
 * may not enter it, in the runtime directory. Asks the kernel whether it is still there.
 * @param about.fleet undefined: whichever it works for
 */
export async function findDaemon(about: {
  readonly stateDirectory: string;
  readonly fleet: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}): Promise<DaemonReport> {
  const { stateDirectory, fleet, env } = about;
  const runtime = env["RUNTIME_DIRECTORY"]?.split(":")[0] || RUNTIME_DIRECTORY;
  const found = await Promise.all([stateDirectory, runtime].map(readDaemon));
  const views = found
    .flatMap((one) => (one.kind === "found" ? one.view : []))
    // In the runtime directory may be another agent's, of another bootstrap file.
    .filter((view) => view.stateDirectory === undefined || view.stateDirectory === stateDirectory)
    .filter((view) => [view.fleet, undefined].includes(fleet))
    .toSorted((one, other) => other.writtenAt - one.writtenAt);
  const [view] = views;
  const unreadable = found.flatMap((one) => (one.kind === "unreadable" ? one.reason : []))[0];
  return {
    view,
    liveness: await livenessOf(resolve(stateDirectory), view?.pid),
    unreadable: view === undefined ? unreadable : undefined,
  };
}

/**
 * What of a daemon needs a person, in sentences. One that was stopped needs nobody, and what it
 * said before counts no longer; one that is not there although nobody stopped it does. Pure.
 */
export function daemonNeeds({ view, liveness }: DaemonReport, now: number): readonly string[] {
  if (view === undefined) return [];
  if (liveness.kind === "gone") {
    return view.isStopping
      ? []
      : [
          `The daemon (process ${view.pid}) is not there, and nobody has stopped it: see journalctl -u s3-offload-agent, then systemctl restart s3-offload-agent.`,
        ];
  }
  if (liveness.kind === "held") return [];
  const needs: string[] = [];
  const silentMs = now - view.writtenAt;
  if (silentMs > SILENT_MS_MAX) {
    needs.push(
      `The daemon has told nothing of itself for ${formatDuration(silentMs)}: it hangs, or its disk is full.`,
    );
  }
  const { refusal, unreachable, unreachableSince = now } = view.configuration;
  if (refusal !== undefined) {
    needs.push(
      `The desired configuration is not in effect: ${refusal} The last good one goes on; mend the parameters (config check).`,
    );
  }
  if (unreachable !== undefined && now - unreachableSince > UNREACHABLE_MS_MAX) {
    needs.push(
      `The parameters cannot be read for ${formatDuration(now - unreachableSince)}: ${unreachable} See doctor.`,
    );
  }
  if (areCredentialsOver(view)) {
    needs.push(`There are no credentials: ${view.credentials.failure} See doctor.`);
  }
  for (const { route, failure } of view.routes) {
    if (failure !== undefined) needs.push(`Route ${route} cannot be swept: ${failure}`);
  }
  for (const route of view.routes) {
    const overdueMs = overdueMsOf(route, now);
    if (overdueMs > OVERDUE_MS_MAX) {
      needs.push(
        `The next sweep of route ${route.route} is overdue by ${formatDuration(overdueMs)}.`,
      );
    } else if (route.isLate && route.failure === undefined) {
      needs.push(
        `No sweep of route ${route.route} has been completed since the last but one due time${route.isSweeping ? ", and one is under way still" : ""}: there is more to do than the schedule has time for, or something holds it up (see the logs).`,
      );
    }
  }
  return needs;
}

/** Those in use had ended when the daemon wrote it, or there never were any, and others are not to be had. */
function areCredentialsOver({ credentials, writtenAt }: DaemonView): boolean {
  const { failure, source, expiresAt } = credentials;
  if (failure === undefined) return false;
  return source === undefined || (expiresAt !== undefined && expiresAt <= writtenAt);
}

/** How long ago the next sweep should have begun, in milliseconds. */
export function overdueMsOf(
  { nextSweepAt, isSweeping }: DaemonView["routes"][number],
  now: number,
): number {
  return nextSweepAt === undefined || isSweeping ? 0 : Math.max(0, now - nextSweepAt);
}

/** As `status --json` has it: times are ISO 8601, what is not known is null. */
export function daemonJson({ view, liveness, unreadable }: DaemonReport, now: number) {
  const time = (ms: number | undefined) => (ms === undefined ? null : timeText(ms));
  const heldBy = liveness.kind === "held" ? liveness.by : null;
  if (view === undefined) return { isRunning: null, heldBy, unreadable: unreadable ?? null };
  const { configuration, credentials } = view;
  return {
    isRunning: liveness.kind === "running",
    heldBy,
    isStopped: view.isStopping,
    pid: view.pid,
    version: view.version ?? null,
    startedAt: time(view.startedAt),
    writtenAt: time(view.writtenAt),
    configuration: {
      effectiveHash: configuration.effectiveHash ?? null,
      desiredHash: configuration.desiredHash ?? null,
      cohort: configuration.cohort ?? null,
      refusal: configuration.refusal ?? null,
      unreachable: configuration.unreachable ?? null,
      unreachableSince: time(configuration.unreachableSince),
      readAt: time(configuration.readAt),
      answeredAt: time(configuration.answeredAt),
      nextPollAt: time(configuration.nextPollAt),
    },
    routes: view.routes.map((route) => ({
      route: route.route,
      directory: route.directory ?? null,
      isSweeping: route.isSweeping,
      isLate: route.isLate,
      nextSweepAt: time(route.nextSweepAt),
      overdueSeconds: Math.round(overdueMsOf(route, now) / 1_000),
      failure: route.failure ?? null,
      lastSweep:
        route.lastSweep === undefined
          ? null
          : { ...route.lastSweep, startedAt: time(route.lastSweep.startedAt) },
    })),
    credentials: {
      source: credentials.source ?? null,
      expiresAt: time(credentials.expiresAt),
      failure: credentials.failure ?? null,
    },
    logs: { waiting: view.logs.waiting ?? null, dropped: view.logs.dropped ?? null },
  };
}
