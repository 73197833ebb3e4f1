import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { readKey } from "../../fleet/keys.ts";
import { hostsOfReleases } from "../../fleet/plan.ts";
import { leavesOf, readFleet } from "../../fleet/read-fleet.ts";
import { writeFleetFile } from "../../fleet/write-fleet-file.ts";
import { configurationError, ExitCode, isErrno, messageOf } from "../../lib/errors.ts";
import type { CommandContext } from "../context.ts";
import {
  askLiveHosts,
  type FleetOptions,
  type OpenAccess,
  openSession,
  withPermissions,
} from "./session.ts";

export interface PullOptions extends FleetOptions {
  readonly output?: string;
  readonly force?: boolean;
  readonly host?: readonly string[];
  readonly allHosts?: boolean;
}

/**
 * `fleet pull`: writes the fleet file of what is in the Parameter Store. Of hosts, those that the
 * fleet's releases name, those that are live, and those that are asked for.
 * @throws AgentError
 */
export async function fleetPull(
  options: PullOptions,
  context: CommandContext,
  open?: OpenAccess,
): Promise<ExitCode> {
  await using session = await openSession("pull", options, context, { open });
  const { access, place, patience } = session;
  const state = await withPermissions(session, () => readFleet(access.source, place, patience));
  const live = state.hosts.size === 0 ? [] : ((await askLiveHosts(session)) ?? []);
  const hosts = hostsOfReleases(state, [
    ...(options.host ?? []),
    ...live.map(({ host }) => host),
    ...(options.allHosts === true ? state.hosts.keys() : []),
  ]);
  const leaves = [...leavesOf(state)].filter(([key]) => {
    const { host } = readKey(key);
    return host === undefined || hosts.has(host);
  });
  const values = new Map(leaves.map(([key, { value }]) => [key, value]));
  const leftOut = [...state.hosts.keys()].filter((host) => !hosts.has(host)).sort();
  const text = writeFleetFile(place.fleet, values);
  if (leftOut.length > 0) {
    context.stderr.write(
      `Left out: ${leftOut.length} hosts with parameters of their own, since nothing says that they are of this fleet: ${leftOut.slice(0, 10).join(", ")}. --host ID or --all-hosts takes them.\n`,
    );
  }
  if (options.output !== undefined) await save(resolve(context.workingDirectory, options.output));
  else if (options.json !== true) context.stdout.write(text);
  session.answer({
    fleet: place.fleet,
    values: Object.fromEntries(values),
    hostsLeftOut: leftOut,
    file: options.output ?? null,
  });
  return ExitCode.done;

  async function save(path: string): Promise<void> {
    try {
      await writeFile(path, text, { flag: options.force === true ? "w" : "wx" });
    } catch (error) {
      if (isErrno(error, "EEXIST")) {
        throw configurationError(
          `The file ${path} exists.`,
          "Its comments would be lost: name another file, or add --force.",
        );
      }
      throw configurationError(
        `The file ${path} cannot be written: ${messageOf(error)}.`,
        "Name a file in a folder that is there.",
        error,
      );
    }
  }
}
