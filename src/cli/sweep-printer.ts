import type { Clock } from "../lib/clock.ts";
import { formatBytes, formatDuration } from "../lib/units.ts";
import { type Entry, pathText } from "../sweep/entry.ts";
import type { SweepReport } from "../sweep/report.ts";
import type { SweepObserver } from "../sweep/sweep.ts";
import type { CommandContext } from "./context.ts";
import { printable } from "./text.ts";

/** What the reasons mean, for people. */
const REASONS: Readonly<Record<string, string>> = {
  young: "changed too recently",
  future: "its time lies in the future",
  "clock-set": "the clock may just have been set",
  "too-large": "larger than 50 TB, which is what S3 takes",
  "not-regular": "not a regular file",
  "reserved-name": "a name of the filesystem's or the agent's own",
  excluded: "not selected by include and exclude",
  changed: "it changed meanwhile",
  busy: "a process has it open for writing",
  vanished: "somebody else removed it",
  interrupted: "the agent is stopping",
};

/** Progress on a terminal is drawn at most this often. */
const DRAW_MS = 100;

export interface SweepPrinterOptions {
  readonly context: CommandContext;
  readonly clock: Clock;
  readonly bucket: string;
  readonly keyOf: (entry: Entry) => string;
  readonly isDryRun: boolean;
}

/** An observer that tells a person what a sweep does, and sums it up at the end. */
export interface SweepPrinter extends SweepObserver {
  finish(report: SweepReport): void;
}

/** One line a file, a line of progress where the output is a terminal, and a summary. */
export function makeSweepPrinter(options: SweepPrinterOptions): SweepPrinter {
  const { context, clock, bucket, isDryRun } = options;
  let entries = 0;
  let drawnAt = Number.NEGATIVE_INFINITY;

  const clear = () => {
    if (context.isTerminal && drawnAt > Number.NEGATIVE_INFINITY)
      context.stdout.write("\r\u001b[K");
  };
  const print = (text: string) => {
    clear();
    context.stdout.write(`${printable(text)}\n`);
  };
  const line = (word: string, entry: Entry, detail: string) => {
    const path = pathText(entry.path);
    print(`${word.padEnd(9)} ${path}${detail === "" ? "" : `  ${detail}`}`);
  };
  const draw = () => {
    entries += 1;
    if (!context.isTerminal || clock.monotonic() - drawnAt < DRAW_MS) return;
    clear();
    drawnAt = clock.monotonic();
    context.stdout.write(`${entries} files looked at`);
  };

  return {
    onDecided(entry, decision) {
      draw();
      if (decision.action === "transfer") {
        if (isDryRun) line("would go", entry, `-> s3://${bucket}/${options.keyOf(entry)}`);
        return;
      }
      const reason = REASONS[decision.reason] ?? decision.reason;
      if (decision.action === "wait") {
        const left = formatDuration(decision.settledAt - clock.now());
        line("waits", entry, `(${reason}, ${left} to go)`);
      } else if (decision.action === "defer") {
        const left = formatDuration(decision.dueAt - clock.now());
        line("waits", entry, `(failed before: ${reason}, next try in ${left})`);
      } else if (decision.action === "keep" || isDryRun) {
        line("stays", entry, `(${reason})`);
      }
    },
    onOutcome(entry, outcome) {
      if (outcome.kind === "removed") {
        line("removed", entry, `-> s3://${bucket}/${outcome.key}  ${formatBytes(outcome.bytes)}`);
      } else if (outcome.kind === "kept") {
        if (outcome.reason === "deferred") return;
        line("stays", entry, `(${REASONS[outcome.reason] ?? outcome.reason})`);
      } else {
        line("FAILED", entry, `(${outcome.reason}: ${outcome.message})`);
      }
    },
    onUnreadable(path, error) {
      print(`${"FAILED".padEnd(9)} ${pathText(path)}  (cannot be read: ${error.message})`);
    },
    onNotice(entry, notice) {
      if (notice.kind === "quarantined") {
        const { reason, failures } = notice.attempt;
        line("set aside", entry, `(${reason}, ${failures} times)`);
      } else if (notice.kind === "unsettled") {
        line("unsettled", entry, `(there for ${formatDuration(notice.sinceMs)})`);
      } else {
        line(notice.kind, entry, "");
      }
    },
    finish(report) {
      if (report.filesWeak > 0) {
        print(`without a lease (${report.weakness}): ${report.filesWeak} files, on weaker checks`);
      }
      if (report.stateProblem !== undefined) {
        print(`the state directory cannot be written: ${report.stateProblem}`);
      }
      if (report.stoppedEarly !== undefined) print(`stopped early: ${report.stoppedEarly}`);
      if (report.isInterrupted) print("interrupted before the end");
      print(summaryOf(report, isDryRun));
    },
  };
}

function summaryOf(report: SweepReport, isDryRun: boolean): string {
  const parts = isDryRun
    ? [`${report.backlogFiles - report.filesKept} would go`]
    : [
        `${report.filesRemoved} removed (${formatBytes(report.bytesRemoved)})`,
        `${report.filesFailed} failed`,
      ];
  parts.push(`${report.filesWaiting} waiting`, `${report.filesKept} staying`);
  if (report.filesDeferred > 0) parts.push(`${report.filesDeferred} to be tried later`);
  if (report.filesInQuarantine > 0) parts.push(`${report.filesInQuarantine} in quarantine`);
  if (report.filesIgnored > 0) parts.push(`${report.filesIgnored} ignored`);
  if (report.directoriesUnreadable > 0)
    parts.push(`${report.directoriesUnreadable} unreadable directories`);
  return `${isDryRun ? "Dry run, nothing done: " : ""}${parts.join(", ")} in ${formatDuration(report.durationMs)}`;
}
