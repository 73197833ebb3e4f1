import type { RecordFormat } from "../lib/record-log.ts";
import type { ClockAnchor } from "../lib/steady-clock.ts";
import type { SweepReport } from "./report.ts";

/** The route of an agent that knew of one only. */
const DEFAULT_ROUTE = "default";

/** What the last completed sweep of a route came to, for who asks later. */
export interface LastSweep
  extends Pick<SweepReport, (typeof COUNTS)[number] | "weakness" | "stoppedEarly"> {
  readonly route: string;
  /** Real path of the watched directory. */
  readonly directory: string;
  readonly isInterrupted: boolean;
  readonly stateProblem: string | undefined;
}

/** A sweep that failed as a whole, after the last completed one of its route. */
export interface FailedSweep {
  readonly route: string;
  /** In wall-clock milliseconds. */
  readonly startedAt: number;
  readonly message: string;
}

/** What the file `host` of the state directory holds. */
export interface HostState {
  readonly anchor: ClockAnchor | undefined;
  /** Real paths of watched directories in which an earlier run may have left something. */
  readonly roots: readonly string[];
  /** At most one of each route. */
  readonly sweeps: readonly LastSweep[];
  readonly failedSweeps: readonly FailedSweep[];
}

export const HOST_FORMAT: RecordFormat = { format: "s3-offload-agent host", version: 1 };

const COUNTS = [
  "startedAt",
  "durationMs",
  "filesRemoved",
  "bytesRemoved",
  "filesFailed",
  "filesWaiting",
  "filesKept",
  "filesDeferred",
  "filesQuarantined",
  "filesInQuarantine",
  "filesUndeletable",
  "filesUnsettled",
  "filesOpenedLate",
  "filesWeak",
  "backlogFiles",
  "backlogBytes",
  "oldestSettledAgeSeconds",
  "directoriesUnreadable",
] as const satisfies readonly (keyof SweepReport)[];

/** Takes from a report what is kept. @param about the route, and the real path of its directory */
export function lastSweepOf(
  about: { readonly route: string; readonly directory: string },
  report: SweepReport,
  stateProblem: string | undefined,
): LastSweep {
  const counts = Object.fromEntries(COUNTS.map((name) => [name, report[name]]));
  const { weakness, stoppedEarly, isInterrupted } = report;
  const { route, directory } = about;
  return {
    ...(counts as Record<(typeof COUNTS)[number], number>),
    route,
    directory,
    weakness,
    stoppedEarly,
    isInterrupted,
    stateProblem,
  };
}

/** Whether a sweep met anything that a person should look at. */
export function isFailedSweep(sweep: LastSweep): boolean {
  return (
    sweep.filesFailed > 0 ||
    sweep.directoriesUnreadable > 0 ||
    sweep.stoppedEarly !== undefined ||
    sweep.stateProblem !== undefined
  );
}

/** The records of the file. */
export function hostRecords({ anchor, roots, sweeps, failedSweeps }: HostState) {
  return [
    ...(anchor === undefined ? [] : [{ anchor }]),
    ...roots.map((root) => ({ root })),
    ...sweeps.map((lastSweep) => ({ lastSweep })),
    ...failedSweeps.map((failedSweep) => ({ failedSweep })),
  ];
}

/** Reads what may have been written by anybody: what is not understood is passed over. */
export function readHost(records: readonly unknown[]): HostState {
  let anchor: ClockAnchor | undefined;
  const roots: string[] = [];
  const sweeps = new Map<string, LastSweep>();
  const failedSweeps = new Map<string, FailedSweep>();
  for (const record of records) {
    if (typeof record !== "object" || record === null) continue;
    if ("root" in record && typeof record.root === "string") roots.push(record.root);
    if ("anchor" in record && isAnchor(record.anchor)) anchor = record.anchor;
    const sweep = "lastSweep" in record ? readSweep(record.lastSweep) : undefined;
    if (sweep !== undefined) sweeps.set(sweep.route, sweep);
    const failed = "failedSweep" in record ? readFailed(record.failedSweep) : undefined;
    if (failed !== undefined) failedSweeps.set(failed.route, failed);
  }
  return { anchor, roots, sweeps: [...sweeps.values()], failedSweeps: [...failedSweeps.values()] };
}

function isAnchor(value: unknown): value is ClockAnchor {
  if (typeof value !== "object" || value === null) return false;
  const { bootId, offsetMs, steadySinceBootMs } = value as Record<string, unknown>;
  return (
    typeof bootId === "string" && Number.isFinite(offsetMs) && Number.isFinite(steadySinceBootMs)
  );
}

function readSweep(value: unknown): LastSweep | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const read = value as Record<string, unknown>;
  const text = (name: string) => (typeof read[name] === "string" ? read[name] : undefined);
  const directory = text("directory");
  if (directory === undefined || !isTime(read["startedAt"])) return undefined;
  // A count that another version did not know is no reason to forget the rest.
  const counts = Object.fromEntries(
    COUNTS.map((name) => [name, Number.isFinite(read[name]) ? read[name] : 0]),
  );
  return {
    ...(counts as Record<(typeof COUNTS)[number], number>),
    route: text("route") ?? DEFAULT_ROUTE,
    directory,
    weakness: text("weakness"),
    stoppedEarly: text("stoppedEarly"),
    isInterrupted: read["isInterrupted"] === true,
    stateProblem: text("stateProblem"),
  };
}

function readFailed(value: unknown): FailedSweep | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { route, startedAt, message } = value as Record<string, unknown>;
  if (typeof route !== "string" || typeof message !== "string") return undefined;
  return isTime(startedAt) ? { route, startedAt, message } : undefined;
}

/** Milliseconds that `Date` takes. */
function isTime(value: unknown): value is number {
  return typeof value === "number" && !Number.isNaN(new Date(value).getTime());
}
