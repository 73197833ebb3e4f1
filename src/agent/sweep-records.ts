import type { Config } from "../config/load.ts";
import type { Clock } from "../lib/clock.ts";
import { emfFields, type Metrics } from "../logs/emf.ts";
import type { Logger } from "../logs/logger.ts";
import { pathText } from "../sweep/entry.ts";
import type { SweepReport } from "../sweep/report.ts";
import type { SweepObserver } from "../sweep/sweep.ts";

/** Writes one record for each file's outcome. */
export function observeFiles(
  logger: Logger,
  {
    route,
    bucket,
    clock,
  }: { readonly route: string; readonly bucket: string; readonly clock: Clock },
): SweepObserver {
  return {
    onDecided(entry, decision) {
      const path = pathText(entry.path);
      const bytes = Number(entry.fingerprint.bytes);
      if (decision.action === "ignore") {
        logger.log("file.ignored", { route, path, reason: decision.reason });
      } else if (decision.action === "wait") {
        const settledAt = timeText(decision.settledAt);
        logger.log("file.waiting", { route, path, bytes, reason: decision.reason, settledAt });
      } else if (decision.action === "keep") {
        logger.log("file.kept", { route, path, bytes, reason: decision.reason });
      }
    },
    onOutcome(entry, outcome) {
      // When the destination is down, `stoppedEarly` says so once for all of them.
      if (outcome.kind === "kept" && outcome.reason === "deferred") return;
      const { kind, ...fields } = outcome;
      const modifiedAtMs = Number(entry.fingerprint.mtimeNs / 1_000_000n);
      logger.log(`file.${kind}`, {
        route,
        path: pathText(entry.path),
        bytes: Number(entry.fingerprint.bytes),
        bucket,
        ...fields,
        ageSeconds: Math.round((clock.now() - modifiedAtMs) / 1_000),
      });
    },
    onUnreadable(path, error) {
      logger.log("directory.unreadable", { route, path: pathText(path), message: error.message });
    },
  };
}

/** The members of the `sweep.completed` record, with the sweep's metrics. */
export function sweepFields(
  report: SweepReport,
  about: {
    readonly fleet: string;
    readonly route: string;
    readonly config: Config;
    readonly logEventsDropped: number;
    /** Undefined: not known. */
    readonly freeBytes: number | undefined;
    /** Wall-clock milliseconds. */
    readonly now: number;
  },
): Record<string, unknown> {
  const metrics: Metrics = {
    FilesRemoved: [report.filesRemoved, "Count"],
    BytesRemoved: [report.bytesRemoved, "Bytes"],
    FilesFailed: [report.filesFailed, "Count"],
    FilesWaiting: [report.filesWaiting, "Count"],
    FilesKept: [report.filesKept, "Count"],
    BacklogFiles: [report.backlogFiles, "Count"],
    BacklogBytes: [report.backlogBytes, "Bytes"],
    OldestSettledAgeSeconds: [report.oldestSettledAgeSeconds, "Seconds"],
    SweepDurationMs: [report.durationMs, "Milliseconds"],
    ConfigAgeSeconds: [Math.round((about.now - about.config.readAt) / 1_000), "Seconds"],
    LogEventsDropped: [about.logEventsDropped, "Count"],
    ...(about.freeBytes === undefined ? {} : { FreeBytes: [about.freeBytes, "Bytes"] as const }),
  };
  return {
    route: about.route,
    startedAt: timeText(report.startedAt),
    durationMs: report.durationMs,
    filesRemoved: report.filesRemoved,
    bytesRemoved: report.bytesRemoved,
    filesFailed: report.filesFailed,
    filesWaiting: report.filesWaiting,
    filesKept: report.filesKept,
    filesIgnored: report.filesIgnored,
    directoriesUnreadable: report.directoriesUnreadable,
    isInterrupted: report.isInterrupted,
    ...(report.stoppedEarly === undefined ? {} : { stoppedEarly: report.stoppedEarly }),
    configHash: about.config.hash,
    ...emfFields(metrics, { fleet: about.fleet, route: about.route }, about.now),
  };
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}
