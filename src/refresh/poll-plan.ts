import { SPREAD_MS_MAX } from "../config/fleet-facts.ts";
import type { Random } from "../lib/backoff.ts";
import { stableFraction } from "../lib/stable-fraction.ts";

/** Polls are moved by up to this part of their interval, each anew, so that no two hosts stay in step. */
const POLL_JITTER = 0.1;

/** Where a revision tells of changes, everything is read this often to catch edits by hand. */
const FULL_READ_MS = 6 * 3_600_000;
const FULL_READ_JITTER = 0.1;

/** A host that has no configuration asks for one within this time of its start. */
const FIRST_READ_MS_MAX = 30_000;

/** The first and the longest random part of a pause after the parameters could not be read. */
const BACKOFF_BASE_MS = 15_000;
const BACKOFF_MS_MAX = 600_000;

/** A revision that is missing so often has been taken away, and not only for a moment. */
const ABSENCES_MAX = 3;

/** What a host remembers of the revisions that it has seen. Kept over restarts. */
export interface RevisionMemory {
  /** The fleet has a revision; while it has none, every poll is a full read. */
  readonly isSeen: boolean;
  /** The version that was polled before the last full read; undefined: none was. */
  readonly fleetVersion: number | undefined;
  readonly hostVersion: number | undefined;
  /** Polls in a row that found no revision where there had been one. */
  readonly absences: number;
  /** When everything was read last, in wall-clock milliseconds. */
  readonly fullReadAt: number;
}

/** A host that knows nothing yet. */
export const NOTHING_REMEMBERED: RevisionMemory = {
  isSeen: false,
  fleetVersion: undefined,
  hostVersion: undefined,
  absences: 0,
  fullReadAt: 0,
};

/** What a poll of the two revisions found. */
export interface PolledRevisions {
  /** Undefined: there is none. */
  readonly fleetVersion: number | undefined;
  /** What the fleet's revision says of itself, in milliseconds. */
  readonly spreadMs: number | undefined;
  readonly hostVersion: number | undefined;
}

/** What follows from a poll. */
export interface PollDecision {
  readonly isSeen: boolean;
  readonly absences: number;
  /** In how many milliseconds everything is to be read; undefined: there is nothing new. */
  readonly readInMs: number | undefined;
}

/**
 * When a host polls next. Each has a place of its own within the interval, which never changes, so
 * that a fleet's polls stay spread evenly whenever its hosts were started.
 * @param isFirst at the start, the next place is taken; later, the place after the last one
 * @returns wall-clock milliseconds
 */
export function nextPollAt(
  hostId: string,
  {
    now,
    intervalMs,
    isFirst,
  }: { readonly now: number; readonly intervalMs: number; readonly isFirst: boolean },
  random: Random,
): number {
  const phaseMs = stableFraction(hostId, "refresh") * intervalMs;
  const place = (now - phaseMs) / intervalMs;
  // A poll is up to a tenth early or late: the nearest place is the one that it had.
  const next = isFirst ? Math.ceil(place) : Math.round(place) + 1;
  const jitterMs = POLL_JITTER * intervalMs * (2 * random() - 1);
  const at = Math.round(next * intervalMs + phaseMs + jitterMs);
  // What would have been early enough to lie before the start is not made up for at once: a fleet
  // that starts in one second would ask in that second.
  return at >= now ? at : at + intervalMs;
}

/**
 * How a host's pauses grow while the parameters cannot be read: from 15 seconds to 10 minutes. Where
 * the interval is longer than these 10 minutes, so are the pauses: it was chosen for what the
 * Parameter Store serves, and a fleet that cannot read should ask hardly more often than one that
 * can, for others in the account read parameters, too.
 * @param intervalMs undefined: there is a hurry, since a person asks or there is no configuration yet
 * @returns for `fleetBackoffMs`
 */
export function backoffOf(intervalMs: number | undefined): {
  readonly baseMs: number;
  readonly capMs: number;
} {
  const beyondMs = Math.max(0, (intervalMs ?? 0) - BACKOFF_MS_MAX);
  return {
    baseMs: Math.max(BACKOFF_BASE_MS, beyondMs / 4),
    capMs: BACKOFF_MS_MAX + beyondMs,
  };
}

/** In how many milliseconds a host without any configuration asks for one. */
export function firstReadInMs(random: Random): number {
  return random() * FIRST_READ_MS_MAX;
}

/** After how many milliseconds everything is read again although no revision has told of a change. */
export function fullReadInMs(random: Random): number {
  return FULL_READ_MS * (1 + FULL_READ_JITTER * (2 * random() - 1));
}

/**
 * Decides what follows from a poll. A new version of the fleet's revision is read after
 * `u("rev" + version)` of the spread, so that a fleet does not read all at once; one of the host's
 * own at once.
 * @param about.intervalMs the refresh interval, which is the spread where the revision says none
 */
export function decidePoll(
  memory: RevisionMemory,
  polled: PolledRevisions,
  about: { readonly hostId: string; readonly intervalMs: number },
): PollDecision {
  const isHostNew = polled.hostVersion !== memory.hostVersion;
  if (polled.fleetVersion === undefined) {
    const absences = memory.absences + 1;
    const isSeen = absences < ABSENCES_MAX;
    return { isSeen, absences, readInMs: isHostNew || !isSeen ? 0 : undefined };
  }
  const seen = { isSeen: true, absences: 0 };
  if (isHostNew) return { ...seen, readInMs: 0 };
  if (polled.fleetVersion === memory.fleetVersion) return { ...seen, readInMs: undefined };
  const spreadMs = Math.min(polled.spreadMs ?? about.intervalMs, SPREAD_MS_MAX);
  const fraction = stableFraction(about.hostId, `rev${polled.fleetVersion}`);
  return { ...seen, readInMs: fraction * spreadMs };
}
