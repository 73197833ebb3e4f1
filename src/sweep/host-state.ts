import type { RecordFormat } from "../lib/record-log.ts";
import type { ClockAnchor } from "../lib/steady-clock.ts";
import type { SweepReport } from "./report.ts";

/** What the last completed sweep came to, for who asks later. */
export interface LastSweep
  extends Pick<SweepReport, (typeof COUNTS)[number] | "weakness" | "stoppedEarly"> {
  /** Real path of the watched directory. */
  readonly directory: string;
  readonly isInterrupted: boolean;
  readonly stateProblem: string | undefined;
}

/** What the file `host` of the state directory holds. */
export interface HostState {
  readonly anchor: ClockAnchor | undefined;
  /** Real paths of watched directories in which an earlier run may have left something. */
  readonly roots: readonly string[];
  readonly lastSweep: LastSweep | undefined;
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
  "filesUndeletable",
  "filesUnsettled",
  "filesWeak",
  "backlogFiles",
  "backlogBytes",
  "oldestSettledAgeSeconds",
  "directoriesUnreadable",
] as const satisfies readonly (keyof SweepReport)[];

/** Takes from a report what is kept. */
export function lastSweepOf(
  directory: string,
  report: SweepReport,
  stateProblem: string | undefined,
): LastSweep {
  const counts = Object.fromEntries(COUNTS.map((name) => [name, report[name]]));
  const { weakness, stoppedEarly, isInterrupted } = report;
  return {
    ...(counts as Record<(typeof COUNTS)[number], number>),
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
export function hostRecords({ anchor, roots, lastSweep }: HostState): readonly unknown[] {
  return [
    ...(anchor === undefined ? [] : [{ anchor }]),
    ...roots.map((root) => ({ root })),
    ...(lastSweep === undefined ? [] : [{ lastSweep }]),
  ];
}

/** Reads what may have been written by anybody: what is not understood is passed over. */
export function readHost(records: readonly unknown[]): HostState {
  let anchor: ClockAnchor | undefined;
  let lastSweep: LastSweep | undefined;
  const roots: string[] = [];
  for (const record of records) {
    if (typeof record !== "object" || record === null) continue;
    if ("root" in record && typeof record.root === "string") roots.push(record.root);
    if ("anchor" in record && isAnchor(record.anchor)) anchor = record.anchor;
    if ("lastSweep" in record) lastSweep = readSweep(record.lastSweep) ?? lastSweep;
  }
  return { anchor, roots, lastSweep };
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
    directory,
    weakness: text("weakness"),
    stoppedEarly: text("stoppedEarly"),
    isInterrupted: read["isInterrupted"] === true,
    stateProblem: text("stateProblem"),
  };
}

/** Milliseconds that `Date` takes. */
function isTime(value: unknown): boolean {
  return typeof value === "number" && !Number.isNaN(new Date(value).getTime());
}
