import { forEachConcurrently } from "../lib/concurrency.ts";
import { type Decision, decide } from "./decide.ts";
import type { Entry } from "./entry.ts";
import type { Outcome } from "./outcome.ts";
import { type SweepReport, Tally } from "./report.ts";
import { scan } from "./scan.ts";
import { type TransferContext, transfer } from "./transfer.ts";

/** Hears of everything that happens to a file, as it happens. */
export interface SweepObserver {
  onDecided(entry: Entry, decision: Decision): void;
  onOutcome(entry: Entry, outcome: Outcome): void;
  onUnreadable(path: Buffer, error: Error): void;
}

export interface SweepOptions extends TransferContext {
  readonly concurrency: number;
  readonly observer: SweepObserver;
  /** Decide and tell, but transfer nothing. */
  readonly isDryRun: boolean;
  /** Finish the files in flight, begin no other. */
  readonly stop: AbortSignal;
}

/**
 * After this many failures of the service in a row, with no success between, the destination is
 * taken to be down: a million files are not to fail one by one. More than the default concurrency,
 * so that one burst of throttling does not end a sweep.
 */
const SERVICE_FAILURES_MAX = 16;

/** One pass over the watched directory: scan, decide, transfer, add up. */
export async function sweep(options: SweepOptions): Promise<SweepReport> {
  const { clock, observer } = options;
  const startedAt = clock.now();
  const started = clock.monotonic();
  const tally = new Tally();
  let serviceFailures = 0;

  const sweepOne = async (entry: Entry): Promise<void> => {
    const decision = decide(entry, options.policy, clock.now());
    observer.onDecided(entry, decision);
    const { bytes } = entry.fingerprint;
    if (decision.action === "ignore") tally.filesIgnored += 1;
    else if (decision.action === "wait") tally.filesWaiting += 1;
    else if (decision.action === "keep") {
      tally.filesKept += 1;
      tally.addToBacklog(bytes, decision.settledAt);
    } else if (options.isDryRun) tally.addToBacklog(bytes, decision.settledAt);
    else {
      const outcome = await transferUnlessDown(entry);
      observer.onOutcome(entry, outcome);
      addOutcome(entry, outcome, decision.settledAt);
    }
  };

  const transferUnlessDown = async (entry: Entry): Promise<Outcome> => {
    const key = options.policy.keyOf(entry);
    if (options.stop.aborted) return { kind: "kept", reason: "interrupted", key };
    if (tally.stoppedEarly !== undefined) return { kind: "kept", reason: "deferred", key };
    return await transfer(entry, options);
  };

  const addOutcome = (entry: Entry, outcome: Outcome, settledAt: number): void => {
    if (outcome.kind === "removed") {
      tally.filesRemoved += 1;
      tally.bytesRemoved += outcome.bytes;
      serviceFailures = 0;
      return;
    }
    if (outcome.kind === "kept") {
      if (outcome.reason === "vanished") return;
      tally.filesKept += 1;
    } else {
      tally.filesFailed += 1;
      if (outcome.scope === "service") {
        tally.filesFailedByService += 1;
        serviceFailures += 1;
        if (serviceFailures >= SERVICE_FAILURES_MAX) {
          tally.stoppedEarly ??= `${outcome.reason}: ${outcome.message}`;
        }
      }
    }
    tally.addToBacklog(entry.fingerprint.bytes, settledAt);
  };

  await forEachConcurrently(
    scan(options.root, options.stop),
    options.concurrency,
    async (found) => {
      if (found.kind === "entry") return await sweepOne(found.entry);
      tally.directoriesUnreadable += 1;
      observer.onUnreadable(found.path, found.error);
    },
  );

  return tally.report({
    startedAt,
    endedAt: clock.now(),
    durationMs: clock.monotonic() - started,
    isInterrupted: options.stop.aborted,
  });
}
