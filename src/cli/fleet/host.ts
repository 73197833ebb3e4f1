import { placeOf } from "../../config/merge.ts";
import { type FleetPlace, hostKey, pathsOf, REVISION } from "../../fleet/keys.ts";
import { planFleet } from "../../fleet/plan.ts";
import { readFleet } from "../../fleet/read-fleet.ts";
import { NAME_EXPECTS, NAME_PATTERN } from "../../host/names.ts";
import { configurationError, ExitCode } from "../../lib/errors.ts";
import { quoted } from "../../lib/palette.ts";
import type { CommandContext } from "../context.ts";
import { table } from "../text.ts";
import { type ChangeOptions, carryOut } from "./carry-out.ts";
import {
  type FleetOptions,
  type FleetSession,
  type OpenAccess,
  openSession,
  withPermissions,
} from "./session.ts";

export interface HostOptions extends FleetOptions, ChangeOptions {}

/** What can be done to a host's own parameters. */
export type HostAction = "show" | "set" | "unset";

/**
 * `fleet host ID show|set LEAF=VALUE...|unset LEAF...`: the parameters that one host has for itself.
 * @param items what to set or unset
 * @throws AgentError, see carryOut
 */
export async function fleetHost(
  host: string,
  action: HostAction,
  items: readonly string[],
  options: HostOptions,
  context: CommandContext,
  open?: OpenAccess,
): Promise<ExitCode> {
  if (!NAME_PATTERN.test(host)) {
    throw configurationError(`The host's id ${NAME_EXPECTS}.`, "See ids with `fleet hosts`.");
  }
  const target = targetOf(host, action, items);
  await using session = await openSession(`host ${action}`, options, context, { host, open });
  const { access, place, patience } = session;
  const state = await withPermissions(session, () =>
    readFleet(access.source, place, patience, host),
  );
  if (action === "show") return show(session, host, state.hosts.get(host) ?? []);
  const plan = planFleet({
    state,
    target,
    host,
    hosts: new Set(),
    live: undefined,
    region: access.region,
    note: options.message,
  });
  return await carryOut(plan, session, { yes: options.yes === true });
}

function targetOf(host: string, action: HostAction, items: readonly string[]) {
  const wanted = new Map<string, string>();
  const dropped = new Set<string>();
  if (action === "show" ? items.length > 0 : items.length === 0) {
    throw configurationError(
      action === "show" ? "`show` takes no more words." : `\`${action}\` needs to be told what.`,
      "Write `show`, `set LEAF=VALUE...` or `unset LEAF...`.",
    );
  }
  for (const item of items) {
    const [, leaf = item, value] = (action === "set" ? /^([^=]*)=(.*)$/s.exec(item) : null) ?? [];
    if (action === "unset") {
      // Whatever is there may go, known or not, but what the hosts are told by.
      if (leaf === REVISION) throw leafError(leaf, "is written by these commands");
      dropped.add(hostKey(host, leaf));
      continue;
    }
    if (value === undefined || value === "") {
      throw configurationError(
        `${item} is no LEAF=VALUE.`,
        "Write for example prefix=special/; `none` or `unset` where there is to be nothing.",
      );
    }
    const place = placeOf(leaf, "host");
    if (place.kind !== "setting") {
      throw leafError(leaf, "reason" in place ? place.reason : "is written by these commands");
    }
    wanted.set(hostKey(host, leaf), value);
  }
  return { wanted, dropped };
}

function leafError(leaf: string, reason: string): Error {
  return configurationError(
    `${leaf} ${reason}`.replace(/[^?]$/, "$&."),
    "The README lists every setting; those of a route are routes/NAME/SETTING.",
  );
}

function show(
  session: FleetSession,
  host: string,
  parameters: readonly {
    readonly name: string;
    readonly value: string;
    readonly version: number;
    readonly lastModifiedAt: number;
  }[],
): ExitCode {
  const rows = parameters
    .map(({ name, value, version, lastModifiedAt }) => ({
      leaf: leafOf(name, session.place, host),
      value,
      version,
      at: new Date(lastModifiedAt).toISOString(),
    }))
    .filter(({ leaf }) => leaf !== REVISION)
    .sort((one, other) => (one.leaf < other.leaf ? -1 : 1));
  session.answer({ host, parameters: rows });
  session.tell(
    rows.length === 0
      ? `Host ${host} has no parameters of its own.\n`
      : table([
          ["parameter", "value", "version", "written"],
          ...rows.map(({ leaf, value, version, at }) => [leaf, quoted(value), `${version}`, at]),
        ]),
  );
  return ExitCode.done;
}

function leafOf(name: string, place: FleetPlace, host: string): string {
  return name.slice(pathsOf(place, host).host.length + 1);
}
