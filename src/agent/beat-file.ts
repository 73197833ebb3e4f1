import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomically } from "../lib/atomic-file.ts";

/** What is known of the last heartbeat. */
export interface Beat {
  /** The number of its slot. */
  readonly slot: number;
  /** How long the host had waited for a whole sweep; undefined: there was none to wait for. */
  readonly waitedMs: number | undefined;
}

/** The last heartbeat, in the state directory: its slot and, behind a space, `waitedMs`. */
export class BeatFile {
  readonly #path: string;

  constructor(stateDirectory: string) {
    this.#path = join(stateDirectory, "beat");
  }

  /** @returns undefined if none is known: a slot may then have two heartbeats, and none is missing */
  async read(): Promise<Beat | undefined> {
    const text = await readFile(this.#path, "utf8").catch(() => "");
    const [, slot, waitedMs] = /^(\d{1,12})(?: (\d{1,15}))?\n$/.exec(text) ?? [];
    if (slot === undefined) return undefined;
    return {
      slot: Number(slot),
      waitedMs: waitedMs === undefined ? undefined : Number(waitedMs),
    };
  }

  /** A disk in trouble is borne. */
  async keep({ slot, waitedMs }: Beat): Promise<void> {
    const text = waitedMs === undefined ? `${slot}\n` : `${slot} ${Math.round(waitedMs)}\n`;
    await writeFileAtomically(this.#path, text).catch(() => undefined);
  }
}
