import { type CanaryReport, reportCanary } from "../../fleet/canary-report.ts";
import { abortTarget, promoteTarget } from "../../fleet/canary-trial.ts";
import type { Target } from "../../fleet/difference.ts";
import type { LiveHost } from "../../fleet/live-hosts.ts";
import { hasCanary, hostsOfReleases, planFleet } from "../../fleet/plan.ts";
import { type FleetState, leavesOf, readFleet } from "../../fleet/read-fleet.ts";
import { AgentError, ExitCode } from "../../lib/errors.ts";
import { formatDuration } from "../../lib/units.ts";
import type { CommandContext } from "../context.ts";
import { printable, table } from "../text.ts";
import { type ChangeOptions, carryOut } from "./carry-out.ts";
import {
  askLiveHosts,
  type FleetOptions,
  type FleetSession,
  type OpenAccess,
  openSession,
  withPermissions,
} from "./session.ts";

export interface CanaryOptions extends FleetOptions, ChangeOptions {
  readonly force?: boolean;
}

/** So many hosts that are not well are named. */
const NAMED_MAX = 20;

/**
 * `fleet canary status`: how the canary hosts do with what they try.
 * @returns 0 if it may be promoted, else 1
 * @throws AgentError
 */
export async function canaryStatus(
  options: FleetOptions,
  context: CommandContext,
  open?: OpenAccess,
): Promise<ExitCode> {
  await using session = await openSession("canary status", options, context, { open });
  const { state, live } = await look(session);
  if (!hasCanary(state)) {
    session.tell("No canary is under way.\n");
    session.answer({ canary: null });
    return ExitCode.done;
  }
  const report = reportCanary(state, live ?? []);
  session.tell(reportText(report, session));
  session.answer({ canary: report });
  return report.objections.length === 0 ? ExitCode.done : ExitCode.failed;
}

/**
 * `fleet canary promote`: gives what the canaries have to the whole fleet, if they do well.
 * @throws AgentError: 1 if something speaks against it and nobody forces it; see carryOut
 */
export async function canaryPromote(
  options: CanaryOptions,
  context: CommandContext,
  open?: OpenAccess,
): Promise<ExitCode> {
  await using session = await openSession("canary promote", options, context, { open });
  const { state, live } = await look(session);
  const target = promoteTarget(leavesOf(state));
  const { objections } = reportCanary(state, live ?? []);
  if (objections.length > 0 && options.force !== true) {
    throw new AgentError(`The canary is not to be promoted yet: ${objections.join("; ")}.`, {
      exitCode: ExitCode.failed,
      hint: "Wait and look again with `fleet canary status`, abort it, or override this with --force.",
    });
  }
  const warnings = objections.map((objection) => `Overridden by --force: ${objection}.`);
  return await end(session, state, live, target, warnings, options);
}

/**
 * `fleet canary abort`: takes what the canaries have away again.
 * @throws AgentError, see carryOut
 */
export async function canaryAbort(
  options: CanaryOptions,
  context: CommandContext,
  open?: OpenAccess,
): Promise<ExitCode> {
  await using session = await openSession("canary abort", options, context, { open });
  const { state, live } = await look(session);
  return await end(session, state, live, abortTarget(leavesOf(state)), [], options);
}

async function look(
  session: FleetSession,
): Promise<{ readonly state: FleetState; readonly live: readonly LiveHost[] | undefined }> {
  const { access, place, patience } = session;
  const state = await withPermissions(session, () => readFleet(access.source, place, patience));
  return { state, live: await askLiveHosts(session) };
}

async function end(
  session: FleetSession,
  state: FleetState,
  live: readonly LiveHost[] | undefined,
  target: Target,
  warnings: readonly string[],
  options: CanaryOptions,
): Promise<ExitCode> {
  const plan = planFleet({
    state,
    target,
    live,
    warnings,
    region: session.access.region,
    hosts: hostsOfReleases(state, []),
    note: options.message ?? session.command,
  });
  return await carryOut(plan, session, {
    yes: options.yes === true,
    done: "The fleet file in git must say the same now: `fleet plan FILE` tells.",
  });
}

function reportText(report: CanaryReport, { palette, patience }: FleetSession): string {
  const { percent, counts, hosts, failing, stable, objections, since } = report;
  const age = formatDuration(patience.clock.now() - since);
  const swept = hosts.filter(({ progress, isSweptTwice }) => progress === "new" && isSweptTwice);
  const rows = [
    ["canary hosts, live", String(hosts.length)],
    ["  on the new configuration", String(counts.new)],
    ["  of these, swept twice", String(swept.length)],
    ["  behind", String(counts.behind)],
    ["  refusing it", String(counts.refused)],
    ["  with failures in the last sweep", String(failing)],
    ["other hosts, live", String(stable.hosts)],
    ["  with failures in the last sweep", String(stable.failing)],
  ];
  const unwell = hosts.filter(({ progress, failed }) => progress !== "new" || failed > 0);
  const named = unwell.slice(0, NAMED_MAX).map(({ host, progress, failed, refusal }) => {
    const why = refusal === undefined ? "" : `: ${printable(refusal)}`;
    return `  ${host}  ${progress}, ${failed} failed${why}\n`;
  });
  if (unwell.length > NAMED_MAX) named.push(`  and ${unwell.length - NAMED_MAX} more\n`);
  const verdict =
    objections.length === 0
      ? palette.green("It may be promoted.")
      : objections.map((one) => palette.yellow(`Not yet: ${printable(one)}.`)).join("\n");
  return `${palette.bold(`Canary: ${percent} % of the hosts, for ${age}`)}\n\n${table(rows)}${named.join("")}\n${verdict}\n`;
}
