import { forEachConcurrently, type Share } from "../lib/concurrency.ts";
import type { Attempt, Attempts } from "./attempts.ts";
import { type Candidate, type CandidateContext, candidates } from "./candidates.ts";
import type { Decision } from "./decide.ts";
import type { Entry } from "./entry.ts";
import { oldestFirst } from "./oldest-first.ts";
import { failedHere, kept, type Outcome, withCode } from "./outcome.ts";
import { quarantine } from "./quarantine.ts";
import { type SweepReport, Tally } from "./report.ts";
import { stillStands } from "./still-stands.ts";
import { SweepProgress } from "./sweep-progress.ts";
import { type TransferContext, transfer } from "./transfer.ts";

import type { UploadSubject } from "./upload-records.ts";

/** Hears of everything that happens to a file, as it happens. */
export interface SweepObserver {
  onDecided(entry: Entry, decision: Decision): void;
  onOutcome(entry: Entry, outcome: Outcome): void;
  onUnreadable(path: Buffer, error: Error): void;
  onNotice(entry: Entry, notice: Notice): void;
}

/** What else is worth telling of a file. */
export type Notice =
  /** A leftover of a crash has its name back. */
  | { readonly kind: "restored" }
  /** It failed again and again, and was set aside. */
  | { readonly kind: "quarantined"; readonly attempt: Attempt }
  /** It was in quarantine and has changed: it is a file like any other again. */
  | { readonly kind: "released" }
  /** It has been there for so long, in milliseconds, and never settled. */
  | { readonly kind: "unsettled"; readonly sinceMs: number };

export interface SweepOptions extends Omit<TransferContext, "onWeak" | "onUploaded" | "marks"> {
  readonly attempts: Attempts;
  readonly concurrency: number;
  /** For the files that are open; all sweeps of the process have their share of these. */
  readonly places: Share;
  /** How many candidates are held in memory at once; see `windowMaxOf`. */
  readonly windowMax: number;
  /** Failures after which a file is set aside; 0: never. */
  readonly quarantineAfter: number;
  readonly observer: SweepObserver;
  /** How far it has got; default: nobody asks. */
  readonly progress?: SweepProgress;
  /** Decide and tell, but change nothing. */
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

/** How many candidates all sweeps together hold in memory, a few hundred bytes each. */
export const WINDOW_MAX = 4_096;

/** With fewer the order of age means little. */
const WINDOW_MIN = 256;

/**
 * Files that stand aside each hold a descriptor; Linux gives a service 1,024 or more of them. Of
 * all sweeps together.
 */
export const OPEN_FILES_MAX = 512;

/** How many candidates each of so many sweeps holds in memory. */
export function windowMaxOf(sweeps: number): number {
  return Math.max(WINDOW_MIN, Math.floor(WINDOW_MAX / Math.max(1, sweeps)));
}

/** One pass over the watched directory: scan, decide, transfer, add up. */
export async function sweep(options: SweepOptions): Promise<SweepReport> {
  return await new Sweep(options).run();
}

class Sweep {
  readonly #options: SweepOptions;
  readonly #tally: Tally;
  readonly #removals = new Set<Promise<void>>();
  /** Inodes of files with several names, one of which is under way. */
  readonly #linked = new Set<bigint>();
  readonly #context: TransferContext & CandidateContext;
  readonly #progress: SweepProgress;
  #failures: { readonly entry: Entry; readonly attempt: Attempt }[] = [];
  #serviceFailures = 0;

  constructor(options: SweepOptions) {
    this.#options = options;
    const { progress = new SweepProgress() } = options;
    this.#progress = progress;
    const tally = new Tally(options.random);
    this.#tally = tally;
    this.#context = {
      ...options,
      tally,
      marks: progress.marks,
      onWeak: (weakness) => tally.addWeak(weakness),
      onUploaded: (ms) => tally.uploads.add(ms),
    };
  }

  async run(): Promise<SweepReport> {
    const { clock, stop, isDryRun, attempts, root, windowMax } = this.#options;
    const startedAt = clock.now();
    const started = clock.monotonic();
    attempts.begin(root);
    const ordered = oldestFirst(candidates(this.#context), windowMax);
    try {
      await forEachConcurrently(ordered, this.#options.concurrency, (one) => this.#begin(one));
    } finally {
      await Promise.all(this.#removals);
    }
    if (!isDryRun) {
      await this.#quarantine();
      await this.#endOrphans();
      const isWhole = !stop.aborted && this.#tally.directoriesUnreadable === 0;
      // A disk in trouble has been told of by the state directory.
      await attempts.end(root, isWhole).catch(() => undefined);
      await this.#options.ledger.compact().catch(() => undefined);
    }
    this.#tally.addKnown(attempts.count(root));
    return this.#tally.report({
      startedAt,
      endedAt: clock.now(),
      durationMs: clock.monotonic() - started,
      isInterrupted: stop.aborted,
    });
  }

  /** Resolves when the file is uploaded: its removal mostly waits, and others need not. */
  async #begin(candidate: Candidate): Promise<void> {
    const { entry } = candidate;
    const key = this.#options.policy.keyOf(entry);
    await this.#progress.marks.waitFor(this.#options.places.take());
    // Asked only now: much may have happened while it waited for a place.
    const isDown = this.#tally.stoppedEarly !== undefined;
    if (this.#options.stop.aborted || isDown) {
      this.#options.places.giveBack();
      return this.#end(
        candidate,
        kept(this.#options.stop.aborted ? "interrupted" : "deferred", key),
      );
    }
    if (!this.#takeInode(entry)) {
      this.#options.places.giveBack();
      return this.#end(candidate, kept("changed", key));
    }
    this.#progress.filesInFlight += 1;
    const result = await transfer(entry, this.#context).catch((error: unknown) => {
      // Others live on what this sweep gives back, however it ends.
      this.#giveBack(entry);
      throw error;
    });
    if (result.kind !== "uploaded") {
      this.#giveBack(entry);
      return this.#end(candidate, result);
    }
    // The service works, however long the removal takes: it is not down.
    this.#serviceFailures = 0;
    const removal = result
      .remove()
      .catch((error: unknown): Outcome => failedHere("unexpected", error, key))
      .then((outcome) => {
        this.#giveBack(entry);
        this.#end(candidate, outcome);
      })
      .finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }

  /**
   * Two names of one file must not go at once: each rename changes the ctime of both, so both would
   * be taken for changed, in every sweep.
   */
  #takeInode({ fingerprint: { inode, links } }: Entry): boolean {
    if (links === 1n) return true;
    if (this.#linked.has(inode)) return false;
    this.#linked.add(inode);
    return true;
  }

  #giveBack({ fingerprint: { inode, links } }: Entry): void {
    this.#progress.filesInFlight -= 1;
    this.#options.places.giveBack();
    if (links > 1n) this.#linked.delete(inode);
  }

  #end(candidate: Candidate, outcome: Outcome): void {
    const { entry, settledAt } = candidate;
    this.#progress.filesDone += 1;
    this.#progress.marks.mark("file");
    this.#options.observer.onOutcome(entry, outcome);
    this.#remember(entry, outcome);
    const tally = this.#tally;
    if (outcome.kind === "removed") {
      tally.filesRemoved += 1;
      tally.bytesRemoved += outcome.bytes;
      if (outcome.wasOpenedLate) tally.filesOpenedLate += 1;
      return;
    }
    if (outcome.kind === "kept") {
      if (outcome.reason === "vanished") return;
      // Somebody writes to it: it is not settled, and no backlog of ours.
      if (outcome.reason === "busy") {
        tally.filesWaiting += 1;
        return;
      }
      tally.filesKept += 1;
    } else {
      tally.filesFailed += 1;
      if (outcome.reason === "not-removable") tally.filesUndeletable += 1;
      if (outcome.scope === "service") tally.filesFailedByService += 1;
      if (outcome.scope !== "file") this.#serviceFailures += 1;
      if (this.#serviceFailures >= SERVICE_FAILURES_MAX) {
        tally.stoppedEarly ??= withCode(outcome.reason, outcome.message);
      }
    }
    tally.addToBacklog(entry.fingerprint.bytes, settledAt);
  }

  #remember(entry: Entry, outcome: Outcome): void {
    const { attempts, root, clock, random } = this.#options;
    if (outcome.kind === "failed" && outcome.scope === "file") {
      const attempt = attempts.failed(root, entry, outcome, { now: clock.now(), random });
      this.#failures.push({ entry, attempt });
    } else if (outcome.kind === "kept" && outcome.reason === "busy") {
      const sinceMs = attempts.waits(root, entry, clock.now());
      this.#context.tally.addUnsettled(entry, sinceMs, this.#options);
    } else if (
      outcome.kind === "removed" ||
      (outcome.kind === "kept" && outcome.reason === "vanished")
    ) {
      attempts.forget(root, entry);
    } else {
      attempts.isThere(root, entry);
    }
  }

  /** Ends the uploads in parts that nobody will go on with: their file is gone, or another one. */
  async #endOrphans(): Promise<void> {
    const { states, store, stop, root, directories, destination } = this.#options;
    if (stop.aborted || this.#tally.stoppedEarly !== undefined) return;
    const isCurrent = async (subject: UploadSubject): Promise<boolean> => {
      this.#progress.marks.mark("orphan");
      if (subject.destination.bucket !== destination.bucket) return false;
      return await stillStands(subject, directories);
    };
    const of = { root: Buffer.from(root), store, isCurrent, signal: stop };
    await states.abortOrphans(of).catch((error: unknown) => {
      if (!stop.aborted) throw error;
    });
  }

  /** Sets aside what has failed often enough, but only if the fault was its own: others went. */
  async #quarantine(): Promise<void> {
    const { attempts, root, quarantineAfter, directories, observer } = this.#options;
    const failures = this.#failures;
    this.#failures = [];
    for (const { entry, attempt } of failures) {
      if (this.#tally.filesRemoved === 0) {
        attempts.uncount(attempt);
        continue;
      }
      // What cannot be renamed cannot be set aside either.
      const isDue = quarantineAfter > 0 && attempt.counted >= quarantineAfter;
      if (!isDue || attempt.reason === "not-removable") continue;
      this.#progress.marks.mark("quarantine");
      const moved = await quarantine(entry, directories).catch(() => undefined);
      if (moved === undefined) continue;
      attempts.quarantined(root, moved, attempt);
      this.#tally.moveToQuarantine(entry.fingerprint.bytes);
      observer.onNotice(moved, { kind: "quarantined", attempt });
    }
  }
}
