import type { Config } from "../config/config.ts";
import type { Clock } from "../lib/clock.ts";
import { percentile } from "../lib/sample.ts";
import { secondsSince, timeText } from "../lib/time-text.ts";
import { routeMetrics } from "../logs/emf.ts";
import type { FieldsOf } from "../logs/events.ts";
import type { Logger } from "../logs/logger.ts";
import { type Entry, pathText } from "../sweep/entry.ts";
import type { FreeSpace } from "../sweep/filesystem.ts";
import type { Outcome } from "../sweep/outcome.ts";
import type { SweepReport } from "../sweep/report.ts";
import type { SweepObserver } from "../sweep/sweep.ts";

/** So many things that are told once are remembered; beyond that they are told again. */
const TOLD_MAX = 1_000;

/**
 * Writes one record for each file's outcome.
 * @param about.told what was told in earlier sweeps and is to be told once
 */
export function observeFiles(
  logger: Logger,
  {
    route,
    bucket,
    clock,
    told,
  }: {
    readonly route: string;
    readonly bucket: string;
    readonly clock: Clock;
    readonly told: Set<string>;
  },
): SweepObserver {
  const isNews = (what: string): boolean => {
    if (told.has(what)) return false;
    if (told.size >= TOLD_MAX) told.clear();
    told.add(what);
    return true;
  };
  return {
    onDecided(entry, decision) {
      const path = pathText(entry.path);
      const bytes = Number(entry.fingerprint.bytes);
      if (decision.action === "ignore") {
        const isOdd = decision.reason === "not-regular";
        if (isOdd && isNews(`${entry.type} ${path}`)) {
          logger.log("file.unsupported", { route, path, type: entry.type });
        }
        logger.log("file.ignored", { route, path, reason: decision.reason });
      } else if (decision.action === "defer") {
        const { reason, dueAt } = decision;
        logger.log("file.deferred", { route, path, bytes, reason, dueAt: timeText(dueAt) });
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
      tellOutcome(logger, entry, outcome, { route, bucket, now: clock.now() });
    },
    onUnreadable(path, error) {
      logger.log("directory.unreadable", { route, path: pathText(path), message: error.message });
    },
    onNotice(entry, notice) {
      const path = pathText(entry.path);
      if (notice.kind === "quarantined") {
        const { reason, message, failures } = notice.attempt;
        logger.log("file.quarantined", {
          route,
          path,
          at: pathText(entry.at),
          reason,
          message,
          failures,
        });
      } else if (notice.kind === "unsettled") {
        const sinceSeconds = Math.round(notice.sinceMs / 1_000);
        if (isNews(`unsettled ${path}`))
          logger.log("file.unsettled", { route, path, sinceSeconds });
      } else {
        logger.log(`file.${notice.kind}`, { route, path });
      }
    },
  };
}

function tellOutcome(
  logger: Logger,
  entry: Entry,
  outcome: Outcome,
  { route, bucket, now }: { readonly route: string; readonly bucket: string; readonly now: number },
): void {
  const modifiedAtMs = Number(entry.fingerprint.mtimeNs / 1_000_000n);
  const path = pathText(entry.path);
  const about = {
    route,
    path,
    bytes: Number(entry.fingerprint.bytes),
    bucket,
    key: outcome.key,
    ageSeconds: Math.round((now - modifiedAtMs) / 1_000),
  };
  if (outcome.kind === "kept") {
    logger.log("file.kept", { ...about, reason: outcome.reason });
  } else if (outcome.kind === "failed") {
    const { reason, scope, message, attempts } = outcome;
    logger.log("file.failed", { ...about, reason, scope, message, attempts });
  } else {
    const { key, bytes, sha256, attempts, uploadMs, wasStored, wasOpenedLate, rescuedAs } = outcome;
    logger.log("file.removed", {
      ...about,
      bytes,
      sha256,
      attempts,
      uploadMs,
      wasStored,
      wasOpenedLate,
      rescuedAs,
    });
    const late = { route, path, bucket, key, sha256 };
    if (rescuedAs !== undefined) logger.log("file.rescued", { ...late, rescuedAs });
    if (wasOpenedLate) logger.log("file.opened-late", late);
  }
}

/** The members of the `sweep.completed` record, with the sweep's metrics. */
export function sweepFields(
  report: SweepReport,
  about: {
    readonly fleet: string;
    readonly route: string;
    readonly config: Config;
    /** Of the watched directory's filesystem. Undefined: not known. */
    readonly free: FreeSpace | undefined;
    /** Wall-clock milliseconds. */
    readonly now: number;
  },
): FieldsOf<"sweep.completed"> {
  const { fleet, route, config, free, now } = about;
  const metrics = {
    both: {
      FilesRemoved: report.filesRemoved,
      BytesRemoved: report.bytesRemoved,
      FilesFailed: report.filesFailed,
      FilesQuarantined: report.filesQuarantined,
      FilesOpenedLate: report.filesOpenedLate,
      SweepDurationMs: report.durationMs,
      UploadLatencyMs: report.uploadLatencyMs,
    },
    // The heartbeat says of the fleet what these say of the route: none counts twice.
    route: {
      FilesWaiting: report.filesWaiting,
      FilesKept: report.filesKept,
      FilesDeferred: report.filesDeferred,
      FilesInQuarantine: report.filesInQuarantine,
      FilesUndeletable: report.filesUndeletable,
      FilesUnsettled: report.filesUnsettled,
      BacklogFiles: report.backlogFiles,
      BacklogBytes: report.backlogBytes,
      OldestSettledAgeSeconds: report.oldestSettledAgeSeconds,
      ConfigAgeSeconds: secondsSince(config.readAt, now),
      FreeBytes: free?.bytes,
      FreePercent: free?.percent,
    },
  };
  return {
    ...summaryFields(report, about),
    freeBytes: free?.bytes,
    freePercent: free?.percent,
    ...routeMetrics({ fleet, route }, metrics, now),
  };
}

/** What a sweep came to, without its metrics. */
export function summaryFields(
  report: SweepReport,
  { route, config }: { readonly route: string; readonly config: Config },
): FieldsOf<"sweep.completed"> {
  const latency = report.uploadLatencyMs.toSorted((one, other) => one - other);
  return {
    route,
    startedAt: timeText(report.startedAt),
    durationMs: report.durationMs,
    filesRemoved: report.filesRemoved,
    bytesRemoved: report.bytesRemoved,
    filesFailed: report.filesFailed,
    filesWaiting: report.filesWaiting,
    filesKept: report.filesKept,
    filesIgnored: report.filesIgnored,
    filesDeferred: report.filesDeferred,
    filesQuarantined: report.filesQuarantined,
    filesInQuarantine: report.filesInQuarantine,
    filesUndeletable: report.filesUndeletable,
    filesUnsettled: report.filesUnsettled,
    filesOpenedLate: report.filesOpenedLate,
    filesWeak: report.filesWeak,
    directoriesUnreadable: report.directoriesUnreadable,
    uploadLatencyP50Ms: percentile(latency, 50),
    uploadLatencyP99Ms: percentile(latency, 99),
    isInterrupted: report.isInterrupted,
    stoppedEarly: report.stoppedEarly,
    backlogFiles: report.backlogFiles,
    backlogBytes: report.backlogBytes,
    oldestSettledAgeSeconds: report.oldestSettledAgeSeconds,
    configHash: config.hash,
    cohort: config.cohort,
  };
}
