import { join } from "node:path";
import { isErrno } from "../lib/errors.ts";
import { makeDirectory } from "../lib/state-file.ts";
import { BatchRoom, type LogEvent } from "./batch.ts";
import { CursorFile } from "./cursor.ts";
import { findSegments } from "./found-segments.ts";
import { LOSS_REASONS, type Losses, type LossReason } from "./losses.ts";
import { bytesOnDisk, recordLine, segmentLines, segmentName } from "./segment.ts";
import { SegmentFile } from "./segment-file.ts";

/** A place in the spool, and what was passed over on the way to it. */
interface Position {
  /** The number of the record behind it. */
  readonly number: number;
  /** In bytes, in the segment that begins with the number `first`. */
  readonly offset: number;
  readonly first: number | undefined;
  readonly old: number;
  readonly damaged: number;
}

/** Records that were read, to be acknowledged or released. */
export interface Reading {
  readonly events: readonly LogEvent[];
  readonly upTo: Position;
}

/**
 * The part of a spool that is on disk: segments, and a cursor behind what has been accepted.
 * INVARIANTS:
 *
 * - Records have numbers in the order of writing. Those from the cursor to `next` are on disk, or
 *   are lost and counted: no number is passed over in silence.
 * - A segment is only appended to, and only by the process that made it: a start begins a new one,
 *   so nothing is ever written behind a torn line.
 * - A segment is deleted as a whole, and the cursor that is behind it is on disk before that: what
 *   is gone was accepted, or is counted as dropped.
 * - The cursor moves when a batch has been accepted: a crash repeats at most that batch.
 * - What is not ours is left alone; a segment of a newer version is set aside, never deleted.
 *
 * None of its methods may be called while another one is under way: see `SpoolSpace.inTurn`.
 */
export class SpoolDisk {
  readonly directory: string;
  /** Names of files that a newer agent wrote, as they are called now. */
  readonly setAside: readonly string[];
  readonly #owner: string;
  readonly #losses: Losses;
  readonly #cursorFile: CursorFile;
  #segments: SegmentFile[];
  /** The one that is written to: it is the last of the segments. */
  #current: SegmentFile | undefined;
  #cursor: number;
  #next: number;
  /** Where the record of the cursor begins, in the first segment. */
  #offset = 0;
  /** The number behind the records that were read and not acknowledged; 0: there are none. */
  #lentTo = 0;
  /** Of them, dropped meanwhile and counted. */
  #lentDropped = 0;

  /**
   * Opens a spool, and makes its directory. What an earlier process left decides what is done:
   *
   * | leftover | done |
   * |---|---|
   * | a segment behind the cursor | deleted: the crash came before that |
   * | a segment with records still to be accepted | read later, its damaged lines missed by their numbers |
   * | a segment without a record | deleted |
   * | a torn last line | counted as a damaged record when its turn comes |
   * | a segment of a newer version | set aside |
   * | segments of another owner | dropped and counted: not for this log group |
   * | a segment that is missing | its records count as damaged, those of the last one as far as the cursor knows of them |
   * | no cursor, or a damaged one | all that is there is sent again: at most what one segment has too much |
   * | a cursor behind all segments (a power cut took the last lines) | numbers go on from there |
   * | anything else | left alone |
   *
   * @param about.owner the log group that all records are for
   * @throws system errors
   */
  static async open(
    directory: string,
    { owner, losses }: { readonly owner: string; readonly losses: Losses },
  ): Promise<SpoolDisk> {
    await makeDirectory(directory);
    const cursorFile = new CursorFile(directory);
    const cursor = await cursorFile.read();
    const { segments, aside, takenTo, foreignTo } = await findSegments(directory, owner);
    const spool = new SpoolDisk({
      directory,
      owner,
      losses,
      cursorFile,
      setAside: aside,
      segments,
      cursor: cursor?.number ?? segments[0]?.first ?? 0,
      next: Math.max(takenTo, cursor?.number ?? 0, cursor?.next ?? 0),
    });
    for (const [nth, reason] of LOSS_REASONS.entries()) {
      losses.recall(reason, cursor?.untold[nth] ?? 0);
    }
    // While there is room for it.
    await spool.#saveCursor(false);
    await spool.#deleteAcknowledged();
    while ((spool.#segments[0]?.first ?? foreignTo) < foreignTo) await spool.dropOldest("foreign");
    return spool;
  }

  private constructor(parts: {
    directory: string;
    owner: string;
    losses: Losses;
    cursorFile: CursorFile;
    setAside: readonly string[];
    segments: SegmentFile[];
    cursor: number;
    next: number;
  }) {
    this.directory = parts.directory;
    this.setAside = parts.setAside;
    this.#owner = parts.owner;
    this.#losses = parts.losses;
    this.#cursorFile = parts.cursorFile;
    this.#segments = parts.segments;
    this.#cursor = parts.cursor;
    this.#next = parts.next;
  }

  /** How many records are on disk and not accepted, those included that will be found damaged. */
  get waiting(): number {
    return this.#next - this.#cursor;
  }

  /** Of all segments. */
  get bytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /**
   * Adds records behind all others.
   * @param segmentBytesMax a segment that would grow beyond it is closed, and another one begun
   * @throws system errors; none of the records is then there
   */
  async write(events: readonly LogEvent[], segmentBytesMax: number): Promise<void> {
    const current = await this.#writable(bytesOnDisk(events), segmentBytesMax);
    const lines = events.map((event, nth) => recordLine(this.#next + nth, event)).join("");
    await current.write(lines, events.length);
    this.#next += events.length;
  }

  async #writable(bytes: number, segmentBytesMax: number): Promise<SegmentFile> {
    const current = this.#current;
    if (current !== undefined) {
      const fits = current.bytes + bytes <= segmentBytesMax || current.end === current.first;
      if (fits && (await current.hasName())) return current;
      this.#current = undefined;
      await current.seal();
    }
    await makeDirectory(this.directory);
    const made = await this.#make();
    this.#segments.push(made);
    this.#current = made;
    return made;
  }

  async #make(): Promise<SegmentFile> {
    for (;;) {
      try {
        const path = join(this.directory, segmentName(this.#next));
        return await SegmentFile.make(path, this.#next, this.#owner);
      } catch (error) {
        if (!isErrno(error, "EEXIST")) throw error;
        // Somebody else's, and not to be touched: a number that nobody has counts as a damaged record.
        this.#next += 1;
      }
    }
  }

  /**
   * Reads the next batch, oldest records first. It stays in the spool until `acknowledge`; nothing
   * else is read before that or `release`.
   * @param options.eventsMax see BatchRoom
   * @param options.oldBefore records of before this time are passed over and counted
   * @returns undefined: nothing waits here
   * @throws system errors that pass by themselves
   */
  async read(options: {
    readonly eventsMax: number;
    readonly oldBefore: number;
  }): Promise<Reading | undefined> {
    while (this.waiting > 0) {
      const reading = await this.#readOn(options);
      this.#lentTo = reading.upTo.number;
      this.#lentDropped = 0;
      if (reading.events.length > 0) return reading;
      // Nothing to send there: no reason to read it again.
      await this.acknowledge(reading);
    }
    return undefined;
  }

  /** Up to the end of the batch; or, while that is still empty, of a segment. */
  async #readOn({ eventsMax, oldBefore }: { eventsMax: number; oldBefore: number }) {
    const room = new BatchRoom(eventsMax);
    const events: LogEvent[] = [];
    let number = this.#cursor;
    let [offset, old, damaged] = [this.#offset, 0, 0];
    const upTo = (segment?: SegmentFile): Reading => {
      return { events, upTo: { number, offset, first: segment?.first, old, damaged } };
    };
    for (const segment of this.#segments) {
      damaged += Math.max(0, segment.first - number);
      number = Math.max(number, segment.first);
      const start = offset;
      const text = await segment.read(start);
      for (const { end, record } of segmentLines(text)) {
        const isExpected =
          record !== undefined && record.number >= number && record.number < segment.end;
        if (isExpected) {
          const isOld = record.event.timestamp < oldBefore;
          if (!isOld && !room.take(record.event)) return upTo(segment);
          damaged += record.number - number;
          number = record.number + 1;
          if (isOld) old += 1;
          else events.push(record.event);
        }
        offset = start + end;
      }
      damaged += Math.max(0, segment.end - number);
      number = Math.max(number, segment.end);
      offset = segment === this.#current ? segment.bytes : 0;
      if (events.length === 0 || segment === this.#current) return upTo(segment);
    }
    // The cursor is behind all segments, or they are all there is.
    damaged += this.#next - number;
    number = this.#next;
    return upTo();
  }

  /** The records were accepted, or are not to be sent: the cursor moves behind them. */
  async acknowledge({ upTo }: Reading): Promise<void> {
    // What was dropped while it was under way has arrived after all.
    this.#losses.add("full", -this.#lentDropped);
    this.#losses.add("old", upTo.old);
    this.#losses.add("damaged", upTo.damaged);
    this.release();
    this.#cursor = Math.max(this.#cursor, upTo.number);
    await this.#saveCursor(false);
    await this.#deleteAcknowledged();
    const [head] = this.#segments;
    this.#offset = head !== undefined && head.first === upTo.first ? upTo.offset : 0;
  }

  /** The records are to be read again. */
  release(): void {
    this.#lentTo = 0;
    this.#lentDropped = 0;
  }

  /** Drops the oldest segment, and counts what nobody has accepted of it. @returns false: there is none */
  async dropOldest(reason: LossReason = "full"): Promise<boolean> {
    const [oldest] = this.#segments;
    if (oldest === undefined) return false;
    this.#losses.add(reason, Math.max(0, oldest.end - this.#cursor));
    this.#lentDropped += Math.max(0, Math.min(oldest.end, this.#lentTo) - this.#cursor);
    this.#cursor = Math.max(this.#cursor, oldest.end);
    this.#offset = 0;
    if (oldest === this.#current) this.#current = undefined;
    await this.#saveCursor(true);
    await this.#remove(oldest);
    return true;
  }

  async #deleteAcknowledged(): Promise<void> {
    const isDone = (segment: SegmentFile) =>
      segment !== this.#current && segment.end <= this.#cursor;
    if (!this.#segments.some(isDone)) return;
    await this.#saveCursor(true);
    for (const segment of this.#segments.filter(isDone)) await this.#remove(segment);
  }

  /** A disk that does not let go of it has it until the next start. */
  async #remove(segment: SegmentFile): Promise<void> {
    this.#segments = this.#segments.filter((other) => other !== segment);
    await segment.remove().catch(() => undefined);
  }

  /** A disk that does not take it makes a crash repeat more; the next batch tries again. */
  async #saveCursor(isSynced: boolean): Promise<void> {
    const cursor = { number: this.#cursor, next: this.#next, untold: this.#losses.untold };
    await this.#cursorFile.write(cursor, { isSynced }).catch(() => undefined);
  }

  /** Makes what waits outlast a power cut. A disk in trouble is borne. */
  async sync(): Promise<void> {
    await this.#current?.sync().catch(() => undefined);
  }

  /** Leaves what waits, for the next start; if nothing does, no segment is left. */
  async close(): Promise<void> {
    const current = this.#current;
    this.#current = undefined;
    await current?.seal();
    await this.#deleteAcknowledged();
    await this.#saveCursor(true);
    for (const segment of this.#segments) await segment.close();
  }
}
