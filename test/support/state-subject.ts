/**
 * A program for the tests of power cuts: does, in the directory of its first argument, what the
 * second one says, looks for a file that is not there, and ends.
 */
import { createHash } from "node:crypto";
import { lstat, open, unlink, writeFile } from "node:fs/promises";
import { writeFileAtomically } from "../../src/lib/atomic-file.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { UNWATCHED } from "../../src/lib/progress.ts";
import { RecordLog } from "../../src/lib/record-log.ts";
import { Directory } from "../../src/sweep/directory.ts";
import { fingerprintOf } from "../../src/sweep/fingerprint.ts";
import { watchRemoved } from "../../src/sweep/rescue.ts";

const [directory = "", what = ""] = process.argv.slice(2);
const path = `${directory}/a`;

const known: Readonly<Record<string, () => Promise<unknown>>> = {
  write: () => writeFileAtomically(path, "new"),
  async append() {
    const { log } = await RecordLog.open(path, { format: "test", version: 1 });
    await log.append({ n: 1 });
  },
  /** Somebody writes to a file that has just been removed. */
  async rescue() {
    await writeFile(path, "early");
    const file = await open(path, "r+");
    const stats = await file.stat({ bigint: true });
    await unlink(path);
    await file.write(" and late", 5);
    const root = await Directory.ofRoot(await open(directory));
    const sha256 = createHash("sha256").update("early").digest("hex");
    await watchRemoved(
      {
        ...{ directory: root, name: Buffer.from("a"), file, stats },
        ...{ lease: undefined, weakness: "none", [Symbol.asyncDispose]: () => file.close() },
      },
      { sha256, fingerprint: fingerprintOf(stats) },
      {
        leases: undefined,
        asides: { active: new Set(), directory: undefined, randomName: () => Buffer.alloc(8) },
        clock: systemClock,
        marks: UNWATCHED,
        cancel: new AbortController().signal,
      },
    );
  },
};

await known[what]?.();
await lstat(`${directory}/end`).catch(() => undefined);
process.exit();
