import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { trialTarget } from "../../fleet/canary-trial.ts";
import type { Target } from "../../fleet/difference.ts";
import { type FleetFile, parseFleetFile } from "../../fleet/fleet-file.ts";
import { CANARY, readKey } from "../../fleet/keys.ts";
import type { LiveHost } from "../../fleet/live-hosts.ts";
import { type FleetPlan, hasCanary, hostsOfReleases, planFleet } from "../../fleet/plan.ts";
import { isSavedPlan, readPlan } from "../../fleet/plan-file.ts";
import { type FleetState, leavesOf, readFleet, releaseOf } from "../../fleet/read-fleet.ts";
import { configurationError, messageOf } from "../../lib/errors.ts";
import type { CommandContext } from "../context.ts";
import { askLiveHosts, type FleetSession, withPermissions } from "./session.ts";

/** How a file becomes a plan. */
export interface FilePlanOptions {
  readonly prune?: boolean;
  /** Percent of the hosts, as text. */
  readonly canary?: string;
  readonly message?: string;
}

/** So many hosts are named in a warning. */
const NAMED_MAX = 10;

/** A file that was named on the command line: what a fleet should be, or a plan that was saved. */
export type Named =
  | { readonly kind: "file"; readonly name: string; readonly file: FleetFile }
  | { readonly kind: "plan"; readonly plan: FleetPlan };

/** @throws AgentError (exit code 2) that names the file and its lines */
export async function readNamed(name: string, context: CommandContext): Promise<Named> {
  let text: string;
  try {
    text = await readFile(resolve(context.workingDirectory, name), "utf8");
  } catch (error) {
    throw configurationError(
      `The file ${name} cannot be read: ${messageOf(error)}.`,
      "`fleet pull -o FILE` writes one of what is in the Parameter Store.",
      error,
    );
  }
  if (isSavedPlan(text)) return { kind: "plan", plan: readPlan(text, name) };
  return { kind: "file", name, file: parseFleetFile(text, name) };
}

/** Plans what makes the Parameter Store say what the file says. */
export async function planFile(
  named: Extract<Named, { kind: "file" }>,
  session: FleetSession,
  options: FilePlanOptions,
): Promise<FleetPlan> {
  const { access, place, patience } = session;
  const { file } = named;
  const state = await withPermissions(session, () => readFleet(access.source, place, patience));
  const live = await askLiveHosts(session);
  const hosts = hostsOfReleases(state, file.hosts);
  const common = {
    state,
    live,
    hosts,
    region: access.region,
    source: { file: named.name, lines: file.lines },
    note: options.message,
  };
  if (options.canary === undefined) {
    return planFleet({
      ...common,
      target: wholeTarget(state, file, hosts, options.prune === true),
      isWhole: true,
      warnings: [...underWay(state, file), ...silentHosts(file, live)],
    });
  }
  if (options.prune === true) {
    throw configurationError(
      "A canary cannot try a removal: canary hosts have the fleet's values and some of their own.",
      "Leave --prune out; give the setting its default as value, or remove it after the trial.",
    );
  }
  const { target, waits } = trialTarget(leavesOf(state), file.values, options.canary);
  return planFleet({
    ...common,
    target,
    source: { file: named.name, lines: trialLines(file.lines) },
    warnings:
      waits.length === 0
        ? []
        : [`Not tried by the canary, and to be applied after it: ${waits.join(", ")}.`],
  });
}

function wholeTarget(
  state: FleetState,
  { values, hosts: named }: FleetFile,
  hosts: ReadonlySet<string>,
  isPruning: boolean,
): Target {
  if (!isPruning) return { wanted: values, dropped: new Set() };
  const recorded = releaseOf(state)?.leaves;
  const dropped = [...leavesOf(state).keys()].filter((key) => {
    if (values.has(key)) return false;
    const { host } = readKey(key);
    if (host === undefined || named.includes(host)) return true;
    // A host that the file no longer names: only what a release gave it.
    return hosts.has(host) && recorded?.has(key) === true;
  });
  return { wanted: values, dropped: new Set(dropped) };
}

function underWay(state: FleetState, { values }: FleetFile): readonly string[] {
  const isInFile = [...values.keys()].some((key) => key.startsWith(CANARY));
  if (!hasCanary(state) || isInFile) return [];
  return [
    "A canary is under way, and the file says nothing of it: promote or abort it first (`fleet canary status`).",
  ];
}

/** A host that is named and is not there may be a slip of the finger. */
function silentHosts(
  { hosts }: FleetFile,
  live: readonly LiveHost[] | undefined,
): readonly string[] {
  if (live === undefined) return [];
  const ids = new Set(live.map(({ host }) => host));
  const silent = hosts.filter((host) => !ids.has(host));
  if (silent.length === 0) return [];
  const told = silent.slice(0, NAMED_MAX).join(", ");
  const more = silent.length > NAMED_MAX ? ` and ${silent.length - NAMED_MAX} more` : "";
  return [`Hosts of the file that send no heartbeats for this fleet: ${told}${more}.`];
}

/** The values of a trial come from the lines of the fleet's own. */
function trialLines(lines: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  return new Map([
    ...lines,
    ...[...lines].map(([key, line]) => [`${CANARY}${key}`, line] as const),
  ]);
}
