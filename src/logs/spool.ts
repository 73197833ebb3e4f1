import type { Clock } from "../lib/clock.ts";
import { errnoOf, messageOf } from "../lib/errors.ts";
import { batchLength, EVENT_AGE_MS_MAX, type LogEvent } from "./batch.ts";
import { Losses } from "./losses.ts";
import { bytesOnDisk } from "./segment.ts";
import { type Reading, SpoolDisk } from "./spool-disk.ts";
import type { SpoolSpace } from "./spool-space.ts";

/**
 * What may wait in memory: for its turn to be written, and while the disk does not take it; beyond
 * it the oldest records are dropped and counted.
 */
const MEMORY_BYTES_MAX = 8 * 2 ** 20;
/** So much is written at once, so that memory and time for it are bounded. */
const WRITE_BYTES_MAX = 256 * 2 ** 10;
/** A disk that did not take records is asked again after this. */
const DISK_AGAIN_MS = 10_000;
/** Records on their way must not become too old there, and the host's clock may be a little late. */
const AGE_MARGIN_MS = 10 * 60_000;

export interface SpoolOptions {
  readonly clock: Clock;
  readonly space: SpoolSpace;
  /** Whose the records are: the fleet's log group. What an earlier process left for another one is dropped. */
  readonly owner: string;
  /** Default: MEMORY_BYTES_MAX. */
  readonly memoryBytesMax?: number;
  /** Hears once of each time in which the disk does not take records. */
  readonly onRefused?: (message: string) => void;
  /** Hears of a file of a newer agent that was set aside. */
  readonly onSetAside?: (path: string) => void;
}

/** Records to be sent, which stay in the spool until they are acknowledged. */
export interface Batch {
  readonly events: readonly LogEvent[];
  /** Undefined: they are in memory. */
  readonly reading: Reading | undefined;
}

/**
 * Records that wait for CloudWatch Logs: on disk, and in memory until they are there. INVARIANTS:
 *
 * - `append` never waits and never fails. What it takes is written within milliseconds, one write at
 *   a time: a kill costs what came during one write.
 * - Everything is read from the disk, where it is older than what is in memory, and leaves in the
 *   order of writing. What the disk does not take leaves from memory.
 * - Memory is bounded in bytes, whatever waits on disk.
 * - Every record is acknowledged, or counted in `losses`.
 * - Records that somebody is writing or sending (`held`) are neither dropped nor taken by another.
 *
 * Synced are: a segment that is closed, what waits whenever the service has failed (`sync`), and the
 * cursor before a segment goes. So on a healthy host hardly anything is ever synced, and a power cut
 * costs what was not sent yet: seconds, or in an outage up to a minute. Records are no proof of
 * anything; that is the ledger's business.
 */
export class Spool {
  readonly losses = new Losses();
  readonly #options: SpoolOptions;
  readonly #memoryBytesMax: number;
  /** When the machine was started, by the wall clock as it was when this was made. */
  readonly #startedAt: number;
  #memory: LogEvent[] = [];
  #memoryBytes = 0;
  /** So many of them, from the front, are in somebody's hands. */
  #held = 0;
  /** Where the disk's part belongs; undefined: there is to be none. */
  #directory: string | undefined;
  #disk: SpoolDisk | undefined;
  #isScheduled = false;
  /** By the monotonic clock. */
  #diskAgainAt = Number.NEGATIVE_INFINITY;
  #isRefused = false;

  constructor(options: SpoolOptions) {
    this.#options = options;
    this.#startedAt = options.clock.now() - options.clock.boottime();
    this.#memoryBytesMax = options.memoryBytesMax ?? MEMORY_BYTES_MAX;
  }

  /** How many records are neither accepted nor dropped. */
  get waiting(): number {
    return (this.#disk?.waiting ?? 0) + this.#memory.length;
  }

  /** How many of them a restart would lose. */
  get onlyInMemory(): number {
    return this.#memory.length;
  }

  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  append(event: LogEvent): void {
    this.#memory.push(event);
    this.#memoryBytes += event.bytes;
    if (this.#memoryBytes > this.#memoryBytesMax) this.#dropFromMemory();
    this.#schedule();
  }

  /**
   * From now on records are kept in this directory, and those that an earlier process left there
   * come first. A disk in trouble is borne, and tried again later. Only for who holds the lock on
   * the state directory.
   */
  async open(directory: string): Promise<void> {
    this.#directory = directory;
    await this.#options.space.inTurn(() => this.#write());
  }

  /**
   * The next records to send, oldest first. Nothing else is given before `acknowledge` or `release`.
   * @param eventsMax see BatchRoom
   * @returns undefined: nothing waits
   */
  async next(eventsMax?: number): Promise<Batch | undefined> {
    return await this.#options.space.inTurn(async () => {
      await this.#write();
      const oldBefore = this.#now() - EVENT_AGE_MS_MAX + AGE_MARGIN_MS;
      const limits = { eventsMax: eventsMax ?? Number.POSITIVE_INFINITY, oldBefore };
      const reading = await this.#disk?.read(limits);
      if (reading !== undefined) return { events: reading.events, reading };
      return this.#nextOfMemory(limits);
    });
  }

  /**
   * The wall clock, but no later than it can be by the other one: who sets it far ahead by mistake
   * must not make everything too old that waits.
   */
  #now(): number {
    const { clock } = this.#options;
    return Math.min(clock.now(), this.#startedAt + clock.boottime());
  }

  #nextOfMemory(limits: { readonly eventsMax: number; readonly oldBefore: number }) {
    const fresh = this.#memory.findIndex(({ timestamp }) => timestamp >= limits.oldBefore);
    const old = fresh === -1 ? this.#memory.length : fresh;
    this.#takeFromMemory(old);
    this.losses.add("old", old);
    if (this.#memory.length === 0) return undefined;
    this.#held = batchLength(this.#memory, limits.eventsMax);
    return { events: this.#memory.slice(0, this.#held), reading: undefined };
  }

  /** The records were accepted, or must never be sent again. */
  async acknowledge({ events, reading }: Batch): Promise<void> {
    await this.#options.space.inTurn(async () => {
      if (reading !== undefined) return await this.#disk?.acknowledge(reading);
      this.#held = 0;
      this.#takeFromMemory(events.length);
    });
    this.#schedule();
  }

  /** The records could not be sent now. */
  async release({ reading }: Batch): Promise<void> {
    await this.#options.space.inTurn(() => {
      if (reading === undefined) this.#held = 0;
      else this.#disk?.release();
    });
    this.#schedule();
  }

  /** Makes what waits outlast a power cut. */
  async sync(): Promise<void> {
    await this.#options.space.inTurn(() => this.#disk?.sync());
  }

  /** Resolves when all that was appended is written, or the disk has refused it. */
  async written(): Promise<void> {
    await this.#options.space.inTurn(() => this.#write());
  }

  /** Leaves on disk what waits; what it does not take, and what comes later, ends with the process. */
  async close(): Promise<void> {
    this.#diskAgainAt = Number.NEGATIVE_INFINITY;
    await this.#options.space.inTurn(async () => {
      await this.#write();
      const disk = this.#disk;
      this.#directory = undefined;
      if (disk === undefined) return;
      // The next start tells of them.
      this.losses.add("memory", this.#memory.length);
      await disk.close();
      this.#options.space.remove(disk);
      if (disk.waiting === 0) this.#disk = undefined;
    });
  }

  #schedule(): void {
    const isWanted = this.#directory !== undefined && this.#memory.length > 0 && this.#held === 0;
    if (!isWanted || this.#isScheduled || !this.#isDiskDue()) return;
    this.#isScheduled = true;
    void this.#options.space.inTurn(async () => {
      this.#isScheduled = false;
      await this.#write();
    });
  }

  #isDiskDue(): boolean {
    return this.#options.clock.monotonic() >= this.#diskAgainAt;
  }

  /** Writes what is in memory to disk, if that takes it. In turn only. Never throws. */
  async #write(): Promise<void> {
    if (this.#directory === undefined || this.#held > 0 || !this.#isDiskDue()) return;
    try {
      const disk = await this.#openDisk(this.#directory);
      while (this.#memory.length > 0) {
        this.#held = this.#chunkLength();
        const chunk = this.#memory.slice(0, this.#held);
        const { space } = this.#options;
        const room = await space.makeRoom(disk, bytesOnDisk(chunk));
        if (room === "scarce") throw new Error("the filesystem is nearly full");
        if (room === "off") return;
        await disk.write(chunk, space.segmentBytesMax);
        this.#takeFromMemory(chunk.length);
      }
      this.#isRefused = false;
    } catch (error) {
      this.#diskAgainAt = this.#options.clock.monotonic() + DISK_AGAIN_MS;
      const isNew = !this.#isRefused;
      this.#isRefused = true;
      const message = `${this.#directory}: ${errnoOf(error) ?? messageOf(error)}`;
      if (isNew) this.#options.onRefused?.(message);
    } finally {
      this.#held = 0;
    }
  }

  async #openDisk(directory: string): Promise<SpoolDisk> {
    if (this.#disk !== undefined) return this.#disk;
    const { owner } = this.#options;
    const disk = await SpoolDisk.open(directory, { owner, losses: this.losses });
    this.#disk = disk;
    this.#options.space.add(disk);
    for (const path of disk.setAside) this.#options.onSetAside?.(path);
    return disk;
  }

  #chunkLength(): number {
    let bytes = 0;
    const length = this.#memory.findIndex((event) => {
      bytes += bytesOnDisk([event]);
      return bytes > WRITE_BYTES_MAX;
    });
    return length === -1 ? this.#memory.length : Math.max(1, length);
  }

  #takeFromMemory(count: number): void {
    for (const { bytes } of this.#memory.splice(0, count)) this.#memoryBytes -= bytes;
  }

  /** A tenth at once, so that a storm does not move all of it for each record. */
  #dropFromMemory(): void {
    let end = this.#held;
    let bytes = this.#memoryBytes;
    for (; bytes > this.#memoryBytesMax * 0.9 && end < this.#memory.length; end += 1) {
      bytes -= this.#memory[end]?.bytes ?? 0;
    }
    const dropped = this.#memory.splice(this.#held, end - this.#held).length;
    this.#memoryBytes = bytes;
    this.losses.add("memory", dropped);
  }
}
