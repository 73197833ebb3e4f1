import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { access, open, readdir, readFile, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Clock } from "../../lib/clock.ts";
import { AgentError, isErrno } from "../../lib/errors.ts";
import { tryLock } from "../../lib/kernel.ts";
import { type ClockAnchor, SteadyClock } from "../../lib/steady-clock.ts";
import { formatDuration } from "../../lib/units.ts";
import { probeName } from "../../sweep/own-names.ts";
import { readStateDirectory } from "../../sweep/state-snapshot.ts";
import { type Check, codeOf, ok, problem, spaceCheck, type Verdict, warning } from "./check.ts";

const WAY_OUT =
  "Let the agent's user write to it, or name another `stateDirectory` in the bootstrap file (S3_OFFLOAD_STATE_DIRECTORY).";

/**
 * What the agent needs of the directory that keeps its state.
 * @param path absolute
 * @param unitUid whom systemd runs the agent as, able to do with files what root can; or undefined
 */
export async function stateChecks(
  path: string,
  clock: Clock,
  unitUid: () => Promise<number | undefined>,
): Promise<readonly Check[]> {
  const about = path;
  const exists = await stat(path).then(
    () => true,
    (error: unknown) => !isErrno(error, "ENOENT"),
  );
  if (!exists) {
    const above = await nearestDirectory(path);
    return [
      { name: "state directory", about, run: () => canBeMade(above) },
      spaceCheck(above),
      { name: "clock", run: () => clockVerdict(path, clock) },
    ];
  }
  return [
    { name: "state directory", about, run: () => isUsable(path, unitUid) },
    { name: "state files", about, run: () => areReadable(path) },
    spaceCheck(path),
    { name: "clock", run: () => clockVerdict(path, clock) },
  ];
}

async function nearestDirectory(path: string): Promise<string> {
  for (let above = dirname(path); ; above = dirname(above)) {
    const stats = await stat(above).catch(() => undefined);
    if (stats !== undefined || above === dirname(above)) return above;
  }
}

async function canBeMade(above: string): Promise<Verdict> {
  try {
    await access(above, constants.W_OK | constants.X_OK);
    return ok("no agent has worked yet; it will be made");
  } catch (error) {
    return problem(
      `It is not there, and ${above} does not let it be made: ${codeOf(error)}.`,
      WAY_OUT,
    );
  }
}

async function isUsable(
  path: string,
  unitUid: () => Promise<number | undefined>,
): Promise<Verdict> {
  const stats = await stat(path);
  if (!stats.isDirectory()) return problem("It is no directory.", WAY_OUT);
  const probe = join(path, probeName(randomBytes(8)).toString());
  try {
    await (await open(probe, "wx", 0o600)).close();
    await unlink(probe);
  } catch (error) {
    return problem(`It cannot be written: ${codeOf(error)}.`, WAY_OUT);
  }
  const uid = process.geteuid?.();
  if (stats.uid !== uid && !(uid === 0 && stats.uid === (await unitUid()))) {
    return warning(
      `It belongs to user ${stats.uid}, and doctor runs as ${uid}: the agent may do more or less than what is checked here.`,
      `Run doctor as the agent's user: sudo -u '#${stats.uid}' s3-offload-agent doctor.`,
    );
  }
  return ok((await isLocked(path)) ? "writable; an agent is at work with it" : "writable");
}

async function areReadable(path: string): Promise<Verdict> {
  const { damages } = await readStateDirectory(path);
  const [damage] = damages;
  if (damage !== undefined) {
    return warning(
      `${damages.map((one) => `${one.path} is damaged: ${one.reason}`).join("; ")}.`,
      "Restart the agent: it sets the file aside and goes on with what is whole. See whether the disk is sound.",
    );
  }
  const setAside = (await readdir(path)).filter((name) => name.includes(".set-aside-"));
  if (setAside.length > 0) {
    return warning(
      `Files were damaged before, and set aside: ${setAside.join(", ")}.`,
      "See whether the disk is sound; the agent does not need them any more, remove them when you have looked.",
    );
  }
  return ok("whole");
}

/**
 * Whether an agent holds a directory. The lock is taken for the moment of the question: an agent
 * that starts in it says that the directory is held, and its service manager starts it again.
 * @throws system errors, where there are no locks
 */
export async function isLocked(path: string): Promise<boolean> {
  await using directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  return !tryLock(directory.fd);
}

/** A clock that says less than this was never set: the program is younger. */
const TIME_MIN = Date.UTC(2025, 0);

async function clockVerdict(stateDirectory: string, clock: Clock): Promise<Verdict> {
  const now = clock.now();
  const setIt = "Let the host keep its time by NTP (timedatectl set-ntp true).";
  if (now < TIME_MIN) {
    return problem(`The wall clock says ${new Date(now).toISOString()}: it was never set.`, setIt);
  }
  let anchor: ClockAnchor | undefined;
  try {
    anchor = (await readStateDirectory(stateDirectory)).host.anchor;
  } catch (error) {
    const isAbsent = error instanceof AgentError && isErrno(error.cause, "ENOENT");
    if (!isAbsent) return ok("not known whether it runs steadily: the state cannot be read");
  }
  const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  if (anchor?.bootId !== bootId) return ok("no agent has watched it since the host's start");
  const steadyMs = now - new SteadyClock(clock, bootId, anchor).steadySince();
  if (steadyMs < 1) {
    return warning(
      "The wall clock was set since the agent looked at it last: files wait until it has run steadily for min-age.",
      setIt,
    );
  }
  return ok(`has run steadily for ${formatDuration(steadyMs)}`);
}
