import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { checksumOf } from "../lib/checksum.ts";

/** How far the records of a spool have been accepted. */
export interface Cursor {
  /** The number of the first record that is not acknowledged. */
  readonly number: number;
  /** The number behind the last record that there was: of what is gone without a trace. */
  readonly next: number;
  /** Losses that nobody was told of yet, in the order of LOSS_REASONS. */
  readonly untold: readonly number[];
}

/** Two slots, written in turns. Each is well below a page, which the kernel writes as a whole. */
const SLOT_BYTES = 256;
const SLOTS = 2;

/** No link is followed, and nobody waits for the writer of a FIFO. */
const FLAGS = constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * The file `cursor` of a spool. INVARIANTS:
 *
 * - It is written in place, one of two slots at a time, the older one: a write that is torn leaves
 *   the one before it.
 * - Both slots are there from the beginning, so a full disk does not keep it from being written.
 * - It is found by its name each time: whoever removes it costs repeats, and no more.
 */
export class CursorFile {
  readonly #path: string;
  #turn = 0;

  constructor(directory: string) {
    this.#path = join(directory, "cursor");
  }

  /** @returns undefined if it is not there, or damaged */
  async read(): Promise<Cursor | undefined> {
    const text = await this.#readText();
    const slots = Array.from({ length: SLOTS }, (_, slot) =>
      parseSlot(text.slice(slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES)),
    );
    const turns = slots.map((slot) => slot?.turn ?? -1);
    const latest = Math.max(...turns);
    this.#turn = latest + 1;
    return slots[turns.indexOf(latest)]?.cursor;
  }

  /** @param options.isSynced it must be on disk before anything else is done @throws system errors */
  async write(cursor: Cursor, options: { readonly isSynced: boolean }): Promise<void> {
    await using file = await open(this.#path, constants.O_RDWR | constants.O_CREAT | FLAGS, 0o600);
    const { size } = await file.stat();
    const slot = Buffer.from(slotText(cursor, this.#turn));
    if (size !== SLOTS * SLOT_BYTES) await file.truncate(0);
    for (let nth = 0; nth < SLOTS; nth += 1) {
      const isDue = nth === this.#turn % SLOTS || size !== SLOTS * SLOT_BYTES;
      if (isDue) await file.write(slot, 0, SLOT_BYTES, nth * SLOT_BYTES);
    }
    this.#turn += 1;
    if (options.isSynced) await file.datasync();
  }

  async #readText(): Promise<string> {
    try {
      await using file = await open(this.#path, constants.O_RDONLY | FLAGS);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(SLOTS * SLOT_BYTES), 0);
      return buffer.toString("latin1", 0, bytesRead);
    } catch {
      // Not there, or not to be read: what it would have saved is repeated.
      return "";
    }
  }
}

function slotText({ number, next, untold }: Cursor, turn: number): string {
  const content = [turn, number, next, ...untold].join(" ");
  return `${checksumOf(content)} ${content}`.padEnd(SLOT_BYTES - 1).concat("\n");
}

function parseSlot(text: string) {
  const content = text.slice(9).trimEnd();
  if (text.slice(0, 9) !== `${checksumOf(content)} `) return undefined;
  const [turn, number, next, ...untold] = content.split(" ").map(Number);
  if (turn === undefined || number === undefined || next === undefined) return undefined;
  return { turn, cursor: { number, next, untold } };
}
