import { mkdir, mkdtempDisposable, open, readdir, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { ByteBudget } from "../../src/lib/byte-budget.ts";
import { UNWATCHED } from "../../src/lib/progress.ts";
import { fingerprintOf } from "../../src/sweep/fingerprint.ts";
import { type LargeUpload, uploadLarge } from "../../src/sweep/large-upload.ts";
import type { ObjectStore } from "../../src/sweep/object-store.ts";
import type { LargeUploadOptions } from "../../src/sweep/upload-round.ts";
import { type StateProblem, UploadStates } from "../../src/sweep/upload-states.ts";
import { DESTINATION, laterClock } from "./memory-store.ts";

/** Large enough that a file of a few hundred KiB has several parts. */
export const PART_BYTES = 64 * 2 ** 10;

/** Bytes of which no two parts are alike. */
export function contentOf(parts: number, seed = 1): Buffer {
  const content = Buffer.alloc(Math.round(parts * PART_BYTES));
  for (let at = 0; at + 4 <= content.length; at += 4) {
    content.writeUInt32LE((at * 2_654_435_761 + seed) % 2 ** 32, at);
  }
  return content;
}

/** A watched directory with one file, and a folder for states. */
export async function makePlace(content: Buffer, key = "dir/large") {
  const folder = await mkdtempDisposable(`${tmpdir()}/s3oa-large-`);
  const root = `${folder.path}/watched`;
  const path = "large";
  const file = `${root}/${path}`;
  await mkdir(root);
  await writeFile(file, content);
  // A whole second, so that a test can set the time back to the very nanosecond.
  await utimes(file, 1_700_000_000, 1_700_000_000);
  const directory = `${folder.path}/uploads`;
  const problems: StateProblem[] = [];
  /** As an agent has them that has just been started: nothing is known but what is on disk. */
  const states = (of = directory) =>
    new UploadStates({ directory: of, onProblem: (problem) => problems.push(problem) });
  return {
    root,
    path,
    file,
    key,
    directory,
    states,
    /** What was found wrong with states. */
    problems,
    /** Uploads with new states, as after a restart. */
    async upload(
      store: ObjectStore,
      changes: Partial<LargeUploadOptions> = {},
    ): Promise<LargeUpload> {
      await using handle = await open(file);
      return await uploadLarge({
        store,
        marks: UNWATCHED,
        destination: DESTINATION,
        key,
        file: handle,
        fingerprint: fingerprintOf(await handle.stat({ bigint: true })),
        root: Buffer.from(root),
        path: Buffer.from(path),
        states: states(),
        budget: new ByteBudget(64 * 2 ** 20),
        clock: laterClock(),
        random: () => 0.5,
        mayOverwrite: false,
        signal: new AbortController().signal,
        partBytesOf: () => PART_BYTES,
        ...changes,
      });
    },
    /** Relative to `directory`. */
    async stateFiles(): Promise<readonly string[]> {
      const found = await readdir(directory, { recursive: true, withFileTypes: true });
      const files = found.filter((one) => one.isFile());
      return files.map((one) => relative(directory, join(one.parentPath, one.name)));
    },
    [Symbol.asyncDispose]: () => folder.remove(),
  };
}
