import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { unwritablePath } from "../host/unit-drop-in.ts";
import { type AgentError, configurationError, isErrno, messageOf } from "../lib/errors.ts";
import { shellWord } from "../lib/shell-word.ts";
import { exposureOf, type PathStep, walkPath } from "../lib/trusted-path.ts";
import { isBelow } from "../sweep/watched-directory.ts";

/** A directory that is an allowed root, or is to be one. */
export interface RootPlace {
  /** As it is named: absolute. */
  readonly path: string;
  /** Where it is: no link on the way, as far as it is there. */
  readonly realPath: string;
  readonly exists: boolean;
  readonly isDirectory: boolean;
  /** A link on the way that somebody else could lead elsewhere. */
  readonly strangeLink: PathStep | undefined;
}

/** The agent's own places, by their real paths. */
export interface OwnPlaces {
  readonly stateDirectory: string;
  readonly bootstrapFile: string;
}

/** Nothing in these, nor they themselves, is ever a place for files that go to a bucket. */
const SYSTEM_TREES = [
  "/bin",
  "/boot",
  "/dev",
  "/efi",
  "/etc",
  "/lib",
  "/lib32",
  "/lib64",
  "/libx32",
  "/proc",
  "/run/s3-offload-agent",
  "/run/systemd",
  "/sbin",
  "/sys",
  "/usr",
];

/** What is in these is many programs' own; a folder of one's own in them is fine. */
const SHARED_DIRECTORIES = [
  "/",
  "/dev/shm",
  "/home",
  "/root",
  "/run",
  "/run/user",
  "/tmp",
  "/var",
  "/var/cache",
  "/var/lib",
  "/var/spool",
  "/var/tmp",
];

/**
 * Finds out where a root lies. The same as for a sweep: only root's own links are followed (the
 * unit's write access must not depend on what the agent's user could change).
 * @param path absolute
 * @throws AgentError (exit code 2) if that cannot be found out
 */
export async function lookAtRoot(path: string): Promise<RootPlace> {
  const missing: string[] = [];
  for (let at = path; ; at = dirname(at)) {
    try {
      const { end, links } = walkPath(at);
      const exists = missing.length === 0;
      return {
        path,
        realPath: join(end.path, ...missing),
        exists,
        isDirectory: exists && (await stat(end.path)).isDirectory(),
        strangeLink: links.find((link) => exposureOf(link, ROOT_ONLY) !== undefined),
      };
    } catch (error) {
      if (!isErrno(error, "ENOENT") || at === dirname(at)) {
        throw configurationError(
          `The directory ${path} cannot be looked at: ${messageOf(error)}.`,
          "Name a directory that is there, by its absolute path.",
          error,
        );
      }
      missing.unshift(at.slice(dirname(at).length).replace(/^\//, ""));
    }
  }
}

const ROOT_ONLY: ReadonlySet<number> = new Set([0]);

/** Why a directory is no allowed root for the unit, whoever names it; undefined: it may be one. Pure. */
export function refusalOf(place: RootPlace, own: OwnPlaces): AgentError | undefined {
  const { path, realPath, strangeLink } = place;
  const unwritable = unwritablePath(path) ?? unwritablePath(realPath);
  if (unwritable !== undefined) {
    return refused(path, unwritable, "Give the directory another name.");
  }
  const which = path === realPath ? "" : `it is ${realPath}, and `;
  const said = (at: string) => (at === path ? "" : which);
  for (const at of [path, realPath]) {
    const tree = SYSTEM_TREES.find((one) => isBelow(at, one) && !isBelow(at, "/dev/shm"));
    if (tree !== undefined) {
      return refused(path, `${said(at)}${tree} is the system's own`, NAME_A_FOLDER);
    }
    if (SHARED_DIRECTORIES.includes(at)) {
      return refused(
        path,
        `${said(at)}${at} holds what is not the agent's business`,
        NAME_A_FOLDER,
      );
    }
  }
  if (isBelow(realPath, own.stateDirectory) || isBelow(own.stateDirectory, realPath)) {
    return refused(
      path,
      `${which}the agent keeps its state in ${own.stateDirectory}`,
      NAME_A_FOLDER,
    );
  }
  if (isBelow(own.bootstrapFile, realPath)) {
    return refused(path, `${which}the bootstrap file ${own.bootstrapFile} is in it`, NAME_A_FOLDER);
  }
  if (strangeLink !== undefined) {
    return refused(
      path,
      `it is reached through the link ${strangeLink.path}, which user ${strangeLink.stats.uid} can lead anywhere`,
      `Name ${realPath} itself, if that is what you mean, or take the link over: chown -h root: ${shellWord(strangeLink.path)}`,
    );
  }
  if (place.exists && !place.isDirectory) {
    return refused(path, "it is not a directory", "Name the directory that the files are in.");
  }
  return undefined;
}

const NAME_A_FOLDER =
  "Name a directory that holds nothing but files for the bucket, such as /var/spool/s3-offload.";

function refused(path: string, reason: string, wayOut: string): AgentError {
  return configurationError(`The directory ${path} cannot be an allowed root: ${reason}.`, wayOut);
}
