import { toError } from "../lib/errors.ts";
import type { Marks } from "../lib/progress.ts";
import type { Attempts } from "./attempts.ts";
import { changedAt, decide, type Moment, type Policy } from "./decide.ts";
import type { Directories } from "./directory.ts";
import type { Entry } from "./entry.ts";
import { type LeftoverContext, readOwnName, restore } from "./leftovers.ts";
import { ASIDE_DIRECTORY, isOwnName, QUARANTINE } from "./own-names.ts";
import { split } from "./path-bytes.ts";
import { releaseFromQuarantine } from "./quarantine.ts";
import type { Tally } from "./report.ts";
import { type Found, scan } from "./scan.ts";
import type { SweepObserver } from "./sweep.ts";

/** A file that is to be transferred. */
export interface Candidate {
  readonly entry: Entry;
  /** In wall-clock milliseconds, both. */
  readonly changedAt: number;
  readonly settledAt: number;
}

export interface CandidateContext extends LeftoverContext {
  readonly directories: Directories;
  readonly policy: Policy;
  readonly attempts: Attempts;
  readonly observer: SweepObserver;
  readonly tally: Tally;
  readonly clock: { now(): number };
  readonly isDryRun: boolean;
  readonly stop: AbortSignal;
  readonly marks: Marks;
  moment(): Moment;
}

/**
 * Scans the watched directory and decides on everything in it: gives what is to be transferred, and
 * counts and tells the rest. Leftovers have their names back on the way, quarantined files that
 * have changed as well.
 */
export async function* candidates(context: CandidateContext): AsyncGenerator<Candidate> {
  const { directories, stop, observer, tally } = context;
  /** What has its name back may come by once more, under it. */
  const restored = new Set<string>();
  const own = [QUARANTINE, ASIDE_DIRECTORY];
  yield* fromScan(scan(directories.root, stop, own, onNameOf(context)), async (entry) => {
    if (restored.has(entry.at.toString("latin1"))) return undefined;
    if (!isOwnName(split(entry.at).name)) return entry;
    return await fromOwnName(entry, context, restored);
  });
  yield* fromScan(scanOwn(ASIDE_DIRECTORY, context), (entry) =>
    fromOwnName(entry, context, restored),
  );
  yield* fromScan(scanOwn(QUARANTINE, context), async (entry) => {
    await lookAtQuarantined(entry, context);
    return undefined;
  });

  async function* fromScan(
    found: AsyncIterable<Found>,
    resolve: (entry: Entry) => Promise<Entry | undefined>,
  ): AsyncGenerator<Candidate> {
    for await (const one of found) {
      if (one.kind === "unreadable") {
        tally.directoriesUnreadable += 1;
        observer.onUnreadable(one.path, one.error);
        continue;
      }
      const entry = await resolve(one.entry);
      const candidate = entry === undefined ? undefined : decideOn(entry, context);
      if (candidate !== undefined) yield candidate;
    }
  }
}

/** Decides, counts and tells. @returns the entry if it is to be transferred */
function decideOn(entry: Entry, context: CandidateContext): Candidate | undefined {
  const { attempts, root, tally, observer, isDryRun } = context;
  const moment = context.moment();
  const failedBefore = attempts.failedBefore(root, entry, moment.now);
  const decision = decide(entry, context.policy, moment, failedBefore);
  observer.onDecided(entry, decision);
  const { bytes } = entry.fingerprint;
  switch (decision.action) {
    case "ignore":
      tally.filesIgnored += 1;
      return undefined;
    case "wait": {
      tally.filesWaiting += 1;
      const sinceMs = isDryRun ? 0 : attempts.waits(root, entry, moment.now);
      tally.addUnsettled(entry, sinceMs, context);
      return undefined;
    }
    case "keep":
      tally.filesKept += 1;
      tally.addToBacklog(bytes, decision.settledAt);
      return undefined;
    case "defer":
      attempts.isThere(root, entry);
      tally.filesDeferred += 1;
      if (decision.reason === "not-removable") tally.filesUndeletable += 1;
      tally.addToBacklog(bytes, decision.settledAt);
      return undefined;
    case "transfer":
      if (!isDryRun) return { entry, changedAt: changedAt(entry), settledAt: decision.settledAt };
      tally.addToBacklog(bytes, decision.settledAt);
      return undefined;
  }
}

/** A leftover as an entry, under its own name again if that is free. */
async function fromOwnName(
  found: Entry,
  context: CandidateContext,
  restored: Set<string>,
): Promise<Entry | undefined> {
  const own = readOwnName(found, context);
  if (own.kind === "pretender") {
    const reason = found.type === "file" ? "reserved-name" : "not-regular";
    context.observer.onDecided(found, { action: "ignore", reason });
    context.tally.filesIgnored += 1;
  }
  if (own.kind !== "leftover") return undefined;
  const { entry } = own;
  if (context.isDryRun) return entry;
  try {
    const now = await restore(entry, context.directories);
    if (now.at.equals(entry.at)) return now;
    restored.add(now.at.toString("latin1"));
    context.observer.onNotice(now, { kind: "restored" });
    return now;
  } catch (error) {
    context.tally.directoriesUnreadable += 1;
    context.observer.onUnreadable(entry.at, toError(error));
    return undefined;
  }
}

/** Counts a quarantined file; one that has changed since goes back to its place. */
async function lookAtQuarantined(found: Entry, context: CandidateContext): Promise<void> {
  const { attempts, root, tally, observer } = context;
  const path = found.at.subarray(QUARANTINE.length + 1);
  const entry: Entry = { ...found, path };
  const known = attempts.find(root, entry);
  if (known?.isQuarantined === true || entry.type !== "file" || context.isDryRun) {
    attempts.isThere(root, entry);
    tally.filesInQuarantine += 1;
    return;
  }
  try {
    if (await releaseFromQuarantine(entry, context.directories)) {
      observer.onNotice(entry, { kind: "released" });
      return;
    }
  } catch (error) {
    observer.onUnreadable(entry.at, toError(error));
  }
  tally.filesInQuarantine += 1;
}

function onNameOf({ marks }: CandidateContext): () => void {
  return () => marks.mark("scan");
}

/** Scans a directory of the agent's own, if there is one. */
async function* scanOwn(name: Buffer, context: CandidateContext): AsyncGenerator<Found> {
  const { directories, stop } = context;
  let directory: Awaited<ReturnType<Directories["open"]>>;
  try {
    directory = await directories.open(name);
  } catch {
    // None was made yet; what is no directory is none of ours.
    return;
  }
  try {
    yield* scan(directory, stop, [], onNameOf(context));
  } finally {
    await directory.release();
  }
}
