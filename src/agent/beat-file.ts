import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomically } from "../lib/atomic-file.ts";

/** The number of the slot that had its heartbeat last, in the state directory. */
export class BeatFile {
  readonly #path: string;

  constructor(stateDirectory: string) {
    this.#path = join(stateDirectory, "beat");
  }

  /** @returns undefined if none is known: a slot may then have two heartbeats, and none is missing */
  async read(): Promise<number | undefined> {
    const text = await readFile(this.#path, "utf8").catch(() => "");
    return /^\d{1,12}\n$/.test(text) ? Number(text) : undefined;
  }

  /** A disk in trouble is borne. */
  async keep(slot: number): Promise<void> {
    await writeFileAtomically(this.#path, `${slot}\n`).catch(() => undefined);
  }
}
