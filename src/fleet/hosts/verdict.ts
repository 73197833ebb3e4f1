import { formatDuration } from "../../lib/units.ts";
import type { Desired, DesiredConfigs } from "./desired.ts";
import type { ExpectedHost } from "./expected-hosts.ts";
import type { Heartbeat } from "./heartbeat.ts";
import { type HostHeartbeats, isCloned } from "./heartbeat-query.ts";

/** A host that has been quiet for so long is silent: three heartbeats did not come. */
export const SILENT_MS = 15 * 60_000;

/** A file that has waited for less is no news, however often sweeps are. */
const OLD_MS_MIN = 3_600_000;

/** A file that two sweeps had the time to take, and did not, is old. */
const OLD_INTERVALS = 2;

/** What can be wrong with a host, the worst first. */
export const PROBLEM_KINDS = [
  /** Its last heartbeat is older than 15 minutes. */
  "silent",
  /** It is expected, and sent none in two hours. */
  "absent",
  /** It does not take what the parameters say. */
  "refused",
  /** Sweeps, files or credentials fail. */
  "failing",
  /** Two machines send heartbeats under its id. */
  "cloned",
  /** Files wait that should have been taken long ago. */
  "backlog",
  /** Its configuration in effect is not what the parameters say now. */
  "behind",
] as const;
export type ProblemKind = (typeof PROBLEM_KINDS)[number];

export interface Problem {
  readonly kind: ProblemKind;
  /** For people. */
  readonly text: string;
}

/** Nothing is wrong: `starting` is expected and new, `gone` is silent and not expected any more. */
export type HostStatus = ProblemKind | "starting" | "gone" | "ok";

/** What is known and thought of one host. */
export interface HostVerdict {
  readonly host: string;
  /** Its worst problem, or that it has none. */
  readonly status: HostStatus;
  /** The worst first. */
  readonly problems: readonly Problem[];
  /** Undefined: none came. */
  readonly heartbeats: HostHeartbeats | undefined;
  /** Undefined: nobody could read the parameters. */
  readonly desired: Desired | undefined;
  /** Undefined: nobody said which hosts are expected. */
  readonly isExpected: boolean | undefined;
}

export interface FleetFacts {
  readonly heartbeats: ReadonlyMap<string, HostHeartbeats>;
  /** Undefined: the parameters could not be read; what each host read last stands for them. */
  readonly desired: DesiredConfigs | undefined;
  /** Undefined: nobody said. */
  readonly expected: readonly ExpectedHost[] | undefined;
  /** Wall-clock milliseconds. */
  readonly now: number;
}

/** Judges every host of a fleet. Pure. @returns the worst first, and by name */
export function judgeFleet(facts: FleetFacts): readonly HostVerdict[] {
  const expected = new Map(facts.expected?.map((host) => [host.host, host]));
  const names = new Set([...facts.heartbeats.keys(), ...expected.keys()]);
  const verdicts = [...names].map((host) => judge(host, expected.get(host), facts));
  return verdicts.sort(
    (one, other) => rankOf(one.status) - rankOf(other.status) || compareNames(one.host, other.host),
  );
}

const RANKS: readonly HostStatus[] = [...PROBLEM_KINDS, "starting", "gone", "ok"];

function rankOf(status: HostStatus): number {
  return RANKS.indexOf(status);
}

const names = new Intl.Collator("en", { numeric: true });

/** As people count: web-2 before web-10. */
function compareNames(one: string, other: string): number {
  return names.compare(one, other);
}

function judge(host: string, expected: ExpectedHost | undefined, facts: FleetFacts): HostVerdict {
  const { now } = facts;
  const heartbeats = facts.heartbeats.get(host);
  const desired = facts.desired?.of(host);
  const isExpected = facts.expected === undefined ? undefined : expected !== undefined;
  const known = { host, heartbeats, desired, isExpected };
  if (heartbeats === undefined) {
    const { since } = expected ?? {};
    if (since !== undefined && now - since < SILENT_MS) {
      return { ...known, status: "starting", problems: [] };
    }
    const age = since === undefined ? "" : `; it was made ${formatDuration(now - since)} ago`;
    const text = `expected, but no heartbeat in two hours${age}`;
    return { ...known, status: "absent", problems: [{ kind: "absent", text }] };
  }
  const silentMs = now - heartbeats.heartbeatAt;
  // An instance that is terminated falls silent, as it should.
  if (silentMs >= SILENT_MS && isExpected === false) {
    return { ...known, status: "gone", problems: [] };
  }
  const problems = [...problemsOf(heartbeats, desired, now)].sort(
    (one, other) => rankOf(one.kind) - rankOf(other.kind),
  );
  return { ...known, status: problems[0]?.kind ?? "ok", problems };
}

function* problemsOf(
  heartbeats: HostHeartbeats,
  desired: Desired | undefined,
  now: number,
): Generator<Problem> {
  const { latest, heartbeatAt } = heartbeats;
  if (now - heartbeatAt >= SILENT_MS) {
    yield { kind: "silent", text: `no heartbeat for ${formatDuration(now - heartbeatAt)}` };
  }
  const failures = [...failuresOf(latest, heartbeatAt, oldMs(desired))];
  if (failures.length > 0) yield { kind: "failing", text: failures.join("; ") };
  if (isCloned(heartbeats)) {
    const machines = heartbeats.machines.map(({ machine }) => machine).join(", ");
    yield { kind: "cloned", text: `several machines call themselves so: ${machines}` };
  }
  const oldestMs = latest.oldestSettledAgeSeconds * 1_000;
  if (oldestMs >= oldMs(desired)) {
    const oldest = formatDuration(oldestMs);
    yield {
      kind: "backlog",
      text: `${latest.backlogFiles} files wait, the oldest for ${oldest}`,
    };
  }
  const hash = desired?.hash ?? latest.desiredHash;
  if (hash !== latest.configHash) yield behindProblem(latest, hash, now);
}

function* failuresOf(latest: Heartbeat, heartbeatAt: number, lateMs: number): Generator<string> {
  if (latest.sweepFailure !== undefined) yield `its sweep failed: ${latest.sweepFailure}`;
  const { lastSweepAt, credentialsExpireAt, credentialsFailure } = latest;
  if (lastSweepAt !== undefined && heartbeatAt - lastSweepAt >= lateMs) {
    yield `no sweep completed for ${formatDuration(heartbeatAt - lastSweepAt)}`;
  } else if (latest.isLate) {
    yield "no sweep completed since the last but one due time";
  }
  if (latest.filesFailed > 0) yield `${latest.filesFailed} files failed`;
  if (latest.filesInQuarantine > 0) yield `${latest.filesInQuarantine} files in quarantine`;
  if (latest.filesUndeletable > 0) yield `${latest.filesUndeletable} files cannot be removed`;
  if (credentialsExpireAt !== undefined && credentialsExpireAt <= heartbeatAt) {
    yield "its credentials have expired";
  }
  if (credentialsFailure !== undefined) {
    yield `its credentials cannot be renewed: ${credentialsFailure}`;
  }
  if (latest.unreachable !== undefined)
    yield `it cannot read its parameters: ${latest.unreachable}`;
}

function behindProblem(latest: Heartbeat, hash: string, now: number): Problem {
  const { refusal, desiredHash, unreachable, configReadAt, refreshIntervalSeconds } = latest;
  if (desiredHash === hash && refusal !== undefined) return { kind: "refused", text: refusal };
  if (refusal !== undefined) {
    const text = `has not read the latest change yet; refused the one before: ${refusal}`;
    return { kind: "refused", text };
  }
  if (unreachable !== undefined) {
    return { kind: "behind", text: `cannot read it: ${unreachable}` };
  }
  if (desiredHash === hash) {
    return { kind: "behind", text: "has read it, and puts it into effect after its sweep" };
  }
  const read = configReadAt === undefined ? "" : `: read ${formatDuration(now - configReadAt)} ago`;
  const every =
    refreshIntervalSeconds === undefined
      ? ""
      : `, looks every ${formatDuration(refreshIntervalSeconds * 1_000)}`;
  return { kind: "behind", text: `has not read it yet${read}${every}` };
}

function oldMs(desired: Desired | undefined): number {
  return Math.max(OLD_MS_MIN, OLD_INTERVALS * (desired?.sweepIntervalMs ?? 0));
}

/** What `fleet hosts` can be asked for. */
export const FILTERS = {
  silent: ["silent", "absent"],
  behind: ["refused", "behind"],
  errors: ["refused", "failing", "cloned", "backlog"],
} as const satisfies Readonly<Record<string, readonly ProblemKind[]>>;
export type Filter = keyof typeof FILTERS;

/** Those that have one of the problems asked for; all, if none is asked for. */
export function selectHosts(
  verdicts: readonly HostVerdict[],
  filters: readonly Filter[],
): readonly HostVerdict[] {
  if (filters.length === 0) return verdicts;
  const kinds = new Set<ProblemKind>(filters.flatMap((filter) => FILTERS[filter]));
  return verdicts.filter(({ problems }) => problems.some(({ kind }) => kinds.has(kind)));
}

/** How often each value occurs, the most frequent first. */
export function countBy<T>(
  items: Iterable<T>,
  key: (item: T) => string,
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1);
  return new Map([...counts].sort(([, one], [, other]) => other - one));
}
