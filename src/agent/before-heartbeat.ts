import type { Clock } from "../lib/clock.ts";
import { freeSpaceOf } from "../sweep/filesystem.ts";

/**
 * A disk or a service that hangs must not hold up the heartbeat: it would be taken for silence. So
 * long after its moment, it is still well within its slot.
 */
const ASKED_MS_MAX = 5_000;

/**
 * What a heartbeat wants to have done and to know, for as long as ASKED_MS_MAX together: a renewal
 * of credentials that is due is tried, and the room on the disks is looked up.
 * @param about.directories of which the one with the least room counts
 * @returns undefined: it was not to be known in time
 */
export async function askBeforeHeartbeat(about: {
  readonly renewCredentials: () => Promise<void>;
  readonly directories: readonly string[];
  readonly clock: Clock;
  readonly stop: AbortSignal;
  /** Default: what the filesystem of a directory says. */
  readonly freePercentOf?: (directory: string) => Promise<number | undefined>;
}): Promise<{ readonly freePercent: number | undefined }> {
  const { clock, freePercentOf = async (path) => (await freeSpaceOf(path))?.percent } = about;
  const over = new AbortController();
  const signal = AbortSignal.any([about.stop, over.signal]);
  const time = clock.sleep(ASKED_MS_MAX, signal).then(nothing, nothing);
  const within = async <T>(asked: Promise<T>): Promise<T | undefined> =>
    await Promise.race([asked, time]);
  // One that hangs does not hide the others.
  const [percents] = await Promise.all([
    Promise.all(about.directories.map((path) => within(freePercentOf(path)))),
    within(about.renewCredentials()),
  ]);
  over.abort();
  const known = percents.filter((percent) => percent !== undefined);
  return { freePercent: known.length === 0 ? undefined : Math.min(...known) };
}

function nothing(): undefined {
  return undefined;
}
