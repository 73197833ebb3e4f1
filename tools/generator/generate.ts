import { createHash } from "node:crypto";
import { type FileHandle, mkdir, open, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../src/lib/clock.ts";
import { isErrno, messageOf } from "../../src/lib/errors.ts";
import { contentPieces } from "./content.ts";
import { fileName, type GeneratorOptions, type PlannedFile, planFiles } from "./plan.ts";

/** One file that the producer has closed. */
export interface GeneratedFile {
  /** Relative to the directory. */
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
  /** Of its bytes, in hexadecimal. */
  readonly sha256: string;
  /** It was held open and grew for a while. */
  readonly slow: boolean;
  /** Wall-clock times in ISO 8601. */
  readonly openedAt: string;
  readonly closedAt: string;
}

/** In how many steps a slow file grows. */
const SLOW_STEPS = 5;

/**
 * Writes files as a producer does, until `count` is reached or `signal` aborts; a file that is
 * begun is always finished. Nothing that exists is ever written to. One file is written at a time,
 * so one that takes longer than its interval delays the next.
 * @returns each file when it is closed
 * @throws a system error such as EACCES when a file cannot be created; when it cannot be written
 *   (ENOSPC), an Error that names it and has the system's as its cause, and the file is removed
 */
export async function* generate(
  options: GeneratorOptions,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): AsyncGenerator<GeneratedFile> {
  await mkdir(options.directory, { recursive: true });
  let written = 0;
  let begunMs = clock.monotonic();
  for (const planned of planFiles(options)) {
    if (written === options.count || signal.aborted) return;
    const waitMs = begunMs + planned.delayMs - clock.monotonic();
    if (waitMs > 0) await clock.sleep(waitMs, signal).catch(() => undefined);
    if (signal.aborted) return;
    begunMs = clock.monotonic();
    yield await writeFile(options.directory, planned, clock);
    written += 1;
  }
}

async function writeFile(
  directory: string,
  planned: PlannedFile,
  clock: Clock,
): Promise<GeneratedFile> {
  const folder = planned.subdirectory ?? ".";
  await mkdir(join(directory, folder), { recursive: true });
  const { file, name, openedAt } = await openNew(directory, folder, planned.tag, clock);
  const path = join(directory, name);
  const hash = createHash("sha256");
  const pauseMs = planned.writeMs / SLOW_STEPS;
  const stepBytes = Math.ceil(planned.bytes / SLOW_STEPS);
  let position = 0;
  let nextPauseAt = stepBytes;
  try {
    for (const piece of cut(contentPieces(planned.bytes, planned.contentSeed), stepBytes)) {
      hash.update(piece);
      // Unlike `write`, this goes on until every byte is written: on a full disk, a short write
      // would otherwise be taken for a whole one.
      await file.writeFile(piece);
      position += piece.length;
      if (pauseMs > 0 && position >= nextPauseAt) {
        nextPauseAt += stepBytes;
        // No signal: a file that is begun is finished.
        await clock.sleep(pauseMs);
      }
    }
  } catch (error) {
    // Half a file must not stay. As long as it is open for writing, the name still leads to it.
    await unlink(path).catch(() => undefined);
    throw new Error(`cannot write ${path}: ${messageOf(error)}`, { cause: error });
  } finally {
    await file.close();
  }
  return {
    name,
    path,
    bytes: planned.bytes,
    sha256: hash.digest("hex"),
    slow: planned.writeMs > 0,
    openedAt: new Date(openedAt).toISOString(),
    closedAt: new Date(clock.now()).toISOString(),
  };
}

/** Cuts pieces so that none is longer than `most`; then a slow file really grows in steps. */
function* cut(pieces: Iterable<Buffer>, most: number): Generator<Buffer> {
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += most) yield piece.subarray(at, at + most);
  }
}

/** Opens a file that did not exist; one whose name is taken has the name of a later millisecond. */
async function openNew(
  directory: string,
  folder: string,
  tag: string,
  clock: Clock,
): Promise<{ file: FileHandle; name: string; openedAt: number }> {
  const openedAt = clock.now();
  for (let shift = 0; ; shift += 1) {
    const name = join(folder, fileName(openedAt + shift, tag));
    try {
      return { file: await open(join(directory, name), "wx"), name, openedAt };
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
    }
  }
}
