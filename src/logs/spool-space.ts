import { statfs } from "node:fs/promises";
import { makeDirectory } from "../lib/state-file.ts";
import type { SpoolDisk } from "./spool-disk.ts";

/** What the records of a host may take on disk unless a parameter says otherwise. */
const SPOOL_BYTES_DEFAULT = 128 * 2 ** 20;

/** The oldest segment is dropped as a whole, so that is how much is lost at once. */
const SEGMENT_BYTES_MAX = 2 ** 20;
/** A spool of less than this many segments would drop too much of itself at once. */
const SEGMENTS_MIN = 8;

/**
 * So much of the filesystem is left free: a tenth, but no more than a gibibyte. Whoever writes the
 * files, and the system, need the last of the room more than the records, which journald has as well
 * (it leaves 15 % itself, at most 4 GiB: journald.conf(5), SystemKeepFree=).
 */
const KEEP_FREE_SHARE = 0.1;
const KEEP_FREE_BYTES_MAX = 2 ** 30;

/** Whether records may be written to disk. */
export type Room =
  | "free"
  /** There is to be nothing on disk. */
  | "off"
  /** The filesystem is nearly full. */
  | "scarce";

/**
 * The room on disk that several spools share. INVARIANTS:
 *
 * - Together they never take more than the limit; of the one that has most the oldest segment goes.
 *   So each is sure of an equal share, and may use what the others leave.
 * - One thing at a time is done on disk, of whichever spool: nothing is deleted that somebody reads.
 */
export class SpoolSpace {
  readonly #disks = new Set<SpoolDisk>();
  #limitBytes: number;
  #turn: Promise<void> = Promise.resolve();

  /** @param limitBytes 0: nothing is written to disk, and what is there is only sent */
  constructor(limitBytes = SPOOL_BYTES_DEFAULT) {
    this.#limitBytes = limitBytes;
  }

  /** A segment is closed before it grows beyond this. */
  get segmentBytesMax(): number {
    return Math.min(SEGMENT_BYTES_MAX, Math.floor(this.#limitBytes / SEGMENTS_MIN));
  }

  /** Holds from now on; a lower limit drops what is too much. @param bytes 0: see the constructor */
  setLimit(bytes: number): void {
    if (bytes === this.#limitBytes) return;
    this.#limitBytes = bytes;
    if (bytes > 0) void this.inTurn(() => this.#dropTo(bytes));
  }

  /** Runs one piece of work after the other. @returns what it returns @throws what it throws */
  async inTurn<T>(work: () => T | Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.then(
      () => undefined,
      () => undefined,
    );
    return await result;
  }

  add(disk: SpoolDisk): void {
    this.#disks.add(disk);
  }

  remove(disk: SpoolDisk): void {
    this.#disks.delete(disk);
  }

  /**
   * Makes room for so many bytes. To be called in turn.
   * @throws system errors
   */
  async makeRoom(disk: SpoolDisk, bytes: number): Promise<Room> {
    if (this.#limitBytes === 0) return "off";
    // Somebody may have removed it.
    await makeDirectory(disk.directory);
    const { bavail, blocks, bsize } = await statfs(disk.directory);
    const keepFree = Math.min(blocks * bsize * KEEP_FREE_SHARE, KEEP_FREE_BYTES_MAX);
    if ((bavail - Math.ceil(bytes / bsize)) * bsize < keepFree) return "scarce";
    await this.#dropTo(this.#limitBytes - bytes);
    return "free";
  }

  async #dropTo(bytes: number): Promise<void> {
    const disks = [...this.#disks];
    const total = () => disks.reduce((sum, disk) => sum + disk.bytes, 0);
    while (total() > Math.max(0, bytes)) {
      const largest = disks.toSorted((one, other) => other.bytes - one.bytes)[0];
      if (largest === undefined || !(await largest.dropOldest())) return;
    }
  }
}
