import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type DesiredConfigs, desiredConfigs } from "../../fleet/hosts/desired.ts";
import { type ExpectedHost, parseExpectedHosts } from "../../fleet/hosts/expected-hosts.ts";
import {
  type FleetHeartbeats,
  readHeartbeats,
  stateLogGroup,
} from "../../fleet/hosts/heartbeat-source.ts";
import { type Filter, judgeFleet, SILENT_MS, selectHosts } from "../../fleet/hosts/verdict.ts";
import { readFleet } from "../../fleet/read-fleet.ts";
import { configurationError, ExitCode, messageOf, ServiceError } from "../../lib/errors.ts";
import type { CommandContext } from "../context.ts";
import { type HostsReport, hostsJson, hostsText } from "./hosts-text.ts";
import { explained, type FleetOptions, type FleetSession, openSession } from "./session.ts";

export interface HostsOptions extends FleetOptions {
  readonly silent?: boolean;
  readonly behind?: boolean;
  readonly errors?: boolean;
  /** `ec2`, `ssm`, or files; a fleet may have hosts of all kinds. */
  readonly expect?: readonly string[];
}

/**
 * `fleet hosts`: every host of a fleet by its last heartbeat, compared with what the parameters say
 * now and with the hosts that there should be.
 * @returns 1 if a filter was given and such hosts are there, or nobody can say that none is
 * @throws AgentError (exit code 2 or 3)
 */
export async function fleetHosts(
  options: HostsOptions,
  context: CommandContext,
): Promise<ExitCode> {
  const inFiles = await expectedInFiles(options.expect ?? [], context);
  await using session = await openSession("hosts", options, context, {});
  const found = await readAll(session, options, inFiles);

  const { place, access } = session;
  const { heartbeats, desired, notes } = found;
  const now = access.clock.now();
  const filters = (["silent", "behind", "errors"] as const).filter((name) => options[name]);
  const verdicts = judgeFleet({ ...found, heartbeats: heartbeats.hosts, now });
  const heard = verdicts.filter((verdict) => {
    return verdict.heartbeats !== undefined && now - verdict.heartbeats.heartbeatAt < SILENT_MS;
  });
  const report: HostsReport = {
    fleet: place.fleet,
    group: stateLogGroup(place),
    now,
    verdicts,
    shown: selectHosts(verdicts, filters),
    filters,
    hostsInAll: heartbeats.hostsInAll,
    hostsHeard: heard.length,
    expectedHosts: desired?.expectedHosts,
    notes,
  };
  context.stdout.write(
    options.json === true ? hostsJson(report) : hostsText(report, session.palette),
  );
  return isFound(report, filters) ? ExitCode.failed : ExitCode.done;
}

/** What a script is to be told with exit code 1. */
function isFound(report: HostsReport, filters: readonly Filter[]): boolean {
  if (filters.length === 0) return false;
  const { shown, verdicts, hostsInAll, hostsHeard, expectedHosts } = report;
  const areTooFew = filters.includes("silent") && hostsHeard < (expectedHosts ?? 0);
  const isUnknown = verdicts.length === 0 || hostsInAll !== undefined;
  return shown.length > 0 || areTooFew || isUnknown;
}

/** What is neither of these is a file. */
const INVENTORIES = ["ec2", "ssm"] as const;

/** The ids in the files that `--expect` names. */
async function expectedInFiles(
  names: readonly string[],
  { workingDirectory }: CommandContext,
): Promise<readonly ExpectedHost[]> {
  const found: ExpectedHost[] = [];
  for (const name of names) {
    if (INVENTORIES.some((inventory) => inventory === name)) continue;
    let text: string;
    try {
      text = await readFile(resolve(workingDirectory, name), "utf8");
    } catch (error) {
      throw configurationError(
        `The list of expected hosts ${name} cannot be read: ${messageOf(error)}.`,
        "Say --expect ec2, --expect ssm, or name a file with one host id a line.",
        error,
      );
    }
    found.push(...parseExpectedHosts(text, name));
  }
  return found;
}

interface Found {
  readonly heartbeats: FleetHeartbeats;
  readonly desired: DesiredConfigs | undefined;
  readonly expected: readonly ExpectedHost[] | undefined;
  /** What could not be found out, for people. */
  readonly notes: readonly string[];
}

/** Asks all services at once; the first that must answer and does not ends the others. */
async function readAll(
  session: FleetSession,
  options: HostsOptions,
  inFiles: readonly ExpectedHost[],
): Promise<Found> {
  const { access, place, context } = session;
  const given = new AbortController();
  const signal = AbortSignal.any([context.stop, given.signal]);
  const patience = { ...session.patience, signal };
  const isShown = context.isTerminal && options.json !== true;
  const progress = (text: string) => {
    if (isShown) context.stdout.write(`\r${text}\u001b[K`);
  };
  const notes: string[] = [];

  const readDesired = async () => {
    try {
      const state = await readFleet(access.source, place, patience);
      return desiredConfigs(state, access.clock.now());
    } catch (error) {
      // Who asks which hosts are behind must know what they should have; others can do without.
      if (options.behind === true || !(error instanceof ServiceError)) throw error;
      notes.push(
        `${error.message} What each host read last stands for what it should have. ${error.hint}`,
      );
      return undefined;
    }
  };
  const readExpected = async () => {
    const asked = options.expect;
    if (asked === undefined) return undefined;
    const found = [...inFiles];
    for (const inventory of INVENTORIES) {
      if (!asked.includes(inventory)) continue;
      found.push(...(await access.logs.expected(inventory, place.fleet, patience)));
    }
    return found;
  };
  const readBeats = () =>
    readHeartbeats({
      queries: access.logs.queries,
      group: stateLogGroup(place),
      now: access.clock.now(),
      signal,
      onProgress: (records) => progress(`reading heartbeats: ${records} records looked at`),
    });
  try {
    progress("reading heartbeats ...");
    const [heartbeats, desired, expected] = await allOrNone(given, [
      readBeats(),
      readDesired(),
      readExpected(),
    ]);
    return { heartbeats, desired, expected, notes };
  } catch (error) {
    throw explained(error, session);
  } finally {
    progress("");
  }
}

/**
 * Waits for all. When one fails, the others are given up, and have ended before this throws: a
 * query is stopped before the process ends.
 */
async function allOrNone<T extends readonly unknown[]>(
  others: AbortController,
  promises: { readonly [K in keyof T]: Promise<T[K]> },
): Promise<{ -readonly [K in keyof T]: T[K] }> {
  try {
    return (await Promise.all(promises)) as { -readonly [K in keyof T]: T[K] };
  } catch (error) {
    others.abort(error);
    await Promise.allSettled(promises);
    throw error;
  }
}
