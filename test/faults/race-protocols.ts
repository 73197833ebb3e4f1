import { lstatSync, renameSync, unlinkSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { renameExclusive, takeReadLease } from "../../src/lib/kernel.ts";
import { fingerprintOf, isSameContent } from "../../src/sweep/fingerprint.ts";
import { transfer } from "../../src/sweep/transfer.ts";
import { DESTINATION, type MemoryStore, sha256Of } from "../support/memory-store.ts";
import { entryAt, type TestContext } from "../support/transfer-context.ts";

/** What came of one file, in words. */
export interface Ended {
  readonly outcome: string;
  readonly wasOpenedLate: boolean;
  readonly rescuedAs: string | undefined;
}

/** Resolves, when the file is uploaded, to what removes it. */
type Protocol = (context: TestContext, name: string) => Promise<() => Promise<Ended>>;

/**
 * The agent's protocol, and simpler ones that look just as good: what moves files out of a
 * directory usually does one of these.
 */
export const PROTOCOLS = {
  /** The real one. */
  agent: async (context, name) => {
    const result = await transfer(await entryAt(context.root, name), context);
    if (result.kind !== "uploaded") return async () => endedBy(result.kind, reasonOf(result));
    return async () => {
      const outcome = await result.remove();
      if (outcome.kind !== "removed") return endedBy(outcome.kind, reasonOf(outcome));
      const { wasOpenedLate, rescuedAs } = outcome;
      return { outcome: "removed", wasOpenedLate, rescuedAs };
    };
  },

  /** Looks whether the file has changed, and removes it. */
  "stat, unlink": weakened((path) => {
    unlinkSync(path);
    return true;
  }),

  /** Asks the kernel for writers first, and lets the lease go. */
  "lease, unlink": weakened((path, file) => {
    if (!hasNoWriter(file)) return false;
    unlinkSync(path);
    return true;
  }),

  /** Renames aside, so that nobody finds it any more, asks for writers, and does not wait. */
  "aside, lease, unlink": weakened((path, file, directory, name) => {
    const aside = `.s3oa-0123456789abcdef-${name}`;
    renameSync(path, `${directory.root}/${aside}`);
    if (hasNoWriter(file)) {
      unlinkSync(`${directory.root}/${aside}`);
      return true;
    }
    const { fd } = directory.directories.root;
    renameExclusive({ fd, name: Buffer.from(aside) }, { fd, name: Buffer.from(name) });
    return false;
  }),
} as const satisfies Readonly<Record<string, Protocol>>;

export type ProtocolName = keyof typeof PROTOCOLS;

/** @param remove returns false if the file must stay */
function weakened(
  remove: (path: string, file: FileHandle, context: TestContext, name: string) => boolean,
): Protocol {
  return async (context, name) => {
    const path = `${context.root}/${name}`;
    await using file = await open(path);
    const before = fingerprintOf(await file.stat({ bigint: true }));
    const body = await file.readFile();
    await (context.store as MemoryStore).put({
      destination: DESTINATION,
      key: name,
      body,
      bytes: body.length,
      sha256: sha256Of(body),
      mayOverwrite: false,
      signal: context.cancel,
    });
    // From here on nothing of this process comes between: as tight as it can be.
    const now = fingerprintOf(lstatSync(path, { bigint: true }));
    const isRemoved = isSameContent(now, before) && remove(path, file, context, name);
    return async () => (isRemoved ? endedBy("removed") : endedBy("kept", "changed or busy"));
  };
}

function hasNoWriter(file: FileHandle): boolean {
  // The lease ends with the descriptor.
  return takeReadLease(file.fd).kind === "held";
}

function reasonOf(outcome: object): string {
  return "reason" in outcome ? String(outcome.reason) : "";
}

function endedBy(kind: string, reason = ""): Ended {
  return { outcome: `${kind} ${reason}`.trim(), wasOpenedLate: false, rescuedAs: undefined };
}
