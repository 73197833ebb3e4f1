import { randomBytes } from "node:crypto";
import { open, readFile, unlink } from "node:fs/promises";
import type { Clock } from "../../lib/clock.ts";
import { isErrno } from "../../lib/errors.ts";
import { renameExclusive } from "../../lib/kernel.ts";
import { Directories } from "../../sweep/directory.ts";
import { pathText } from "../../sweep/entry.ts";
import { probeName } from "../../sweep/own-names.ts";
import type { WatchedDirectory } from "../../sweep/watched-directory.ts";
import { type Check, codeOf, ok, problem, spaceCheck, type Verdict, warning } from "./check.ts";
import { leaseVerdict, othersVerdict } from "./lease-checks.ts";
import { isLocked } from "./state-checks.ts";
import { type Survey, surveyOf } from "./survey.ts";

/** Why a directory does not take, or give away, a name. */
const NAME_TROUBLE: Readonly<Record<string, readonly [reason: string, wayOut: string]>> = {
  EROFS: [
    "the filesystem is read-only",
    "Mount it writable; see dmesg if it was the kernel's doing.",
  ],
  EPERM: [
    "it is immutable or append-only",
    "See lsattr -d and take the attribute away (chattr -i -a).",
  ],
  EACCES: [
    "its user may not write to it",
    "Let the agent's user write to it (chown, chmod, setfacl).",
  ],
  ENOSPC: ["there is no room for another name", "Make room (df -h, df -i)."],
  EDQUOT: ["the quota is used up", "Make room, or raise the quota of the agent's user."],
};

/**
 * What the agent needs of a watched directory. Beside an agent at work they do no harm: it passes
 * the probes by.
 * @param directory open, not locked
 */
export function directoryChecks(
  directory: WatchedDirectory,
  { clock, stop }: { readonly clock: Clock; readonly stop: AbortSignal },
): readonly Check[] {
  const { path: about, filesystem } = directory;
  const directories = new Directories(directory.root);
  let survey: Promise<Survey> | undefined;
  const surveyed = () => {
    survey ??= surveyOf(directories, stop).finally(() => directories[Symbol.asyncDispose]());
    return survey;
  };
  const check = (name: string, run: () => Promise<Verdict>): Check => ({ name, about, run });
  return [
    check("names", () => namesVerdict(directory)),
    check("files", async () => treeVerdict(await surveyed())),
    check("filesystem", async () => filesystemVerdict(filesystem)),
    // Where leases are not trusted nobody asks for them.
    ...(filesystem.leases === "proof"
      ? [
          check("lease", () => leaseVerdict(directories, clock)),
          check("others' files", async () => {
            const found = await surveyed();
            await using opened = new Directories(directory.root);
            return await othersVerdict(found, opened, await readFile("/proc/self/status", "utf8"));
          }),
        ]
      : []),
    spaceCheck(about),
    check("lock", () => lockVerdict(about)),
    check("leftovers", async () => leftoversVerdict(await surveyed(), about)),
    check("quarantine", async () => quarantineVerdict(await surveyed())),
  ];
}

/** A file is made, renamed as the agent does it, and removed. */
async function namesVerdict({ root }: WatchedDirectory): Promise<Verdict> {
  const [first, second] = [probeName(randomBytes(8)), probeName(randomBytes(8))];
  let at: Buffer | undefined;
  let step = "made";
  try {
    await (await open(root.at(first), "wx", 0o600)).close();
    at = first;
    step = "renamed";
    let isExclusive = true;
    try {
      renameExclusive({ fd: root.fd, name: first }, { fd: root.fd, name: second });
      at = second;
    } catch (error) {
      if (!isErrno(error, "EINVAL", "ENOSYS")) throw error;
      isExclusive = false;
    }
    step = "removed";
    await unlink(root.at(at));
    at = undefined;
    if (isExclusive) return ok("files can be made, renamed and removed");
    return warning(
      "The filesystem cannot rename without replacing (RENAME_NOREPLACE): a file that was put aside may not get its name back at once.",
      "Take a local filesystem for the watched directory, such as ext4 or xfs.",
    );
  } catch (error) {
    const [reason, wayOut] = NAME_TROUBLE[codeOf(error)] ?? [
      codeOf(error),
      "See the kernel's log (dmesg).",
    ];
    const left = at;
    if (left !== undefined) await unlink(root.at(left)).catch(() => undefined);
    return problem(`No file can be ${step} in it: ${reason}.`, wayOut);
  }
}

function treeVerdict(survey: Survey): Verdict {
  const { files, isCut, unreadable, unreadableFiles, unwritable } = survey;
  const [first] = unreadable;
  if (first !== undefined) {
    const reason = `${nameOf(first.path)} cannot be looked at: ${codeOf(first.error)}`;
    return problem(
      `${reason}; its files stay.`,
      "Let the agent's user read and enter it, or exclude it.",
    );
  }
  const [closed] = unwritable;
  if (closed !== undefined) {
    return problem(
      `Files in ${nameOf(closed.path)} cannot be removed (${closed.reason}): they would be uploaded and stay.`,
      "Let the agent's user own the folder or write to it, or run the agent as the owner of the files.",
    );
  }
  const [file] = unreadableFiles;
  if (file !== undefined) {
    return problem(
      `${pathText(file)} and maybe others cannot be read.`,
      "Let the producer write files that the agent's user may read (a common group, setfacl -d).",
    );
  }
  return ok(`${files}${isCut ? " or more" : ""} files, and all that were looked at can be taken`);
}

function filesystemVerdict({ name, leases }: WatchedDirectory["filesystem"]): Verdict {
  if (leases === "proof") return ok(`${name}, where leases tell of writers`);
  return warning(
    `${name}, where leases do not tell of all writers: age, unchanged facts and a second reading decide (weaker checks).`,
    "Take ext4, xfs, btrfs or tmpfs for the watched directory, or let producers write elsewhere and rename into it.",
  );
}

async function lockVerdict(path: string): Promise<Verdict> {
  try {
    return ok((await isLocked(path)) ? "an agent is at work in it" : "no agent is at work in it");
  } catch (error) {
    return problem(
      `It cannot be locked: ${codeOf(error)}. Two agents would not know of each other.`,
      "Take a filesystem with flock(2), such as ext4 or xfs.",
    );
  }
}

async function leftoversVerdict({ asides, probes }: Survey, path: string): Promise<Verdict> {
  const [probe] = probes;
  if (probe !== undefined) {
    return warning(
      `A doctor that was killed has left ${pathText(probe)}.`,
      "Remove it: it is empty, and nobody needs it.",
    );
  }
  if (asides === 0) return ok("none");
  // An agent at work has some for a moment, and puts right those of before.
  if (await isLocked(path).catch(() => false)) return ok(`${asides} files aside at the moment`);
  return warning(
    `${asides} files stand under a name that the agent gave them (.s3oa-…): it was ended in the midst of its work.`,
    "Start the agent, or do a sweep: they get their names back.",
  );
}

function quarantineVerdict({ quarantined, isCut }: Survey): Verdict {
  if (quarantined === 0) return ok(isCut ? "none among the files looked at" : "empty");
  return warning(
    `${quarantined} files were set aside after failing again and again.`,
    "See why with s3-offload-agent status, mend it, then s3-offload-agent retry.",
  );
}

function nameOf(path: Buffer): string {
  return path.length === 0 ? "the watched directory itself" : pathText(path);
}
