import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, unlink } from "node:fs/promises";
import type { Clock } from "../../lib/clock.ts";
import { LeaseKeeper } from "../../lib/leases.ts";
import type { Directories } from "../../sweep/directory.ts";
import { pathText } from "../../sweep/entry.ts";
import { probeName } from "../../sweep/own-names.ts";
import { split } from "../../sweep/path-bytes.ts";
import { ok, problem, type Verdict, warning } from "./check.ts";
import type { Survey } from "./survey.ts";

/** A lease breaks within milliseconds; a host that needs longer than this for it is in trouble. */
const BREAK_MS_MAX = 5_000;

const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const WITH_CAPABILITY =
  "Run the agent as the user that owns the files, or give it CAP_LEASE (AmbientCapabilities=CAP_LEASE in its unit).";

/**
 * Whether a read lease keeps a writer waiting until the agent knows of him: taken on a probe, which
 * is then opened for writing as anybody would. The kernel makes no difference between processes.
 */
export async function leaseVerdict(directories: Directories, clock: Clock): Promise<Verdict> {
  const at = directories.root.at(probeName(randomBytes(8)));
  await (await open(at, "wx", 0o600)).close();
  try {
    await using file = await open(at, READ);
    using leases = new LeaseKeeper();
    const wish = leases.take(file.fd);
    if (wish.kind !== "held") {
      const answer = wish.kind === "busy" ? "somebody has the probe open" : wish.code;
      return warning(
        `No lease is to be had on a file of the agent's own (${answer}): files go on weaker checks.`,
        "See whether leases are switched off (sysctl fs.leases-enable) or forbidden by a sandbox.",
      );
    }
    const { lease } = wish;
    const waited = new AbortController();
    // One of Node's threads waits in open(2) meanwhile.
    const writing = open(at, constants.O_WRONLY | constants.O_NOFOLLOW);
    try {
      await Promise.race([writing, clock.sleep(BREAK_MS_MAX, waited.signal)]);
    } finally {
      waited.abort();
      lease.release();
      await closeQuietly(writing);
    }
    if (lease.broken.aborted) return ok("a writer waits until the agent has let go of the file");
    return problem(
      "A lease is granted, but a writer does not break it: the agent would not hear of late writes.",
      "Report this with the kernel's version (uname -r) and the filesystem; until then take a local ext4 or xfs.",
    );
  } finally {
    await unlink(at).catch(() => undefined);
  }
}

async function closeQuietly(opening: Promise<FileHandle>): Promise<void> {
  await opening.then((file) => file.close()).catch(() => undefined);
}

/** CAP_LEASE is bit 28 of <linux/capability.h>. */
const CAP_LEASE = 1n << 28n;

/**
 * Whether a lease is to be had on the files of other users, which takes CAP_LEASE.
 * @param status what /proc/self/status says
 */
export async function othersVerdict(
  { others, othersFiles, files }: Survey,
  directories: Directories,
  status: string,
): Promise<Verdict> {
  using leases = new LeaseKeeper();
  for (const { at } of others) {
    const { directory: path, name } = split(at);
    const directory = await directories.open(path).catch(() => undefined);
    const file = await open(directory?.at(name) ?? at, READ).catch(() => undefined);
    await directory?.release();
    if (file === undefined) continue;
    const wish = leases.take(file.fd);
    if (wish.kind === "held") wish.lease.release();
    await file.close();
    if (wish.kind === "busy") continue;
    if (wish.kind === "held") return ok(`leases on files of other users, such as ${pathText(at)}`);
    return warning(
      `No lease is to be had on ${othersFiles} of ${files} files, which belong to other users, such as ${pathText(at)} (${wish.code}): they go on weaker checks.`,
      WITH_CAPABILITY,
    );
  }
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  if ((effective & CAP_LEASE) !== 0n) return ok("CAP_LEASE is there for files of other users");
  return ok("no files of other users here; without CAP_LEASE they would go on weaker checks");
}
