import { fstatSync, lstatSync, renameSync, unlinkSync } from "node:fs";
import { isErrno } from "../lib/errors.ts";
import { renameExclusive } from "../lib/kernel.ts";
import type { Directory } from "./directory.ts";
import { type Fingerprint, fingerprintOf, isSameContent, isSameFile } from "./fingerprint.ts";
import type { OpenFile } from "./open-file.ts";
import { failedHere, kept, type Outcome } from "./outcome.ts";
import { activeKey, asideName, isTooLongForAside } from "./own-names.ts";
import { FileChangedError, hashContent } from "./read-file.ts";
import { type Aftermath, type RescueContext, watchRemoved } from "./rescue.ts";

/**
 * A writer whose open(2) had looked up the name before the file went aside has this long to arrive
 * at the lease. He is past everything but a few instructions of the kernel by then.
 */
export const ASIDE_MS = 250;

/** The names under which files of this agent stand aside at the moment. */
export interface Asides {
  readonly active: Set<string>;
  /** Where files go whose own directory has no room for one more name; undefined: it is missing. */
  readonly directory: Directory | undefined;
  /** Eight random bytes. */
  randomName(): Buffer;
}

export type RemovalContext = RescueContext;

/** What was proved to be in the bucket. */
export interface Proof {
  readonly fingerprint: Fingerprint;
  readonly sha256: string;
  readonly key: string;
  /** The whole name of the file is on disk elsewhere, so an aside need not tell it. */
  readonly isOnLedger: boolean;
}

/** A name in an open directory. */
interface Place {
  readonly directory: Directory;
  readonly name: Buffer;
}

/**
 * Removes a file whose bytes are in the bucket, unless anything about it has changed since they
 * were read. Whoever may still write to it must find it, so it goes in steps:
 *
 * 1. The lease is still ours and the name still leads to the file.
 * 2. It is renamed aside in the same directory, never replacing anything. A new opener finds no
 *    file; one that had found it already meets the lease, and the file has its name back before he
 *    goes on.
 * 3. What stands aside is the file, and nothing that took its name in that moment.
 * 4. After ASIDE_MS nobody is on the way to it any longer.
 * 5. Nothing has changed: facts, name, lease (and, where that is no proof, the content's digest).
 * 6. It is unlinked.
 * 7. A lease that breaks in this very moment is heard of, and what is written then is saved as a
 *    file of its own: see `watchRemoved`.
 *
 * Steps 1 to 3 and 5 to 6 are synchronous: nothing of this process comes between them.
 * @returns that it is gone; else why it is still there, under its own name if that is free
 */
export async function removeFile(
  opened: OpenFile,
  proof: Proof,
  context: RemovalContext,
): Promise<Gone | Outcome> {
  const { lease } = opened;
  const { fingerprint, key } = proof;
  const home: Place = { directory: opened.directory, name: opened.name };
  // The lease's handler gives the name back as well, at any moment between two of our steps.
  const at: { aside: Place | undefined } = { aside: undefined };
  const putBack = () => {
    const { aside } = at;
    at.aside = undefined;
    if (aside !== undefined) putBackTo(home, aside, context.asides);
  };
  try {
    if (!isUnwritten(opened)) return kept("busy", key);
    const found = whatIsAt(home, fingerprint);
    if (found !== "it" || !home.directory.isInPlace()) {
      return kept(found === "nothing" ? "vanished" : "changed", key);
    }
    lease?.setBeforeWriter(putBack);
    at.aside = goAside(home, proof.isOnLedger, context.asides);
    if (whatIsAt(at.aside, fingerprint) !== "it") return kept("changed", key);
    const { ctimeNs } = factsOf(opened);

    await waitAside(opened, context);
    if (opened.weakness !== undefined && !(await hasSameContent(opened, proof, context))) {
      return kept("changed", key);
    }
    const { aside } = at;
    if (aside === undefined || !isUnwritten(opened)) return kept("busy", key);
    const now = factsOf(opened);
    // Our rename is done, so its ctime stands still: whoever wrote and set the time back changed it.
    if (now.ctimeNs !== ctimeNs) return kept("changed", key);
    if (!isSameContent(now, fingerprint) || whatIsAt(aside, fingerprint) !== "it") {
      return kept("changed", key);
    }
    if (!isUnwritten(opened)) return kept("busy", key);
    unlinkSync(aside.directory.at(aside.name));
    at.aside = undefined;
    context.asides.active.delete(activeKey(aside.name));
    return { kind: "gone", ...(await watchRemoved(opened, proof, context)) };
  } catch (error) {
    if (context.cancel.aborted) return kept("interrupted", key);
    if (lease?.broken.aborted === true) return kept("busy", key);
    if (error instanceof FileChangedError) return kept("changed", key);
    if (isErrno(error, "ENOENT", "ENOTDIR")) return kept("vanished", key);
    return failedHere("not-removable", error, key);
  } finally {
    putBack();
    lease?.setBeforeWriter(undefined);
  }
}

/** What the removal came to when the file is gone. */
export interface Gone extends Aftermath {
  readonly kind: "gone";
}

function isUnwritten({ lease }: OpenFile): boolean {
  return lease === undefined || lease.isHeld();
}

function factsOf({ file }: OpenFile): Fingerprint {
  return fingerprintOf(fstatSync(file.fd, { bigint: true }));
}

function whatIsAt(
  { directory, name }: Place,
  fingerprint: Fingerprint,
): "it" | "other" | "nothing" {
  const stats = lstatSync(directory.at(name), { bigint: true, throwIfNoEntry: false });
  if (stats === undefined) return "nothing";
  return isSameFile(fingerprintOf(stats), fingerprint) ? "it" : "other";
}

/** @throws system errors; the file then has its name */
function goAside(home: Place, isOnLedger: boolean, asides: Asides): Place {
  if (isTooLongForAside(home.name) && !isOnLedger) {
    // Only the beginning of such a name fits; a crash now would lose the rest of it.
    throw Object.assign(
      new Error("the ledger cannot be written, and the name is too long without"),
      {
        code: "ENOSPC",
      },
    );
  }
  const name = asideName(home.name, asides.randomName());
  const aside: Place = { directory: home.directory, name };
  asides.active.add(activeKey(name));
  try {
    return moveAside(home, aside, isOnLedger ? asides.directory : undefined);
  } catch (error) {
    asides.active.delete(activeKey(name));
    throw error;
  }
}

function moveAside(home: Place, aside: Place, roomy: Directory | undefined): Place {
  try {
    move(home, aside);
    return aside;
  } catch (error) {
    if (isErrno(error, "ENOSPC", "EDQUOT") && roomy !== undefined) {
      const elsewhere = { ...aside, directory: roomy };
      move(home, elsewhere);
      return elsewhere;
    }
    if (!isErrno(error, "EINVAL", "ENOSYS")) throw error;
    // A filesystem without RENAME_NOREPLACE (NFS). The name is random: nobody else's is replaced.
    renameSync(home.directory.at(home.name), aside.directory.at(aside.name));
    return aside;
  }
}

function move(from: Place, to: Place): void {
  renameExclusive(
    { fd: from.directory.fd, name: from.name },
    { fd: to.directory.fd, name: to.name },
  );
}

/**
 * Gives a file its name back, if that is still free. Else it stays aside, and the next scan finds
 * it there: it is uploaded under its own name then, and nothing is replaced.
 */
function putBackTo(home: Place, aside: Place, asides: Asides): void {
  try {
    move(aside, home);
  } catch {
    // Taken (EEXIST), no such rename here (EINVAL), or gone: never by force.
  } finally {
    asides.active.delete(activeKey(aside.name));
  }
}

/** @throws the reason if the agent is stopping or the lease is broken */
async function waitAside({ lease }: OpenFile, { clock, cancel }: RemovalContext): Promise<void> {
  const signal = lease === undefined ? cancel : AbortSignal.any([cancel, lease.broken]);
  await clock.sleep(ASIDE_MS, signal);
}

/** Where no lease is a proof, only the bytes can tell whether somebody wrote and set the time back. */
async function hasSameContent(
  opened: OpenFile,
  { fingerprint, sha256 }: Proof,
  { cancel, marks }: RemovalContext,
): Promise<boolean> {
  const onPiece = () => marks.mark("read");
  return (await hashContent(opened.file, Number(fingerprint.bytes), cancel, onPiece)) === sha256;
}
