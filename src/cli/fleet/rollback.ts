import { readKey } from "../../fleet/keys.ts";
import { hostsOfReleases, planFleet } from "../../fleet/plan.ts";
import { leavesOf, readFleet, releaseOf } from "../../fleet/read-fleet.ts";
import type { Release, ReleaseRecord } from "../../fleet/release.ts";
import { configurationError, type ExitCode } from "../../lib/errors.ts";
import type { CommandContext } from "../context.ts";
import { type ChangeOptions, carryOut } from "./carry-out.ts";
import { readReleases } from "./history.ts";
import {
  askLiveHosts,
  type FleetOptions,
  type OpenAccess,
  openSession,
  withPermissions,
} from "./session.ts";

export interface RollbackOptions extends FleetOptions, ChangeOptions {}

/**
 * `fleet rollback N`: makes the parameters what they were after release N, as a new release.
 * Values that came since go; own parameters of hosts that no release names stay.
 * @throws AgentError (exit code 2) if there is no such release; see carryOut
 */
export async function fleetRollback(
  number: string,
  options: RollbackOptions,
  context: CommandContext,
  open?: OpenAccess,
): Promise<ExitCode> {
  await using session = await openSession("rollback", options, context, { open });
  const { access, place, patience } = session;
  const record = recordOf(number, await readReleases(session));
  const state = await withPermissions(session, () => readFleet(access.source, place, patience));
  const latest = releaseOf(state)?.leaves;
  const dropped = [...leavesOf(state).keys()].filter((key) => {
    if (record.leaves.has(key)) return false;
    return readKey(key).host === undefined || latest?.has(key) === true;
  });
  const hosts = [...record.leaves.keys()].flatMap((key) => readKey(key).host ?? []);
  const plan = planFleet({
    state,
    target: { wanted: record.leaves, dropped: new Set(dropped) },
    live: await askLiveHosts(session),
    region: access.region,
    hosts: hostsOfReleases(state, hosts),
    note: options.message ?? `rollback to release ${number}`,
  });
  return await carryOut(plan, session, {
    yes: options.yes === true,
    done: "The fleet file in git must say the same now: `fleet plan FILE` tells.",
  });
}

function recordOf(number: string, releases: readonly Release[]): ReleaseRecord {
  const release = releases.find((one) => String(one.number) === number);
  const first = releases.at(-1)?.number;
  const last = releases[0]?.number;
  if (release === undefined) {
    const kept =
      first === undefined ? "none is recorded" : `SSM keeps the last 100, now ${first} to ${last}`;
    throw configurationError(
      `There is no release ${number}: ${kept}.`,
      "Choose one of `fleet history`, or apply an older fleet file from git.",
    );
  }
  if (release.record === undefined) {
    throw configurationError(
      `Release ${number} was written by hand: nothing tells what the parameters were.`,
      "Choose another one of `fleet history`, or apply an older fleet file from git.",
    );
  }
  return release.record;
}
