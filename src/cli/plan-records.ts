import type { Logger } from "../logs/logger.ts";
import type { Entry } from "../sweep/entry.ts";
import { pathText } from "../sweep/entry.ts";
import type { SweepReport } from "../sweep/report.ts";
import type { SweepObserver } from "../sweep/sweep.ts";

/** An observer that writes what a sweep would do as records. */
export interface PlanRecorder extends SweepObserver {
  finish(report: SweepReport): void;
}

/** One `file.planned` record an entry, and `sweep.completed` at the end, without metrics. */
export function makePlanRecorder(logger: Logger, keyOf: (entry: Entry) => string): PlanRecorder {
  return {
    onDecided(entry, decision) {
      const { action, ...rest } = decision;
      const fields = {
        ...rest,
        ...("settledAt" in rest ? { settledAt: new Date(rest.settledAt).toISOString() } : {}),
        ...("dueAt" in rest ? { dueAt: new Date(rest.dueAt).toISOString() } : {}),
      };
      const key = action === "transfer" ? { key: keyOf(entry) } : {};
      const bytes = Number(entry.fingerprint.bytes);
      logger.log("file.planned", { path: pathText(entry.path), bytes, action, ...fields, ...key });
    },
    onOutcome() {
      // A dry run has none.
    },
    onNotice() {
      // A dry run changes nothing.
    },
    onUnreadable(path, error) {
      logger.log("directory.unreadable", { path: pathText(path), message: error.message });
    },
    finish(report) {
      const { startedAt, ...counts } = report;
      logger.log("sweep.completed", {
        isDryRun: true,
        startedAt: new Date(startedAt).toISOString(),
        ...counts,
      });
    },
  };
}
