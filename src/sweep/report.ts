import type { Random } from "../lib/backoff.ts";
import { ExitCode } from "../lib/errors.ts";
import { Sample } from "../lib/sample.ts";
import type { Entry } from "./entry.ts";

/** What one sweep came to. */
export interface SweepReport {
  readonly startedAt: number;
  readonly durationMs: number;
  readonly filesRemoved: number;
  readonly bytesRemoved: number;
  readonly filesFailed: number;
  /** Of the failed ones, those that failed because the service did. */
  readonly filesFailedByService: number;
  /** Not settled yet. */
  readonly filesWaiting: number;
  /** Settled, and left for a reason that is no failure: too large, changed, interrupted, ... */
  readonly filesKept: number;
  /** Failed in an earlier sweep, and not yet due for the next try. */
  readonly filesDeferred: number;
  /** Set aside in this sweep, after failing again and again. */
  readonly filesQuarantined: number;
  /** In quarantine at the end, whichever sweep put them there. */
  readonly filesInQuarantine: number;
  /** In the bucket, but not to be removed here, at the end: those not tried in this sweep too. */
  readonly filesUndeletable: number;
  /** There for long, and never settled. */
  readonly filesUnsettled: number;
  /** Removed, although somebody had just opened them for writing. */
  readonly filesOpenedLate: number;
  /** How long uploads took until their proof, in milliseconds: a fair sample, in no order. */
  readonly uploadLatencyMs: readonly number[];
  /** Transferred on weaker checks, since no lease was to be had. */
  readonly filesWeak: number;
  /** Why not, for the first of them: a filesystem's name or the kernel's answer. */
  readonly weakness: string | undefined;
  /** Not regular, reserved, or not selected. */
  readonly filesIgnored: number;
  /** Settled files that are still on disk at the end. */
  readonly backlogFiles: number;
  readonly backlogBytes: number;
  /** How long the oldest file of the backlog has been settled, in seconds; 0 without a backlog. */
  readonly oldestSettledAgeSeconds: number;
  /** Parts of the watched directory that could not be read. */
  readonly directoriesUnreadable: number;
  /** Why transfers were stopped before the end; undefined if they were not. */
  readonly stoppedEarly: string | undefined;
  /** The agent was told to stop during this sweep. */
  readonly isInterrupted: boolean;
  /** What could not be written to the state directory, as `file: code`. */
  readonly stateProblem?: string | undefined;
}

/** A producer is done with a file within seconds; one that is not for this long is to be looked at. */
export const UNSETTLED_MS_MIN = 3_600_000;

/** As many as one metric of a record takes. */
const UPLOADS_SAMPLED_MAX = 100;

interface UnsettledContext {
  readonly policy: { readonly settleMs: number };
  readonly observer: {
    onNotice(entry: Entry, notice: { readonly kind: "unsettled"; readonly sinceMs: number }): void;
  };
}

/** Adds up what happens during a sweep. */
export class Tally {
  filesRemoved = 0;
  bytesRemoved = 0;
  filesFailed = 0;
  filesFailedByService = 0;
  filesWaiting = 0;
  filesKept = 0;
  filesIgnored = 0;
  filesDeferred = 0;
  filesQuarantined = 0;
  filesInQuarantine = 0;
  filesUndeletable = 0;
  filesUnsettled = 0;
  filesOpenedLate = 0;
  filesWeak = 0;
  weakness: string | undefined;
  backlogFiles = 0;
  backlogBytes = 0;
  directoriesUnreadable = 0;
  stoppedEarly: string | undefined;
  readonly uploads: Sample;
  #oldestSettledAt = Number.POSITIVE_INFINITY;

  constructor(random: Random) {
    this.uploads = new Sample(UPLOADS_SAMPLED_MAX, random);
  }

  /** Counts a settled file that stays. */
  addToBacklog(bytes: bigint, settledAt: number): void {
    this.backlogFiles += 1;
    this.backlogBytes += Number(bytes);
    this.#oldestSettledAt = Math.min(this.#oldestSettledAt, settledAt);
  }

  /** Counts a file that is in quarantine now and not in the backlog any more. */
  moveToQuarantine(bytes: bigint): void {
    this.filesQuarantined += 1;
    this.filesInQuarantine += 1;
    this.backlogFiles -= 1;
    this.backlogBytes -= Number(bytes);
  }

  /**
   * Takes in what is known of files that this sweep did not come to: it was interrupted, or the
   * destination is down.
   */
  addKnown(known: { readonly quarantined: number; readonly undeletable: number }): void {
    this.filesInQuarantine = Math.max(this.filesInQuarantine, known.quarantined);
    this.filesUndeletable = Math.max(this.filesUndeletable, known.undeletable);
  }

  /** Counts a file whose transfer rests on weaker checks. */
  addWeak(weakness: string): void {
    this.filesWeak += 1;
    this.weakness ??= weakness;
  }

  /** Counts a file that has been there for `sinceMs` and does not settle, if that is long. */
  addUnsettled(entry: Entry, sinceMs: number, { policy, observer }: UnsettledContext): void {
    if (sinceMs < UNSETTLED_MS_MIN + policy.settleMs) return;
    this.filesUnsettled += 1;
    observer.onNotice(entry, { kind: "unsettled", sinceMs });
  }

  /** @param times wall-clock milliseconds, and how long the sweep took by the monotonic clock */
  report(times: {
    startedAt: number;
    endedAt: number;
    durationMs: number;
    isInterrupted: boolean;
  }): SweepReport {
    const hasBacklog = this.backlogFiles > 0;
    const ageMs = hasBacklog ? Math.max(0, times.endedAt - this.#oldestSettledAt) : 0;
    return {
      startedAt: times.startedAt,
      durationMs: Math.round(times.durationMs),
      filesRemoved: this.filesRemoved,
      bytesRemoved: this.bytesRemoved,
      filesFailed: this.filesFailed,
      filesFailedByService: this.filesFailedByService,
      filesWaiting: this.filesWaiting,
      filesKept: this.filesKept,
      filesIgnored: this.filesIgnored,
      filesDeferred: this.filesDeferred,
      filesQuarantined: this.filesQuarantined,
      filesInQuarantine: this.filesInQuarantine,
      filesUndeletable: this.filesUndeletable,
      filesUnsettled: this.filesUnsettled,
      filesOpenedLate: this.filesOpenedLate,
      uploadLatencyMs: this.uploads.values,
      filesWeak: this.filesWeak,
      weakness: this.weakness,
      backlogFiles: this.backlogFiles,
      backlogBytes: this.backlogBytes,
      oldestSettledAgeSeconds: Math.round(ageMs / 1_000),
      directoriesUnreadable: this.directoriesUnreadable,
      stoppedEarly: this.stoppedEarly,
      isInterrupted: times.isInterrupted,
    };
  }
}

/**
 * What a sweep's command ends with: 3 if the service is the only thing that was in the way and
 * nothing went through, 1 if anything else failed, else 0.
 */
export function exitCodeOf(report: SweepReport): ExitCode {
  const isWell = report.filesFailed === 0 && report.directoriesUnreadable === 0;
  if (isWell) return report.stateProblem === undefined ? ExitCode.done : ExitCode.failed;
  const isServiceDown =
    report.filesRemoved === 0 &&
    report.directoriesUnreadable === 0 &&
    report.filesFailed === report.filesFailedByService;
  return isServiceDown ? ExitCode.unreachable : ExitCode.failed;
}
