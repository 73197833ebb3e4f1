import { summaryFields } from "../agent/sweep-records.ts";
import type { Config } from "../config/config.ts";
import { timeText } from "../lib/time-text.ts";
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
export function makePlanRecorder(
  logger: Logger,
  about: {
    readonly route: string;
    readonly config: Config;
    readonly keyOf: (entry: Entry) => string;
  },
): PlanRecorder {
  const { route } = about;
  return {
    onDecided(entry, decision) {
      logger.log("file.planned", {
        route,
        path: pathText(entry.path),
        bytes: Number(entry.fingerprint.bytes),
        action: decision.action,
        reason: "reason" in decision ? decision.reason : undefined,
        settledAt: "settledAt" in decision ? timeText(decision.settledAt) : undefined,
        dueAt: "dueAt" in decision ? timeText(decision.dueAt) : undefined,
        key: decision.action === "transfer" ? about.keyOf(entry) : undefined,
      });
    },
    onOutcome() {
      // A dry run has none.
    },
    onNotice() {
      // A dry run changes nothing.
    },
    onUnreadable(path, error) {
      logger.log("directory.unreadable", { route, path: pathText(path), message: error.message });
    },
    finish(report) {
      logger.log("sweep.completed", { ...summaryFields(report, about), isDryRun: true });
    },
  };
}
