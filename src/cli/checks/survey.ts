import { constants } from "node:fs";
import { access, lstat, stat } from "node:fs/promises";
import type { Directories } from "../../sweep/directory.ts";
import type { Entry } from "../../sweep/entry.ts";
import { isProbeName, parseAside, QUARANTINE } from "../../sweep/own-names.ts";
import { split } from "../../sweep/path-bytes.ts";
import { scan } from "../../sweep/scan.ts";

/** What was seen in a watched directory. */
export interface Survey {
  readonly files: number;
  /** There is more, which was not looked at. */
  readonly isCut: boolean;
  /** Files of another user, and the first of them. */
  readonly othersFiles: number;
  readonly others: readonly Entry[];
  readonly unreadableFiles: readonly Buffer[];
  /** Parts of the tree that could not be looked at. */
  readonly unreadable: readonly { readonly path: Buffer; readonly error: Error }[];
  /** Folders with files in them that the agent could not remove. */
  readonly unwritable: readonly { readonly path: Buffer; readonly reason: string }[];
  /** Files under a name that a running agent gives for a moment, and a crash leaves. */
  readonly asides: number;
  readonly probes: readonly Buffer[];
  readonly quarantined: number;
}

/** A check is to be done in seconds; so many files show what kind of place it is. */
const LOOKED_AT_MAX = 10_000;
/** So many of a kind are kept to be named or tried. */
const SAMPLES_MAX = 8;

/** Looks at the files below a watched directory, through descriptors as the agent does. */
export async function surveyOf(directories: Directories, stop: AbortSignal): Promise<Survey> {
  const seen = { files: 0, othersFiles: 0, asides: 0, quarantined: 0 };
  const others: Entry[] = [];
  const unreadableFiles: Buffer[] = [];
  const unreadable: { path: Buffer; error: Error }[] = [];
  const unwritable: { path: Buffer; reason: string }[] = [];
  const probes: Buffer[] = [];
  const folders = new Set<string>();
  let lookedAt = 0;
  let isCut = false;

  const look = async (entry: Entry) => {
    const { directory: path, name } = split(entry.at);
    const directory = await directories.open(path);
    try {
      const folder = path.toString("latin1");
      const stats = await lstat(directory.at(name));
      const isOthers = stats.uid !== process.geteuid?.();
      if (!folders.has(folder)) {
        folders.add(folder);
        const reason = await whyUnwritable(`/proc/self/fd/${directory.fd}`);
        if (reason !== undefined) keep(unwritable, { path, reason });
      }
      if (entry.type !== "file") return;
      seen.files += 1;
      if (!isOthers) return;
      seen.othersFiles += 1;
      keep(others, entry);
      if (!(await isAllowed(directory.at(name), constants.R_OK))) keep(unreadableFiles, entry.at);
    } finally {
      await directory.release();
    }
  };

  for await (const found of scan(directories.root, stop)) {
    if (found.kind === "unreadable") {
      keep(unreadable, found);
      continue;
    }
    lookedAt += 1;
    if (lookedAt > LOOKED_AT_MAX) {
      isCut = true;
      break;
    }
    const { entry } = found;
    const { name } = split(entry.at);
    if (isInQuarantine(entry.at)) seen.quarantined += 1;
    else if (isProbeName(name)) keep(probes, entry.at);
    else if (parseAside(name) !== undefined) seen.asides += 1;
    // What goes in the meantime is nobody's trouble.
    else await look(entry).catch(() => undefined);
  }
  return { ...seen, isCut, others, unreadableFiles, unreadable, unwritable, probes };
}

function keep<T>(list: T[], value: T): void {
  if (list.length < SAMPLES_MAX) list.push(value);
}

function isInQuarantine(at: Buffer): boolean {
  return at
    .subarray(0, QUARANTINE.length + 1)
    .equals(Buffer.concat([QUARANTINE, Buffer.from("/")]));
}

/** In a sticky folder, S_ISVTX of inode(7), only the owner of a file or root removes it. */
const S_ISVTX = 0o1000;

async function whyUnwritable(path: string): Promise<string | undefined> {
  if (!(await isAllowed(path, constants.W_OK | constants.X_OK))) return "not writable";
  const { mode, uid } = await stat(path);
  const euid = process.geteuid?.();
  const isSticky = (mode & S_ISVTX) !== 0 && uid !== euid && euid !== 0;
  return isSticky ? "sticky: only the owner of a file may remove it" : undefined;
}

async function isAllowed(path: string | Buffer, mode: number): Promise<boolean> {
  return await access(path, mode).then(
    () => true,
    () => false,
  );
}
