import type { ParameterSource } from "../config/parameters.ts";
import { AgentError, ExitCode, ServiceError } from "../lib/errors.ts";
import { makePacer } from "../lib/pacer.ts";
import type { Change } from "./difference.ts";
import { CANARY } from "./keys.ts";
import {
  type ParameterHistory,
  type ParameterWriter,
  REMOVED_AT_ONCE_MAX,
} from "./parameter-store.ts";
import { type FleetPlan, seenOf } from "./plan.ts";
import { type Patience, partName, patiently, readFleet, readHistory } from "./read-fleet.ts";
import type { ReleaseTexts } from "./release.ts";

/** The default limit of PutParameter, a second (AWS support, 2023; 10 with higher throughput). */
const WRITES_PER_SECOND = 3;

/** What applying a plan came to. */
export interface Applied {
  /** The parameters that were written, in order, with the versions that this made. */
  readonly written: readonly { readonly name: string; readonly version: number }[];
  readonly removed: readonly string[];
  /** What was not reached, the revision among them. */
  readonly left: readonly string[];
  /** The number of the release; undefined: the revision was not written. */
  readonly release: number | undefined;
  /** Why it ended before its end; undefined: it did not. */
  readonly failure: unknown;
}

export interface ApplyPorts extends Patience {
  readonly source: ParameterSource;
  readonly writer: ParameterWriter;
  readonly history: ParameterHistory;
}

type Step =
  | {
      readonly kind: "put";
      readonly name: string;
      readonly type: string;
      readonly value: string;
      readonly oldVersion: number | undefined;
    }
  | { readonly kind: "remove"; readonly names: readonly string[] };

/**
 * Throws if a parameter is not as it was when the plan was made. Between this and the writes there
 * is still a moment: what comes in then is seen by the versions that the writes make.
 * @throws AgentError (exit code 1), ServiceError, the signal's reason
 */
export async function assertUnmoved(plan: FleetPlan, ports: ApplyPorts): Promise<void> {
  const state = await readFleet(ports.source, plan.place, ports, plan.host ?? undefined);
  const hosts = plannedHostIds(plan);
  const now = seenOf(state, (host) => hosts.has(host));
  const names = [...new Set([...Object.keys(plan.seen), ...Object.keys(now)])].sort();
  const moved = names.filter((name) => plan.seen[name] !== now[name]);
  if (moved.length === 0) return;
  const told = moved.slice(0, 10).map((name) => {
    return `${name} (${versionText(plan.seen[name])}, now ${versionText(now[name])})`;
  });
  if (moved.length > told.length) told.push(`and ${moved.length - told.length} more`);
  throw new AgentError(
    `Somebody changed the parameters since this was planned; nothing was written: ${told.join(", ")}.`,
    {
      exitCode: ExitCode.failed,
      hint: "Look at what they did with `fleet plan` and `fleet history`, then plan and apply again.",
    },
  );
}

/** The hosts whose versions a plan has seen, or that it gives parameters to. */
function plannedHostIds({ place, seen, changes, host }: FleetPlan): ReadonlySet<string> {
  const prefix = `${place.parameterRoot}/hosts/`;
  const names = [...Object.keys(seen), ...changes.map(({ name }) => name)];
  const ids = names.flatMap((name) =>
    name.startsWith(prefix) ? (name.slice(prefix.length).split("/")[0] ?? []) : [],
  );
  return new Set(host === null ? ids : [...ids, host]);
}

function versionText(version: number | undefined): string {
  return version === undefined ? "absent" : `version ${version}`;
}

/**
 * Writes what a plan says: values first, then removals, the revision last, so that hosts which
 * follow revisions read nothing of it before all is there. Never faster than SSM allows.
 * @param release what is recorded of it
 * @param onStep called after each request that changed something
 * @returns how far it came; whatever stopped it is in `failure`
 */
export async function applyPlan(
  plan: FleetPlan,
  release: ReleaseTexts,
  ports: ApplyPorts,
  onStep: (done: number, total: number) => void,
): Promise<Applied> {
  const steps = stepsOf(plan, release);
  const pace = makePacer(ports.clock, WRITES_PER_SECOND);
  const written: { name: string; version: number }[] = [];
  const removed: string[] = [];
  let removals = 0;
  try {
    for (const step of steps) {
      if (step.kind === "put") {
        const { version, race } = await put(step, ports, pace);
        if (version !== undefined) written.push({ name: step.name, version });
        if (race !== undefined) throw race;
      } else {
        await patiently(ports, async () => {
          await pace(ports.signal);
          await ports.writer.remove(step.names, ports.signal);
        });
        removed.push(...step.names);
        removals += 1;
      }
      onStep(written.length + removals, steps.length);
    }
  } catch (failure) {
    const left = steps.slice(written.length + removals).flatMap(namesOf);
    return { written, removed, left, release: undefined, failure };
  }
  return {
    written,
    removed,
    left: [],
    release: written.at(-1)?.version,
    failure: undefined,
  };
}

function namesOf(step: Step): readonly string[] {
  return step.kind === "put" ? [step.name] : step.names;
}

/** What begins or ends a trial comes after the values that it is about. */
function stepsOf(plan: FleetPlan, release: ReleaseTexts): readonly Step[] {
  const isPercent = ({ key }: Change) => key === `${CANARY}percent`;
  const puts = plan.changes.filter(({ to }) => to !== undefined);
  const steps: Step[] = [...puts.filter((one) => !isPercent(one)), ...puts.filter(isPercent)].map(
    ({ name, type, to, from }) => ({
      kind: "put",
      name,
      type,
      value: to ?? "",
      oldVersion: from?.version,
    }),
  );
  const gone = plan.changes.filter(({ to }) => to === undefined).map(({ name }) => name);
  for (let at = 0; at < gone.length; at += REMOVED_AT_ONCE_MAX) {
    steps.push({ kind: "remove", names: gone.slice(at, at + REMOVED_AT_ONCE_MAX) });
  }
  const put = (name: string, value: string, oldVersion: number | undefined) =>
    steps.push({ kind: "put", name, type: "String", value, oldVersion });
  for (const [index, part] of release.parts.entries()) {
    const name = partName(index, plan.place);
    put(name, part, plan.seen[name]);
  }
  put(plan.revision.name, release.revision, plan.revision.version ?? undefined);
  return steps;
}

/** @returns the version that this made, if any; a race with somebody else, if there was one */
async function put(
  step: Extract<Step, { kind: "put" }>,
  ports: ApplyPorts,
  pace: (signal: AbortSignal) => Promise<void>,
): Promise<{ readonly version: number | undefined; readonly race: AgentError | undefined }> {
  const { name, type, value, oldVersion } = step;
  const { source, writer, signal } = ports;
  const expected = (oldVersion ?? 0) + 1;
  let isUnsure = false;
  const made = await patiently(ports, async () => {
    // An answer was lost before: what was asked for may have been done.
    if (isUnsure) {
      const [found] = (await source.readNames([name], signal)).parameters;
      if (found?.version === expected && found.value === value) return expected;
    }
    await pace(signal);
    try {
      return await writer.put({ name, type, value, isNew: oldVersion === undefined }, signal);
    } catch (error) {
      isUnsure = true;
      throw error;
    }
  });
  const version = made === "exists" ? undefined : made;
  if (made === expected) return { version, race: undefined };
  return { version, race: await raceError(name, made, expected, ports) };
}

/** Somebody else wrote the parameter as well, after it was looked at. */
async function raceError(
  name: string,
  made: number | "exists",
  expected: number,
  ports: ApplyPorts,
): Promise<AgentError> {
  const versions = await readHistory(ports.history, name, ports).catch((error: unknown) => {
    if (error instanceof ServiceError) return [];
    throw error;
  });
  const theirs = versions.findLast(({ version }) => made === "exists" || version < made);
  const isTheirs = theirs !== undefined && (made === "exists" || theirs.version >= expected);
  const who = isTheirs
    ? `${theirs.lastModifiedUser || "Somebody"} wrote version ${theirs.version}, ${JSON.stringify(theirs.value.slice(0, 200))}, at ${new Date(theirs.lastModifiedAt).toISOString()}`
    : "Somebody else wrote or removed it";
  const stands =
    made === "exists"
      ? "Theirs stands"
      : `This command wrote version ${made} over it, where ${expected} was to come`;
  return new AgentError(`${name} was changed by two at the same moment. ${who}. ${stands}.`, {
    exitCode: ExitCode.failed,
    hint: "SSM cannot refuse such a write. Agree on who applies, then run `fleet plan` and apply what both want.",
  });
}
