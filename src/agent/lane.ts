import type { RouteConfig } from "../config/config.ts";
import type { Clock } from "../lib/clock.ts";
import { configurationError } from "../lib/errors.ts";
import { isLate } from "../schedule/lateness.ts";
import type { LastSweep } from "../sweep/host-state.ts";
import type { SweepProgress } from "../sweep/sweep-progress.ts";
import type { Route } from "./workplace.ts";

/** How a route's sweeps are. Times are wall-clock milliseconds. */
export interface LaneReport {
  readonly route: string;
  readonly directory: string;
  readonly nextSweepAt: number | undefined;
  readonly isSweeping: boolean;
  /** How far that sweep has got. */
  readonly underWay?: Pick<SweepProgress, "filesDone" | "filesInFlight"> | undefined;
  /** The last one that came to its end, in an earlier run of the agent if there was none in this. */
  readonly lastSweep: LastSweep | undefined;
  /** How long ago that was, in milliseconds, sleep of the machine included. */
  readonly sinceSweepMs: number | undefined;
  /** None has completed since the last but one due time. */
  readonly isLate: boolean;
  /** Why the last sweep could not be done at all. */
  readonly failure: string | undefined;
}

/** When something was, by each of the clocks. */
export type Instant = Readonly<Record<"now" | "monotonic" | "boottime", number>>;

/** A sweep under way. */
export interface UnderWay {
  readonly dueAt: number;
  /** On the monotonic clock. */
  readonly since: number;
  readonly progress: SweepProgress;
  /** The due times of its route that passed meanwhile, as far as they are counted. */
  missed: number;
}

/** A route with its own schedule. */
export interface Lane {
  readonly config: RouteConfig;
  /** Undefined: its directory could not be opened yet. */
  route: Route | undefined;
  nextSweepAt: number | undefined;
  underWay: UnderWay | undefined;
  lastSweep: LastSweep | undefined;
  /** When that ended; undefined: in an earlier run. */
  endedAt: Instant | undefined;
  /** When the last whole sweep ended, or the first one began to be waited for. */
  lateSince: Instant;
  failure: string | undefined;
  /** Its last sweep was ended for a configuration: the rest is not to wait for the schedule. */
  isCut: boolean;
}

/** How a lane is now. @param fraction the host's place within the splay of schedules */
export function reportOf(lane: Lane, fraction: number, clock: Clock): LaneReport {
  const { config, route, lastSweep, endedAt, lateSince } = lane;
  const awakeMs = clock.monotonic() - lateSince.monotonic;
  return {
    route: config.name,
    directory: route?.directory.path ?? config.settings.directory,
    nextSweepAt: lane.nextSweepAt,
    isSweeping: lane.underWay !== undefined,
    underWay: lane.underWay?.progress,
    lastSweep,
    sinceSweepMs: lastSweep && sinceSweepMs(lastSweep, endedAt, clock),
    isLate: isLate(config.schedule, fraction, { since: lateSince.now, awakeMs }),
    failure: lane.failure,
  };
}

function sinceSweepMs(
  { startedAt, durationMs }: LastSweep,
  endedAt: Instant | undefined,
  clock: Clock,
): number {
  if (endedAt !== undefined) return clock.boottime() - endedAt.boottime;
  return Math.max(0, clock.now() - (startedAt + durationMs));
}

export function instantOf(clock: Clock): Instant {
  return { now: clock.now(), monotonic: clock.monotonic(), boottime: clock.boottime() };
}

/** Links may lead two routes to one place, however their directories are written. */
export function assertApart(
  { name, settings }: RouteConfig,
  path: string | undefined,
  others: readonly Lane[],
): void {
  for (const { route } of others) {
    if (route === undefined || path === undefined) continue;
    const [own, other] = [`${path}/`, `${route.directory.path}/`];
    if (!own.startsWith(other) && !other.startsWith(own)) continue;
    throw configurationError(
      `The directory ${settings.directory} of route ${name} lies in that of route ${route.config.name}, or around it: ${path} and ${route.directory.path}.`,
      "Give each route a directory of its own, beside the others.",
    );
  }
}
