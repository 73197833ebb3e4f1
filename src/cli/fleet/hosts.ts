import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { makeLogQueries } from "../../aws/logs-insights.ts";
import { makeParameterSource } from "../../aws/ssm.ts";
import { type DesiredConfigs, desiredConfigs } from "../../fleet/hosts/desired.ts";
import { type ExpectedHost, parseExpectedHosts } from "../../fleet/hosts/expected-hosts.ts";
import {
  type FleetHeartbeats,
  readHeartbeats,
  stateLogGroup,
} from "../../fleet/hosts/heartbeat-source.ts";
import { type Filter, judgeFleet, SILENT_MS, selectHosts } from "../../fleet/hosts/verdict.ts";
import { type Patience, readFleet } from "../../fleet/read-fleet.ts";
import { systemClock } from "../../lib/clock.ts";
import { configurationError, ExitCode, messageOf, ServiceError } from "../../lib/errors.ts";
import type { CommandContext } from "../context.ts";
import { type HostsReport, hostsJson, hostsText } from "./hosts-text.ts";
import { type Operator, type OperatorOptions, startOperator } from "./operator.ts";

export interface HostsOptions extends OperatorOptions {
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
  using operator = await startOperator(options, context);
  const { heartbeats, desired, expected, notes } = await readAll(
    operator,
    options,
    inFiles,
    context,
  );

  const now = systemClock.now();
  const filters = (["silent", "behind", "errors"] as const).filter((name) => options[name]);
  const verdicts = judgeFleet({
    heartbeats: heartbeats.hosts,
    desired: desired ?? undefined,
    expected,
    now,
  });
  const heard = verdicts.filter((verdict) => {
    return verdict.heartbeats !== undefined && now - verdict.heartbeats.heartbeatAt < SILENT_MS;
  });
  const report: HostsReport = {
    fleet: operator.place.fleet,
    group: stateLogGroup(operator.place.parameterRoot, operator.place.fleet),
    now,
    verdicts,
    shown: selectHosts(verdicts, filters),
    filters,
    hostsInAll: heartbeats.hostsInAll,
    hostsHeard: heard.length,
    expectedHosts: desired?.expectedHosts,
    notes,
  };
  const isColoured = context.isTerminal && !context.env["NO_COLOR"];
  const text = options.json === true ? hostsJson(report) : hostsText(report, isColoured);
  context.stdout.write(text);
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
const INVENTORIES: ReadonlySet<string> = new Set(["ec2", "ssm"]);

/** The ids in the files that `--expect` names. */
async function expectedInFiles(
  names: readonly string[],
  { workingDirectory }: CommandContext,
): Promise<readonly ExpectedHost[]> {
  const found: ExpectedHost[] = [];
  for (const name of names) {
    if (INVENTORIES.has(name)) continue;
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
  { place, clients }: Operator,
  options: HostsOptions,
  inFiles: readonly ExpectedHost[],
  context: CommandContext,
): Promise<Found> {
  const given = new AbortController();
  const signal = AbortSignal.any([context.stop, given.signal]);
  const patience: Patience = { clock: systemClock, random: Math.random, signal };
  const isShown = context.isTerminal && options.json !== true;
  const progress = (text: string) => {
    if (isShown) context.stdout.write(`\r${text}\u001b[K`);
  };
  const notes: string[] = [];

  const readDesired = async () => {
    try {
      const source = makeParameterSource(clients.ssm, systemClock);
      return desiredConfigs(await readFleet(source, place, patience), systemClock.now());
    } catch (error) {
      // Who asks which hosts are behind must know what they should have; others can do without.
      if (options.behind === true || !(error instanceof ServiceError)) throw error;
      notes.push(
        `${error.message} What each host read last stands for what the parameters say now. ${error.hint}`,
      );
      return undefined;
    }
  };
  const readExpected = async () => {
    const asked = options.expect;
    if (asked === undefined) return undefined;
    if (!asked.some((name) => INVENTORIES.has(name))) return inFiles;
    const { expectedOfEc2, expectedOfSsm } = await import("../../aws/expected-hosts.ts");
    const { ssm } = clients;
    const ec2 = asked.includes("ec2") ? await expectedOfEc2(ssm, place.fleet, patience) : [];
    const nodes = asked.includes("ssm") ? await expectedOfSsm(ssm, place.fleet, patience) : [];
    return [...inFiles, ...ec2, ...nodes];
  };
  try {
    progress("reading heartbeats ...");
    const [heartbeats, desired, expected] = await Promise.all([
      readHeartbeats({
        queries: makeLogQueries(clients.logs, patience),
        group: stateLogGroup(place.parameterRoot, place.fleet),
        now: systemClock.now(),
        signal,
        onProgress: (records) => progress(`reading heartbeats: ${records} records looked at`),
      }),
      readDesired(),
      readExpected(),
    ]);
    return { heartbeats, desired, expected, notes };
  } finally {
    given.abort();
    progress("");
  }
}
