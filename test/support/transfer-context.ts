import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { lstat, mkdtempDisposable, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ByteBudget } from "../../src/lib/byte-budget.ts";
import { Places } from "../../src/lib/concurrency.ts";
import { LeaseKeeper } from "../../src/lib/leases.ts";
import { UNWATCHED } from "../../src/lib/progress.ts";
import { Attempts } from "../../src/sweep/attempts.ts";
import { Directories, Directory } from "../../src/sweep/directory.ts";
import { type Entry, entryOf } from "../../src/sweep/entry.ts";
import { Ledger } from "../../src/sweep/ledger.ts";
import type { ObjectStore } from "../../src/sweep/object-store.ts";
import { Overwrites } from "../../src/sweep/overwrites.ts";
import { scan } from "../../src/sweep/scan.ts";
import { OPEN_FILES_MAX, type SweepOptions, WINDOW_MAX } from "../../src/sweep/sweep.ts";
import { type TransferContext, transfer } from "../../src/sweep/transfer.ts";
import { UploadStates } from "../../src/sweep/upload-states.ts";
import { stateFileIn } from "./entries.ts";
import { DESTINATION, laterClock, POLICY } from "./memory-store.ts";

/** Memory for the parts of large files. */
const PART_MEMORY_BYTES = 64 * 2 ** 20;

/** What transfers and sweeps of a directory take, with everything that a test does not say. */
export type TestContext = TransferContext &
  Pick<SweepOptions, "attempts" | "places" | "windowMax"> &
  AsyncDisposable;

/**
 * Opens a directory as the agent does.
 * @param statePath where its state lies; undefined: in a directory of its own, that goes again
 */
export async function openContext(
  root: string,
  store: ObjectStore,
  changes: Partial<TransferContext> = {},
  statePath?: string,
): Promise<TestContext> {
  const handle = await open(root, constants.O_RDONLY | constants.O_DIRECTORY);
  const directories = new Directories(await Directory.ofRoot(handle));
  const state =
    statePath === undefined
      ? await mkdtempDisposable(join(tmpdir(), "s3oa-state-"))
      : { path: statePath, remove: async () => undefined };
  const files = [stateFileIn(state.path, "ledger"), stateFileIn(state.path, "attempts")] as const;
  const leases = new LeaseKeeper();
  const clock = changes.clock ?? laterClock();
  return {
    root,
    directories,
    leases,
    isLeaseProof: true,
    filesystem: "a filesystem",
    asides: { active: new Set(), directory: undefined, randomName: () => randomBytes(8) },
    ledger: Ledger.of(files[0], await files[0].load()),
    attempts: Attempts.of(files[1], await files[1].load()),
    states: new UploadStates({
      directory: join(state.path, "uploads"),
      onProblem: () => undefined,
    }),
    budget: new ByteBudget(PART_MEMORY_BYTES),
    overwrites: new Overwrites(false),
    places: new Places(OPEN_FILES_MAX).share(),
    windowMax: WINDOW_MAX,
    policy: POLICY,
    destination: DESTINATION,
    store,
    clock,
    random: () => 0.5,
    cancel: new AbortController().signal,
    marks: UNWATCHED,
    moment: () => ({ now: clock.now(), steadySince: 0 }),
    onWeak: () => undefined,
    onUploaded: () => undefined,
    ...changes,
    async [Symbol.asyncDispose]() {
      await directories[Symbol.asyncDispose]();
      await handle.close();
      leases[Symbol.dispose]();
      for (const one of files) await one.close();
      await state.remove();
    },
  };
}

/** Both parts of a transfer, one after the other. */
export async function transferWhole(entry: Entry, context: TransferContext) {
  const result = await transfer(entry, context);
  return result.kind === "uploaded" ? await result.remove() : result;
}

/** The entry that a scan gives for a file. */
export async function entryAt(root: string, path: string): Promise<Entry> {
  return entryOf(Buffer.from(path), await lstat(`${root}/${path}`, { bigint: true }));
}

/** All entries of a scan. */
export async function entriesOf(root: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const found of scanPath(root)) if (found.kind === "entry") entries.push(found.entry);
  return entries;
}

/** Scans a directory that is given by its path. */
export async function* scanPath(root: string, stop = new AbortController().signal) {
  await using handle = await open(root, constants.O_RDONLY | constants.O_DIRECTORY);
  yield* scan(await Directory.ofRoot(handle), stop);
}
