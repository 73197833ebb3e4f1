import { ATTEMPTS_MAX, type Attempt } from "../sweep/attempts.ts";
import {
  type FailedSweep,
  type HostState,
  isFailedSweep,
  type LastSweep,
} from "../sweep/host-state.ts";
import type { Uploaded } from "../sweep/ledger.ts";
import { QUARANTINE } from "../sweep/own-names.ts";
import { UNSETTLED_MS_MIN } from "../sweep/report.ts";
import type { StateSnapshot } from "../sweep/state-snapshot.ts";

/** How the last sweeps of one route went. */
export interface RouteStatus {
  readonly route: string;
  /** The last one that came to its end. */
  readonly lastSweep: LastSweep | undefined;
  /** One that failed as a whole since then. */
  readonly failedSweep: FailedSweep | undefined;
  /** Either is something that a person should look at. */
  readonly hasFailed: boolean;
}

/** What is known on disk of this host's files. Times are wall-clock milliseconds. */
export interface FilesStatus {
  /** By the names of the routes. */
  readonly sweeps: readonly RouteStatus[];
  /** The youngest completed one. */
  readonly lastSweep: LastSweep | undefined;
  /** Files that had not settled when the last sweep looked at them, and have never failed. */
  readonly waiting: readonly Attempt[];
  /** Of the waiting ones, those that have not settled for long. */
  readonly unsettled: readonly Attempt[];
  readonly failing: readonly Attempt[];
  readonly quarantined: readonly (Attempt & { readonly at: string })[];
  /** In the bucket, and not to be removed here. */
  readonly undeletable: readonly (Attempt & Pick<Partial<Uploaded>, "bucket" | "key">)[];
  readonly damages: StateSnapshot["damages"];
  /** The agent remembers no more files of one watched directory than there are here. */
  readonly isCut: boolean;
  /** Nothing on this host needs a person. */
  readonly isWell: boolean;
}

/** Reads off a snapshot how this host's files are. Pure. @param now wall-clock milliseconds */
export function filesStatusOf(snapshot: StateSnapshot, now: number): FilesStatus {
  const { attempts, damages, host } = snapshot;
  const sweeps = routesOf(host);
  const byAge = host.sweeps.toSorted((one, other) => one.startedAt - other.startedAt);
  const lookedAt = lookedAtOf(byAge, now);
  const oldestFirst = attempts.toSorted((one, other) => one.firstSeenAt - other.firstSeenAt);
  const objectOf = objectsOf(snapshot);
  const isUndeletable = ({ reason }: Attempt) => reason === "not-removable";

  const quarantined = oldestFirst.filter(({ isQuarantined }) => isQuarantined);
  const here = oldestFirst.filter(({ isQuarantined }) => !isQuarantined);
  const waiting = here.filter(({ reason }) => reason === "");
  const undeletable = here.filter(isUndeletable);
  return {
    sweeps,
    lastSweep: byAge.at(-1),
    waiting,
    unsettled: waiting.filter((one) => lookedAt(one.root) - one.firstSeenAt >= UNSETTLED_MS_MIN),
    failing: here.filter((attempt) => attempt.reason !== "" && !isUndeletable(attempt)),
    quarantined: quarantined.map((attempt) => ({
      ...attempt,
      at: `${QUARANTINE.toString()}/${attempt.path}`,
    })),
    undeletable: undeletable.map((attempt) => ({ ...attempt, ...objectOf(attempt) })),
    damages,
    isCut: [...Map.groupBy(attempts, ({ root }) => root).values()].some(
      (known) => known.length >= ATTEMPTS_MAX,
    ),
    isWell:
      quarantined.length === 0 &&
      undeletable.length === 0 &&
      damages.length === 0 &&
      !sweeps.some(({ hasFailed }) => hasFailed),
  };
}

function routesOf({ sweeps, failedSweeps }: HostState): RouteStatus[] {
  const routes = new Set([...sweeps, ...failedSweeps].map(({ route }) => route));
  return [...routes].toSorted().map((route) => {
    const lastSweep = sweeps.find((sweep) => sweep.route === route);
    const failedSweep = failedSweeps.find((sweep) => sweep.route === route);
    const isFailed = lastSweep !== undefined && isFailedSweep(lastSweep);
    return { route, lastSweep, failedSweep, hasFailed: isFailed || failedSweep !== undefined };
  });
}

/**
 * Until when a watched directory has been looked at. Since then nobody has: a file that waited then
 * need not be there now.
 * @param byAge the youngest last
 */
function lookedAtOf(byAge: readonly LastSweep[], now: number): (root: string) => number {
  const endedAt = new Map(
    byAge.map(({ directory, startedAt, durationMs }) => [directory, startedAt + durationMs]),
  );
  return (root) => endedAt.get(root) ?? now;
}

/** Where the bytes of files are, as far as the ledger still knows: by directory and facts. */
function objectsOf({ uploaded }: StateSnapshot) {
  const objects = new Map<string, Pick<Uploaded, "bucket" | "key">>();
  for (const { root, inode, bytes, mtimeNs, bucket, key } of uploaded) {
    objects.set(`${root}\0${inode}:${bytes}:${mtimeNs}`, { bucket, key });
  }
  // The state of an attempt has the ctime behind these facts, which the ledger does not.
  return ({ root, state }: Attempt) =>
    objects.get(`${root}\0${state.slice(0, state.lastIndexOf(":"))}`);
}

/** As `status --json` has it: times are ISO 8601. */
export function filesJson(found: FilesStatus) {
  const { sweeps, lastSweep, waiting, damages, isCut } = found;
  const common = ({ root, path, reason, message, failures, firstSeenAt }: Attempt) => ({
    directory: root,
    path,
    reason,
    message,
    failures,
    firstSeenAt: timeText(firstSeenAt),
  });
  return {
    lastSweep: sweepJson(lastSweep),
    sweeps: sweeps.map(({ route, lastSweep: last, failedSweep, hasFailed }) => ({
      route,
      hasFailed,
      lastSweep: sweepJson(last),
      failedSweep:
        failedSweep === undefined
          ? null
          : { startedAt: timeText(failedSweep.startedAt), message: failedSweep.message },
    })),
    filesWaiting: waiting.length,
    isCut,
    failing: found.failing.map((one) => ({ ...common(one), dueAt: timeText(one.dueAt) })),
    quarantined: found.quarantined.map((one) => ({ ...common(one), at: one.at })),
    undeletable: found.undeletable.map((one) => ({
      ...common(one),
      dueAt: timeText(one.dueAt),
      bucket: one.bucket,
      key: one.key,
    })),
    unsettled: found.unsettled.map(({ root, path, firstSeenAt }) => ({
      directory: root,
      path,
      firstSeenAt: timeText(firstSeenAt),
    })),
    damages,
  };
}

function sweepJson(sweep: LastSweep | undefined) {
  if (sweep === undefined) return null;
  return { ...sweep, startedAt: timeText(sweep.startedAt), hasFailed: isFailedSweep(sweep) };
}

/** ISO 8601; null for what is no time, which a file that anybody may have written can hold. */
export function timeText(ms: number): string | null {
  const time = new Date(ms);
  return Number.isNaN(time.getTime()) ? null : time.toISOString();
}
