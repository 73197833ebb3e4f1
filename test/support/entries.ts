import { StateFile } from "../../src/lib/state-file.ts";
import { ATTEMPTS_FORMAT } from "../../src/sweep/attempts.ts";
import type { Entry } from "../../src/sweep/entry.ts";
import type { Fingerprint } from "../../src/sweep/fingerprint.ts";
import { LEDGER_FORMAT } from "../../src/sweep/ledger.ts";

/** An entry of a regular file, without a file. */
export function fileEntry(
  path: string | Buffer,
  changes: Partial<Fingerprint> & { readonly at?: string } = {},
): Entry {
  const { at, ...facts } = changes;
  const bytes = Buffer.from(path);
  return {
    path: bytes,
    at: at === undefined ? bytes : Buffer.from(at),
    type: "file",
    fingerprint: {
      device: 1n,
      inode: 7n,
      bytes: 100n,
      mtimeNs: 1_000n,
      ctimeNs: 2_000n,
      links: 1n,
      ...facts,
    },
  };
}

/** The state files of a directory, as the agent names them. */
export function stateFileIn(directory: string, name: "ledger" | "attempts"): StateFile {
  const format = name === "ledger" ? LEDGER_FORMAT : ATTEMPTS_FORMAT;
  return new StateFile(`${directory}/${name}`, format, () => undefined);
}
