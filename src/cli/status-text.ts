import type { RouteView } from "../agent/daemon-view.ts";
import { formatBytes, formatDuration } from "../lib/units.ts";
import type { Attempt } from "../sweep/attempts.ts";
import type { LastSweep } from "../sweep/host-state.ts";
import { daemonLines, lastSweepLines, nextSweepLines } from "./daemon-text.ts";
import type { FilesStatus, RouteStatus } from "./files-status.ts";
import type { Status } from "./status.ts";
import { printable, table } from "./text.ts";

/** So many files of a kind are listed for people; `--json` has them all. */
const LISTED_MAX = 20;

/** What `status` tells people. Pure. @param now wall-clock milliseconds */
export function statusText(status: Status, now: number): string {
  const { fleet, host, stateDirectory, files, daemon } = status;
  const view = daemon.liveness.kind === "running" ? daemon.view : undefined;
  const lines = [
    `fleet ${fleet}, host ${host}, state in ${stateDirectory}`,
    "",
    ...daemonLines(daemon, now),
    "",
    ...routesLines(files, view?.routes ?? [], now),
  ];
  const head = lines.map((line) => `${printable(line)}\n`).join("");
  const needs = status.needs.map((need) => `\nNEEDS YOU: ${printable(need)}\n`).join("");
  if (files === undefined) {
    return `${head}left out: what the state directory knows of single files. ${printable(status.filesProblem ?? "")}\n  way out: ask as the agent's user or as root (sudo)\n${needs}`;
  }
  return head + filesText(files, now) + needs;
}

function filesText(status: FilesStatus, now: number): string {
  const since = ({ firstSeenAt }: Attempt) => formatDuration(now - firstSeenAt);
  const nextTry = ({ dueAt }: Attempt) =>
    dueAt <= now ? "when settled" : `in ${formatDuration(dueAt - now)}`;
  const why = ({ reason, message }: Attempt) => [reason, message];
  const where = ({ bucket, key }: FilesStatus["undeletable"][number]) =>
    key === undefined ? "in the bucket" : `s3://${bucket}/${key}`;
  return [
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
function routesLines(
  files: FilesStatus | undefined,
  views: readonly RouteView[],
  now: number,
): readonly string[] {
  const sweeps = files?.sweeps ?? [];
  const names = new Set([...sweeps, ...views].map(({ route }) => route));
  if (names.size === 0) return ["no sweep has been completed yet", ""];
  return [...names].toSorted().flatMap((name) => {
    const known = sweeps.find(({ route }) => route === name);
    const view = views.find(({ route }) => route === name);
    return [
      ...(names.size > 1 ? [`route         ${name}`] : []),
      ...lastLines(files === undefined ? undefined : (known ?? NO_SWEEP), view, now),
      ...(view === undefined ? [] : nextSweepLines(view, now)),
      "",
    ];
  });
}

const NO_SWEEP = { lastSweep: undefined, failedSweep: undefined };

function lastLines(
  known: Pick<RouteStatus, "lastSweep" | "failedSweep"> | undefined,
  view: RouteView | undefined,
  now: number,
): readonly string[] {
  if (known === undefined) return view === undefined ? [] : lastSweepLines(view, now);
  const { lastSweep, failedSweep } = known;
  const last =
    lastSweep === undefined ? ["no sweep has been completed yet"] : sweepLines(lastSweep, now);
  if (failedSweep === undefined || view?.failure !== undefined) return last;
  const ago = formatDuration(now - failedSweep.startedAt);
  return [...last, `FAILED        ${ago} ago, as a whole: ${failedSweep.message}`];
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
