import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../lib/clock.ts";

/** The name of the file, in the state directory and in systemd's runtime directory. */
export const STATUS_FILE = "daemon.json";

/** However much happens, it is not written more often. */
const WRITE_MS_MIN = 1_000;

/**
 * What the running daemon says of itself, for `status`: one JSON object that is replaced as a
 * whole. It is of no use after a crash, so it is not synced. It names directories, but no files:
 * everybody may read it where everybody may enter the folder.
 */
export class StatusFile {
  readonly #paths: readonly string[];
  readonly #clock: Clock;
  readonly #read: () => unknown;
  readonly #ended = new AbortController();
  #isDue = false;
  #writing: Promise<void> | undefined;

  /**
   * @param directories where it is written; one that is not there is passed over
   * @param read what is to be in it at this moment
   */
  constructor(
    directories: readonly string[],
    { clock, read }: { readonly clock: Clock; readonly read: () => unknown },
  ) {
    this.#paths = directories.map((directory) => join(directory, STATUS_FILE));
    this.#clock = clock;
    this.#read = read;
  }

  /** Something has changed. */
  write(): void {
    this.#isDue = true;
    this.#writing ??= this.#writeWhileDue().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Writes it for the last time. */
  async end(): Promise<void> {
    this.#ended.abort();
    await this.#writing;
    await this.#writeNow();
  }

  async #writeWhileDue(): Promise<void> {
    const signal = this.#ended.signal;
    while (this.#isDue && !signal.aborted) {
      this.#isDue = false;
      await this.#writeNow();
      await this.#clock.sleep(WRITE_MS_MIN, signal).catch(() => undefined);
    }
  }

  async #writeNow(): Promise<void> {
    const text = `${JSON.stringify(this.#read())}\n`;
    for (const path of this.#paths) {
      // A disk in trouble is told of by what must be on it.
      await writeFile(`${path}.new`, text, { mode: 0o644 })
        .then(() => rename(`${path}.new`, path))
        .catch(() => undefined);
    }
  }
}
