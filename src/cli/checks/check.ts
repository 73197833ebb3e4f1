import { statfs } from "node:fs/promises";
import { AgentError, errnoOf, messageOf } from "../../lib/errors.ts";
import { formatBytes } from "../../lib/units.ts";

/** What a check found. A warning says that the agent works, but not as well as it could. */
export type Verdict =
  | { readonly verdict: "ok"; readonly detail: string }
  | { readonly verdict: "warning" | "problem"; readonly reason: string; readonly wayOut: string };

/** One thing that must be right on a host. It leaves everything as it was. */
export interface Check {
  /** What is looked at, such as `lease`. */
  readonly name: string;
  /** The file or directory that it is about, if it is about one. */
  readonly about?: string;
  /** What it throws is a problem as well. */
  run(): Promise<Verdict>;
}

export function ok(detail: string): Verdict {
  return { verdict: "ok", detail };
}

export function warning(reason: string, wayOut: string): Verdict {
  return { verdict: "warning", reason, wayOut };
}

export function problem(reason: string, wayOut: string): Verdict {
  return { verdict: "problem", reason, wayOut };
}

/** Does a check; whatever goes wrong with it is its verdict. */
export async function verdictOf(check: Check): Promise<Verdict> {
  try {
    return await check.run();
  } catch (error) {
    if (error instanceof AgentError) return problem(error.message, error.hint);
    return problem(
      `It cannot be checked: ${codeOf(error)}.`,
      "Run doctor as the agent's user or as root, and see that nobody else changes it meanwhile.",
    );
  }
}

/** A check that was done. */
export type Checked = Omit<Check, "run"> & Verdict;

/** Does a check. Never throws. */
export async function checked(check: Check): Promise<Checked> {
  const { name, about } = check;
  return { name, ...(about === undefined ? {} : { about }), ...(await verdictOf(check)) };
}

/**
 * Does a check that finds something which others need.
 * @returns with `found` undefined if it does not
 */
export async function checkedFor<T>(
  check: Omit<Check, "run"> & {
    run(): Promise<{ readonly found: T; readonly verdict: Verdict }>;
  },
): Promise<{ readonly done: Checked; readonly found: T | undefined }> {
  let found: T | undefined;
  const done = await checked({
    ...check,
    async run() {
      const ran = await check.run();
      found = ran.found;
      return ran.verdict;
    },
  });
  return { done, found };
}

/** An error in few words. */
export function codeOf(error: unknown): string {
  return errnoOf(error) ?? messageOf(error);
}

/** With less than this part of it left, a filesystem is soon full. */
const FREE_PART_MIN = 0.05;

/** Free space and inodes of the filesystem that a directory lies in. */
export function spaceCheck(directory: string): Check {
  return {
    name: "free space",
    about: directory,
    async run() {
      const { blocks, bavail, bsize, files, ffree } = await statfs(directory);
      // btrfs and others make inodes as they need them, and say 0.
      const inodes = files === 0 ? "" : `, ${ffree} inodes`;
      const detail = `${formatBytes(bavail * bsize)}${inodes} free`;
      const least = Math.min(bavail / Math.max(blocks, 1), files === 0 ? 1 : ffree / files);
      const wayOut = "Make room (df -h, df -i), or move the directory to a larger filesystem.";
      if (least <= 0) return problem(`The filesystem is full: ${detail}.`, wayOut);
      if (least < FREE_PART_MIN) return warning(`Little is left: ${detail}.`, wayOut);
      return ok(detail);
    },
  };
}
