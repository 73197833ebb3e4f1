import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from "node:fs";
import { type AgentError, configurationError, isErrno, messageOf } from "../lib/errors.ts";
import { shellWord } from "../lib/shell-word.ts";
import {
  type Exposure,
  exposureOf,
  type PathStep,
  trustedUsers,
  walkPath,
} from "../lib/trusted-path.ts";

/** A file with a thousand allowed roots is smaller than this. */
const FILE_BYTES_MAX = 64 * 1_024;

/** Without O_NONBLOCK a FIFO would keep the agent waiting for a writer, for ever. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * Reads the bootstrap file, once. Started as root or by systemd it must be out of everybody else's
 * reach: the file, the links that lead to it and each folder on the way belong to root or to the
 * agent's own user, and nobody else may write to them. The environment is not checked: who sets the
 * variables of a service (its unit, root) is trusted.
 * @param options.isRequired a person named the file
 * @returns undefined if it is absent and not required
 * @throws AgentError (exit code 2) that names what is wrong, and the command that mends it
 */
export function readBootstrapFile(
  file: string,
  options: {
    readonly isRequired: boolean;
    readonly env: Readonly<Record<string, string | undefined>>;
  },
): string | undefined {
  let fd: number;
  try {
    fd = openSync(file, OPEN_FLAGS);
  } catch (error) {
    if (!options.isRequired && isErrno(error, "ENOENT")) return undefined;
    throw unreadable(file, error);
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw unreadable(file, new Error("it is not a regular file"));
    if (isGuarded(options.env)) assertOutOfReach(file, stats);
    return readText(file, fd);
  } finally {
    closeSync(fd);
  }
}

/** systemd gives every process of a service INVOCATION_ID (systemd.exec(5)). */
function isGuarded(env: Readonly<Record<string, string | undefined>>): boolean {
  return process.geteuid?.() === 0 || (env["INVOCATION_ID"] ?? "") !== "";
}

/**
 * What was opened is checked, not what has the name by then. If nobody else can change the folders
 * and links on the way, nobody else can have swapped anything between the opening and this.
 */
function assertOutOfReach(file: string, opened: Stats): void {
  const { folders, links, end } = walk(file);
  const trusted = trustedUsers();
  // From the top: the first folder that is open to others explains the rest.
  for (const [what, steps] of [
    ["folder", folders],
    ["link", links],
    ["file", [{ path: end.path, stats: opened }]],
  ] as const) {
    for (const step of steps) {
      const exposure = exposureOf(step, trusted);
      if (exposure !== undefined) throw exposed(file, what, step, exposure);
    }
  }
  if (end.stats.dev !== opened.dev || end.stats.ino !== opened.ino) {
    throw configurationError(
      `The bootstrap file ${file} was replaced while it was read.`,
      "Start the agent again.",
    );
  }
}

function walk(file: string) {
  try {
    return walkPath(file);
  } catch (error) {
    throw unreadable(file, error);
  }
}

function exposed(
  file: string,
  what: "folder" | "link" | "file",
  { path, stats }: PathStep,
  exposure: Exposure,
): AgentError {
  const mode = (stats.mode & 0o7777).toString(8).padStart(4, "0");
  const says = {
    owner: `belongs to user ${stats.uid}`,
    group: `is writable by its group ${stats.gid}, or by users of its access control list (mode ${mode})`,
    others: `is writable by everybody (mode ${mode})`,
  };
  const mends = {
    owner: `${what === "link" ? "chown -h" : "chown"} root: ${shellWord(path)}`,
    group: `chmod g-w ${shellWord(path)}`,
    others: `chmod o-w ${shellWord(path)}`,
  };
  const which = what === "file" ? "it" : `the ${what} ${path} on the way to it`;
  return configurationError(
    `The bootstrap file ${file} is refused, since others could change it: ${which} ${says[exposure]}.`,
    `${mends[exposure]}${exposure === "owner" ? "" : ` (getfacl ${shellWord(path)} shows who else is let in)`}, and look into the file first: it says which directories the agent may empty.`,
  );
}

function readText(file: string, fd: number): string {
  const buffer = Buffer.alloc(FILE_BYTES_MAX + 1);
  let bytes = 0;
  for (;;) {
    const read = readSync(fd, buffer, bytes, buffer.length - bytes, bytes);
    bytes += read;
    if (bytes > FILE_BYTES_MAX) {
      throw unreadable(file, new Error(`it is larger than ${FILE_BYTES_MAX} bytes`));
    }
    if (read === 0) break;
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(buffer.subarray(0, bytes));
  } catch {
    throw unreadable(file, new Error("it is not UTF-8 text"));
  }
}

function unreadable(file: string, error: unknown): AgentError {
  return configurationError(
    `The bootstrap file ${file} cannot be read: ${messageOf(error)}.`,
    "Write it (it needs at least `fleet: NAME`), or name another one with --config FILE.",
    error,
  );
}
