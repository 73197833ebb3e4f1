import { constants } from "node:fs";
import { access, type FileHandle, open, realpath, stat } from "node:fs/promises";
import { resolve, sep } from "node:path";
import {
  AgentError,
  configurationError,
  ExitCode,
  errnoOf,
  isErrno,
  messageOf,
} from "../lib/errors.ts";
import { homeAbove } from "../lib/homes.ts";
import { tryLock } from "../lib/kernel.ts";
import { shellWord } from "../lib/shell-word.ts";
import { exposureOf, trustedUsers, type Walk, walkPath } from "../lib/trusted-path.ts";
import { Directory } from "./directory.ts";
import { type Filesystem, filesystemOf } from "./filesystem.ts";

/** The watched directory, held open while the agent works in it. */
export interface WatchedDirectory extends AsyncDisposable {
  /** Its real path: absolute, without links, `.` or `..`. */
  readonly path: string;
  /** Everything in it is reached from here. */
  readonly root: Directory;
  readonly filesystem: Filesystem;
  /** Whether its path still leads to it: it was not removed, replaced or mounted over. */
  isCurrent(): Promise<boolean>;
}

/**
 * Opens the watched directory, and locks it unless it is only to be read.
 * @param directory as the setting says it; a relative one is taken from `workingDirectory`
 * @param allowedRoots it must be one of these or below; links are resolved on both sides, on the
 *   roots' side only those that root or the agent's user has made. A filesystem that is mounted
 *   below a root lies below it: mounting is root's own deed
 * @param stateDirectory the agent's own files, which are nobody's to upload: neither may lie in
 *   the other; undefined: nothing is to be taken from the directory
 * @throws AgentError with exit code 2 if it is absent, no directory, outside the allowed roots,
 *   not readable or writable, or not apart from the state; with 4 if another agent holds it
 */
export async function openWatchedDirectory(options: {
  readonly directory: string;
  readonly allowedRoots: readonly string[];
  readonly workingDirectory: string;
  readonly stateDirectory: string | undefined;
  readonly isReadOnly: boolean;
}): Promise<WatchedDirectory> {
  const asked = resolve(options.workingDirectory, options.directory);
  const path = await realPath(asked);
  await assertAllowed(path, asked, options);
  const { stateDirectory } = options;
  if (stateDirectory !== undefined) {
    await assertApartFromState(path, resolve(options.workingDirectory, stateDirectory));
  }

  const file = await openDirectory(path).catch((error: unknown) => {
    throw error instanceof AgentError ? error : unusable(path, error);
  });
  try {
    await assertUsable(path, options.isReadOnly);
    if (!options.isReadOnly && !tryLock(file.fd)) {
      throw new AgentError(`Another agent holds the watched directory ${path}.`, {
        exitCode: ExitCode.directoryHeld,
        hint: "Let it work (systemctl status s3-offload-agent), or look without it: sweep --dry-run.",
      });
    }
    const root = await Directory.ofRoot(file);
    return makeWatched(path, file, root, await filesystemOf(file.fd));
  } catch (error) {
    await file.close().catch(() => undefined);
    throw error instanceof AgentError ? error : unusable(path, error);
  }
}

function makeWatched(
  path: string,
  file: FileHandle,
  root: Directory,
  filesystem: Filesystem,
): WatchedDirectory {
  return {
    path,
    root,
    filesystem,
    async isCurrent() {
      const [held, now] = await Promise.all([
        file.stat({ bigint: true }),
        stat(path, { bigint: true }).catch(() => undefined),
      ]);
      return now !== undefined && now.ino === held.ino && now.dev === held.dev;
    },
    async [Symbol.asyncDispose]() {
      await file.close().catch(() => undefined);
    },
  };
}

/** open(2): a place in the tree, for those who may pass through it but not list it. */
const O_PATH = 0o10000000;
const DIRECTORY_FLAGS = constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** Whether `path` is `root` or below it. Both must be real paths. */
export function isBelow(path: string, root: string): boolean {
  const folder = root.endsWith(sep) ? root : root + sep;
  return path === root || path.startsWith(folder);
}

async function assertApartFromState(path: string, stateDirectory: string): Promise<void> {
  const state = await realpath(stateDirectory).catch(() => stateDirectory);
  if (!isBelow(path, state) && !isBelow(state, path)) return;
  throw configurationError(
    `The watched directory ${path} and the state directory ${state} lie in one another.`,
    "Name a directory beside it with the parameter `directory`, or another `stateDirectory` in the bootstrap file: the agent would take its own files.",
  );
}

async function realPath(asked: string): Promise<string> {
  try {
    return await realpath(asked);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw unusable(asked, error);
    const seen =
      homeAbove(asked) !== undefined
        ? `; there the unit sees only what it was given at its start (sudo s3-offload-agent allow ${shellWord(asked)}, then systemctl restart s3-offload-agent)`
        : "";
    throw configurationError(
      `The watched directory ${asked} does not exist.`,
      `Make it (mkdir)${seen}, or name another one with the parameter \`directory\`.`,
      error,
    );
  }
}

/**
 * Opens a directory name by name from the root, no link on the way: between the check of where it
 * lies and this, a folder above it may have been swapped for one. The folders on the way need not
 * be readable (O_PATH).
 * @param path real and absolute
 */
async function openDirectory(path: string): Promise<FileHandle> {
  const names = path.split(sep).filter((name) => name !== "");
  let file = await open(sep, O_PATH | DIRECTORY_FLAGS);
  try {
    for (const [index, name] of names.entries()) {
      const isLast = index === names.length - 1;
      const flags = (isLast ? constants.O_RDONLY : O_PATH) | DIRECTORY_FLAGS;
      const next = await open(`/proc/self/fd/${file.fd}/${name}`, flags);
      await file.close();
      file = next;
    }
    return file;
  } catch (error) {
    await file.close().catch(() => undefined);
    if (!isErrno(error, "ENOTDIR", "ELOOP")) throw unusable(path, error);
    throw configurationError(
      `The watched directory ${path} is not a directory.`,
      "Name a directory with the parameter `directory`.",
      error,
    );
  }
}

async function assertAllowed(
  path: string,
  asked: string,
  options: { readonly allowedRoots: readonly string[]; readonly workingDirectory: string },
): Promise<void> {
  const trusted = trustedUsers();
  for (const root of options.allowedRoots) {
    const walk = walkTo(resolve(options.workingDirectory, root));
    if (walk === undefined || !isBelow(path, walk.end.path)) continue;
    // Whoever may put a link in a root's place would widen what is allowed to any directory.
    const link = walk.links.find((step) => exposureOf(step, trusted) !== undefined);
    if (link === undefined) return;
    throw configurationError(
      `The allowed root ${root} is reached through the link ${link.path}, which user ${link.stats.uid} can lead anywhere.`,
      `Name ${walk.end.path} itself in \`allowedRoots\`, if that is what you mean, or take the link over: chown -h root: ${shellWord(link.path)}`,
    );
  }
  const via = path === asked ? "" : ` (which is ${path})`;
  throw new NotAllowedError(
    `The watched directory ${asked}${via} is outside the allowed roots: ${options.allowedRoots.join(", ")}.`,
    {
      exitCode: ExitCode.configuration,
      hint: `Add it to \`allowedRoots\` in the bootstrap file (sudo s3-offload-agent allow ${shellWord(asked)}) and restart the agent, or name another one with the parameter \`directory\`.`,
    },
  );
}

/** A directory that the bootstrap file does not allow. */
class NotAllowedError extends AgentError {}

/** Whether an error says that a directory is not there, or that files may not be taken from it. */
export function isNoDirectoryOfOurs(error: unknown): boolean {
  if (error instanceof NotAllowedError) return true;
  return error instanceof AgentError && isErrno(error.cause, "ENOENT");
}

/** A root that does not exist cannot hold anything. */
function walkTo(root: string): Walk | undefined {
  try {
    return walkPath(root);
  } catch {
    return undefined;
  }
}

/** Files that cannot be removed must not be uploaded in the first place. */
async function assertUsable(path: string, isReadOnly: boolean): Promise<void> {
  const mode = constants.R_OK | constants.X_OK | (isReadOnly ? 0 : constants.W_OK);
  try {
    await access(path, mode);
  } catch (error) {
    throw unusable(path, error);
  }
}

function unusable(path: string, error: unknown): AgentError {
  return configurationError(
    `The watched directory ${path} cannot be used: ${errnoOf(error) ?? messageOf(error)}.`,
    wayOutOf(path, error),
    error,
  );
}

function wayOutOf(path: string, error: unknown): string {
  if (isErrno(error, "EMFILE", "ENFILE")) {
    return "Let the process open more files (LimitNOFILE= in the unit, ulimit -n).";
  }
  if (isErrno(error, "EROFS")) {
    return `Give the unit write access to it: s3-offload-agent allow ${shellWord(path)}, then systemctl restart s3-offload-agent. If its filesystem is mounted read-only, mount it writable.`;
  }
  return "The agent's user needs to read and write it; writing is what removing a file takes.";
}
