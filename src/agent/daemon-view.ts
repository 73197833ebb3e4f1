import { open } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, isErrno, messageOf } from "../lib/errors.ts";
import { lockHolders } from "../lib/lock-holder.ts";
import { STATUS_FILE } from "./status-file.ts";

/** What a daemon said of itself last. Times are wall-clock milliseconds; undefined: it did not say. */
export interface DaemonView {
  readonly pid: number;
  readonly version: string | undefined;
  readonly fleet: string | undefined;
  readonly host: string | undefined;
  readonly stateDirectory: string | undefined;
  readonly startedAt: number | undefined;
  readonly writtenAt: number;
  readonly isStopping: boolean;
  readonly configuration: {
    readonly effectiveHash: string | undefined;
    readonly desiredHash: string | undefined;
    readonly cohort: string | undefined;
    readonly refusal: string | undefined;
    readonly unreachable: string | undefined;
    readonly unreachableSince: number | undefined;
    readonly readAt: number | undefined;
    readonly answeredAt: number | undefined;
    readonly nextPollAt: number | undefined;
  };
  readonly routes: readonly RouteView[];
  readonly credentials: {
    readonly source: string | undefined;
    readonly expiresAt: number | undefined;
    readonly failure: string | undefined;
  };
  readonly logs: { readonly waiting: number | undefined; readonly dropped: number | undefined };
}

export interface RouteView {
  readonly route: string;
  readonly directory: string | undefined;
  readonly nextSweepAt: number | undefined;
  readonly isSweeping: boolean;
  /** No sweep has been completed since the last but one due time. */
  readonly isLate: boolean;
  /** Why the last sweep could not be done at all. */
  readonly failure: string | undefined;
  readonly lastSweep: SweepView | undefined;
}

/** The counts of a sweep that everybody may know; what another version did not know is 0. */
export interface SweepView {
  readonly startedAt: number;
  readonly durationMs: number;
  readonly filesRemoved: number;
  readonly filesFailed: number;
  readonly filesWaiting: number;
  readonly filesInQuarantine: number;
  readonly filesUndeletable: number;
  readonly backlogFiles: number;
  readonly backlogBytes: number;
  readonly oldestSettledAgeSeconds: number;
}

/** A daemon's file has a few KiB; 32 routes with long reasons stay well below this. */
const FILE_BYTES_MAX = 1_024 * 1_024;

/** What was found of a daemon in one directory. */
export type DaemonFound =
  | { readonly kind: "found"; readonly view: DaemonView }
  | { readonly kind: "none" }
  | { readonly kind: "unreadable"; readonly reason: string };

/** Reads what a daemon says of itself. @param directory the state directory or the runtime directory */
export async function readDaemon(directory: string): Promise<DaemonFound> {
  try {
    await using file = await open(join(directory, STATUS_FILE));
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(FILE_BYTES_MAX) });
    const view = parseDaemon(buffer.toString("utf8", 0, bytesRead));
    if (view !== undefined) return { kind: "found", view };
    return { kind: "unreadable", reason: `${STATUS_FILE} is not what a daemon writes` };
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return { kind: "none" };
    return { kind: "unreadable", reason: errnoOf(error) ?? messageOf(error) };
  }
}

/** Reads a file that another version, or anybody, may have written; undefined: it is no daemon's. Pure. */
export function parseDaemon(text: string): DaemonView | undefined {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    return undefined;
  }
  const top = membersOf(read);
  const [pid, writtenAt] = [top.number("pid"), top.time("writtenAt")];
  if (pid === undefined || writtenAt === undefined) return undefined;
  const configuration = membersOf(top.value("configuration"));
  const credentials = membersOf(top.value("credentials"));
  const logs = membersOf(top.value("logs"));
  const routes = top.value("routes");
  return {
    pid,
    version: top.text("version"),
    fleet: top.text("fleet"),
    host: top.text("host"),
    stateDirectory: top.text("stateDirectory"),
    startedAt: top.time("startedAt"),
    writtenAt,
    isStopping: top.value("isStopping") === true,
    configuration: {
      effectiveHash: configuration.text("effectiveHash"),
      desiredHash: configuration.text("desiredHash"),
      cohort: configuration.text("cohort"),
      refusal: configuration.text("refusal"),
      unreachable: configuration.text("unreachable"),
      unreachableSince: configuration.time("unreachableSince"),
      readAt: configuration.time("readAt"),
      answeredAt: configuration.time("answeredAt"),
      nextPollAt: configuration.time("nextPollAt"),
    },
    routes: Array.isArray(routes) ? routes.flatMap(routeOf) : [],
    credentials: {
      source: credentials.text("source"),
      expiresAt: credentials.time("expiresAt"),
      failure: credentials.text("failure"),
    },
    logs: { waiting: logs.number("waiting"), dropped: logs.number("dropped") },
  };
}

function routeOf(value: unknown): readonly RouteView[] {
  const members = membersOf(value);
  const route = members.text("route");
  if (route === undefined) return [];
  return [
    {
      route,
      directory: members.text("directory"),
      nextSweepAt: members.time("nextSweepAt"),
      isSweeping: members.value("isSweeping") === true,
      isLate: members.value("isLate") === true,
      failure: members.text("failure"),
      lastSweep: sweepOf(members.value("lastSweep")),
    },
  ];
}

function sweepOf(value: unknown): SweepView | undefined {
  const members = membersOf(value);
  const startedAt = members.time("startedAt");
  if (startedAt === undefined) return undefined;
  const count = (name: string) => members.number(name) ?? 0;
  return {
    startedAt,
    durationMs: count("durationMs"),
    filesRemoved: count("filesRemoved"),
    filesFailed: count("filesFailed"),
    filesWaiting: count("filesWaiting"),
    filesInQuarantine: count("filesInQuarantine"),
    filesUndeletable: count("filesUndeletable"),
    backlogFiles: count("backlogFiles"),
    backlogBytes: count("backlogBytes"),
    oldestSettledAgeSeconds: count("oldestSettledAgeSeconds"),
  };
}

function membersOf(object: unknown) {
  const members =
    typeof object === "object" && object !== null ? (object as Record<string, unknown>) : {};
  const text = (name: string): string | undefined => {
    const value = members[name];
    return typeof value === "string" ? value : undefined;
  };
  return {
    value: (name: string): unknown => members[name],
    text,
    number(name: string): number | undefined {
      const value = members[name];
      return typeof value === "number" && Number.isFinite(value) ? value : undefined;
    },
    /** ISO 8601 as milliseconds. */
    time(name: string): number | undefined {
      const ms = Date.parse(text(name) ?? "");
      return Number.isNaN(ms) ? undefined : ms;
    },
  };
}

/** Whether a daemon is at work. */
export type Liveness =
  | { readonly kind: "running" }
  /** Another process has the state directory: a sweep, or a daemon that has not told yet of itself. */
  | { readonly kind: "held"; readonly by: number }
  | { readonly kind: "gone" };

/**
 * Whether the daemon of a process id is at work: it holds the lock on its state directory for as
 * long as it lives, and the kernel tells everybody of it.
 * @param pid undefined: any process is another one
 */
export async function livenessOf(
  stateDirectory: string,
  pid: number | undefined,
): Promise<Liveness> {
  const holders = await lockHolders(stateDirectory).catch(() => []);
  if (pid !== undefined && holders.some((holder) => holder.pid === pid)) return { kind: "running" };
  const other = holders.find(({ isSameDevice }) => isSameDevice);
  return other === undefined ? { kind: "gone" } : { kind: "held", by: other.pid };
}
