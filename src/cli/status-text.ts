import { formatBytes, formatDuration } from "../lib/units.ts";
import type { Attempt } from "../sweep/attempts.ts";
import type { LastSweep } from "../sweep/host-state.ts";
import type { RouteStatus, Status } from "./status.ts";
import { printable, table } from "./text.ts";

/** So many files of a kind are listed for people; `--json` has them all. */
const LISTED_MAX = 20;

export interface StatusPlace {
  readonly fleet: string;
  readonly host: string;
  readonly stateDirectory: string;
  /** Wall-clock milliseconds. */
  readonly now: number;
}

/** What `status` tells people. Pure. */
export function statusText(status: Status, place: StatusPlace): string {
  const { now } = place;
  const since = ({ firstSeenAt }: Attempt) => formatDuration(now - firstSeenAt);
  const nextTry = ({ dueAt }: Attempt) =>
    dueAt <= now ? "when settled" : `in ${formatDuration(dueAt - now)}`;
  const why = ({ reason, message }: Attempt) => [reason, message];
  const where = ({ bucket, key }: Status["undeletable"][number]) =>
    key === undefined ? "in the bucket" : `s3://${bucket}/${key}`;
  return [
    `fleet ${place.fleet}, host ${place.host}, state in ${printable(place.stateDirectory)}\n`,
    sweepsText(status.sweeps, now),
    table([
      ["waiting", String(status.waiting.length), "not settled yet"],
      ["unsettled", String(status.unsettled.length), "of these for an hour or more"],
      ["failing", String(status.failing.length), "tried again later"],
      ["quarantine", String(status.quarantined.length), "set aside after failing again and again"],
      ["not removable", String(status.undeletable.length), "in the bucket, and still here"],
    ]),
    section(
      "Failing",
      ["path", "failures", "next try", "reason", "message"],
      status.failing,
      (one) => [String(one.failures), nextTry(one), ...why(one)],
    ),
    section(
      "In quarantine",
      ["path", "where", "failures", "reason", "message"],
      status.quarantined,
      (one) => [one.at, String(one.failures), ...why(one)],
      "mend what the reason says, then s3-offload-agent retry",
    ),
    section(
      "Not removable",
      ["path", "object", "next try", "message"],
      status.undeletable,
      (one) => [where(one), nextTry(one), one.message],
      "let the agent's user write to the file's directory (sticky, immutable, read-only?)",
    ),
    section(
      "Unsettled",
      ["path", "there for"],
      status.unsettled,
      (one) => [since(one)],
      "see what keeps it open for writing (fuser -v FILE) or changes it all the time",
    ),
    ...(status.isCut
      ? ["\nThere may be more: the agent remembers no more files of one directory than these.\n"]
      : []),
    ...status.damages.map(
      ({ path, reason }) =>
        `\n${printable(path)} is damaged: ${printable(reason)}. The agent sets it aside at its next start.\n`,
    ),
  ].join("");
}

/** A block for each route; the name of the only one tells nobody anything. */
function sweepsText(sweeps: readonly RouteStatus[], now: number): string {
  if (sweeps.length === 0) return "no sweep has been completed yet\n\n";
  const blocks = sweeps.map(({ route, lastSweep, failedSweep }) => [
    ...(sweeps.length > 1 ? [`route         ${route}`] : []),
    ...(lastSweep === undefined ? ["no sweep has been completed yet"] : sweepLines(lastSweep, now)),
    ...(failedSweep === undefined
      ? []
      : [
          `FAILED        ${formatDuration(now - failedSweep.startedAt)} ago, as a whole: ${failedSweep.message}`,
        ]),
  ]);
  return blocks.map((lines) => `${lines.map(printable).join("\n")}\n\n`).join("");
}

function sweepLines(sweep: LastSweep, now: number): string[] {
  const parts = [
    `${sweep.filesRemoved} removed (${formatBytes(sweep.bytesRemoved)})`,
    `${sweep.filesFailed} failed`,
    `${sweep.filesWaiting} waiting`,
    `${sweep.filesKept} staying`,
  ];
  const lines = [
    `last sweep    ${formatDuration(now - sweep.startedAt)} ago, of ${sweep.directory}, in ${formatDuration(sweep.durationMs)}`,
    `              ${parts.join(", ")}`,
  ];
  const note = (text: string) => lines.push(`              ${text}`);
  if (sweep.backlogFiles > 0) {
    const oldest = formatDuration(sweep.oldestSettledAgeSeconds * 1_000);
    note(
      `backlog ${sweep.backlogFiles} files (${formatBytes(sweep.backlogBytes)}), the oldest settled for ${oldest}`,
    );
  }
  if (sweep.directoriesUnreadable > 0) {
    note(`${sweep.directoriesUnreadable} unreadable directories: see the logs, or sweep --dry-run`);
  }
  if (sweep.filesWeak > 0) {
    note(`without a lease (${sweep.weakness}): ${sweep.filesWeak} files, on weaker checks`);
  }
  if (sweep.stoppedEarly !== undefined) note(`stopped early: ${sweep.stoppedEarly}`);
  if (sweep.isInterrupted) note("interrupted before the end");
  if (sweep.stateProblem !== undefined) {
    note(`the state directory could not be written: ${sweep.stateProblem}`);
  }
  return lines;
}

/** One kind of files, by watched directory; empty if there are none. */
function section<T extends Attempt>(
  title: string,
  columns: readonly string[],
  files: readonly T[],
  cells: (file: T) => readonly string[],
  wayOut?: string,
): string {
  let text = "";
  for (const [root, group] of Map.groupBy(files, (file) => file.root)) {
    const listed = group.slice(0, LISTED_MAX);
    const rows = listed.map((file) => [file.path, ...cells(file)].map(printable));
    text += `\n${title}, in ${printable(root)}\n${table([columns, ...rows])}`;
    if (group.length > LISTED_MAX) text += `and ${group.length - LISTED_MAX} more: see --json\n`;
  }
  return text === "" || wayOut === undefined ? text : `${text}  way out: ${wayOut}\n`;
}
