import { lstatSync, readlinkSync, type Stats } from "node:fs";
import { dirname, join, resolve } from "node:path";

/** A folder, a link or the end of a path, with its own facts (a link's, not its target's). */
export interface PathStep {
  readonly path: string;
  readonly stats: Stats;
}

/** How the kernel gets along a path. */
export interface Walk {
  /** Every folder whose entries decide where the path leads, those of the links' targets too. */
  readonly folders: readonly PathStep[];
  readonly links: readonly PathStep[];
  /** What the path leads to, by its real path. */
  readonly end: PathStep;
}

/** path_resolution(7): the kernel follows no more links than these. */
const LINKS_MAX = 40;

/**
 * Goes along a path name by name, as the kernel does, and tells what was passed on the way.
 * @param path a relative one is taken from the working directory
 * @throws system errors: ENOENT, ENOTDIR, EACCES, ELOOP
 */
export function walkPath(path: string): Walk {
  const steps = new Map<string, PathStep>();
  const links: PathStep[] = [];
  const pass = (at: string): PathStep => {
    const step = steps.get(at) ?? { path: at, stats: lstatSync(at) };
    steps.set(at, step);
    return step;
  };
  let end = pass("/");
  const names = resolve(path).split("/");
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    if (name === "" || name === ".") continue;
    end = pass(name === ".." ? dirname(end.path) : join(end.path, name));
    if (!end.stats.isSymbolicLink()) continue;
    links.push(end);
    if (links.length > LINKS_MAX) {
      throw Object.assign(new Error(`ELOOP: too many links, '${path}'`), { code: "ELOOP" });
    }
    const target = readlinkSync(end.path);
    names.unshift(...target.split("/"));
    end = pass(target.startsWith("/") ? "/" : dirname(end.path));
  }
  const folders = [...steps.values()].filter((step) => step !== end && step.stats.isDirectory());
  return { folders, links, end };
}

/** Who besides the trusted users could change a file, a folder's entries or where a link leads. */
export type Exposure = "owner" | "group" | "others";

/**
 * Tells whether somebody else could change a thing. A sticky folder may be writable by all: nobody
 * but its owner and theirs can rename or remove what is in it (inode(7)). The group's bit counts
 * whatever the group is: with a POSIX ACL it is the mask, so it shows any user whom the list lets
 * write (acl(5)).
 * @param trusted user ids
 */
export function exposureOf(
  { stats }: PathStep,
  trusted: ReadonlySet<number>,
): Exposure | undefined {
  if (!trusted.has(stats.uid)) return "owner";
  // Links have no mode of their own.
  if (stats.isSymbolicLink()) return undefined;
  if (stats.isDirectory() && (stats.mode & 0o1000) !== 0) return undefined;
  if ((stats.mode & 0o020) !== 0) return "group";
  if ((stats.mode & 0o002) !== 0) return "others";
  return undefined;
}

/** Root, and the user as whom this process works: who is that could as well change the process. */
export function trustedUsers(): ReadonlySet<number> {
  return new Set([0, process.geteuid?.() ?? 0]);
}
