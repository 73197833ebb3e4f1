import { nameOf, REVISION } from "../../fleet/keys.ts";
import type { ParameterVersion } from "../../fleet/parameter-store.ts";
import { partName, readHistory } from "../../fleet/read-fleet.ts";
import { changesBetween, countParts, type Release, releasesOf } from "../../fleet/release.ts";
import { ExitCode } from "../../lib/errors.ts";
import type { CommandContext } from "../context.ts";
import { printable, table } from "../text.ts";
import {
  type FleetOptions,
  type FleetSession,
  type OpenAccess,
  openSession,
  withPermissions,
} from "./session.ts";

/** So many changed parameters are named in a line. */
const NAMED_MAX = 6;

/**
 * `fleet history`: the releases that SSM still has, the newest first.
 * @throws AgentError
 */
export async function fleetHistory(
  options: FleetOptions,
  context: CommandContext,
  open?: OpenAccess,
): Promise<ExitCode> {
  await using session = await openSession("history", options, context, { open });
  const releases = await readReleases(session);
  const described = releases.map((release, index) => ({
    number: release.number,
    at: new Date(release.writtenAt).toISOString(),
    id: release.record?.id ?? null,
    by: release.record?.by ?? null,
    user: release.writtenBy,
    note: release.record?.note ?? null,
    changes: changesOf(release, releases[index + 1]) ?? null,
  }));
  session.answer({ fleet: session.place.fleet, releases: described });
  const rows = described.map(({ number, at, by, user, note, changes }) => [
    String(number),
    at.replace("T", " ").replace(/\.\d+Z$/, "Z"),
    printable(by === null ? user : `${by} (${user})`),
    printable([note, whatText(changes, by !== null)].filter((part) => part !== null).join(": ")),
  ]);
  session.tell(
    rows.length === 0
      ? "No release is recorded: the fleet has no revision.\n"
      : table([["release", "when", "who", "what"], ...rows]),
  );
  return ExitCode.done;
}

/** The release log of the session's fleet, the newest first. */
export async function readReleases(session: FleetSession): Promise<readonly Release[]> {
  const { access, place, patience } = session;
  const read = (name: string) =>
    withPermissions(session, () => readHistory(access.history, name, patience));
  const versions = await read(nameOf(REVISION, place));
  const count = Math.max(0, ...versions.map(({ value }) => countParts(value)));
  const parts: (readonly ParameterVersion[])[] = [];
  for (let index = 0; index < count; index += 1) parts.push(await read(partName(index, place)));
  return releasesOf(
    versions,
    (index, version) => parts[index]?.find((part) => part.version === version)?.value,
  );
}

/** Undefined: one of the two was written by hand, or the one before is no longer kept. */
function changesOf(release: Release, before: Release | undefined) {
  if (release.record === undefined || before?.record === undefined) return undefined;
  return changesBetween(before.record.leaves, release.record.leaves);
}

function whatText(changes: ReturnType<typeof changesOf> | null, isRecorded: boolean): string {
  if (!isRecorded) return "written by hand";
  if (changes === null || changes === undefined) return "the first that is known";
  if (changes.length === 0) return "no value changed";
  const named = changes.slice(0, NAMED_MAX).map(({ key, from, to }) => {
    if (from === undefined) return `+${key}`;
    return to === undefined ? `-${key}` : `~${key}`;
  });
  const more = changes.length - named.length;
  return `${named.join(" ")}${more > 0 ? ` and ${more} more` : ""}`;
}
