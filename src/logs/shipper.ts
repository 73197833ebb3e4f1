import { fleetBackoffMs, type Random } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import { BATCH_EVENTS_MAX, inOrder, makeLogEvent } from "./batch.ts";
import type { FieldsOf } from "./events.ts";
import type { LogDestination } from "./log-destination.ts";
import type { Logger, RecordSink } from "./logger.ts";
import { lossFields } from "./losses.ts";
import type { Batch, Spool } from "./spool.ts";

/** Records wait at most this long for company. */
const FLUSH_MS = 5_000;
/**
 * Between two batches of a backlog. Five a second is what the service once allowed a stream; it
 * makes 5 MiB a second, so that a full spool of the default size is sent in half a minute.
 */
const NEXT_BATCH_MS = 200;
/** The longest random part of a pause after failures. */
const BACKOFF_CAP_MS = 60_000;
/** A service that asks for more is asked again none the less: nobody waits for days on one answer. */
const RETRY_AFTER_MS_MAX = 600_000;
/**
 * So many records in a row may be refused for good, and dropped, at full speed. Beyond that it is
 * the service that is odd, not the records, and they go at the pace of an outage.
 */
const REFUSED_IN_ROW_MAX = 16;

export interface ShipperOptions {
  readonly destination: LogDestination;
  readonly spool: Spool;
  readonly clock: Clock;
  readonly random: Random;
  /** Whose metric dropped records are. */
  readonly fleet: string;
}

interface Trouble {
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs?: number | undefined;
}

/** What became of one batch. */
type Shipped = "accepted" | "halved" | "stopped" | Trouble;

/**
 * Carries records from their spool to one log stream. What holds:
 *
 * - `write` never waits and never fails.
 * - One batch is under way at a time, so records arrive in the order they were written. It leaves the
 *   spool when the service has accepted it.
 * - A destination that fails is asked again after a growing pause; nothing else waits for it. A batch
 *   that took too long is half as large then: a slow line could never carry a whole one in time.
 * - A batch that is refused for good is sent again in halves, until a single record is refused: that
 *   one is dropped and counted, and everything else arrives.
 * - Losses are told when batches are accepted again, so that the records of them arrive. Such a record
 *   is never the cause of another one.
 */
export class LogShipper implements RecordSink {
  readonly #options: ShipperOptions;
  #failures = 0;
  #pauseMs = FLUSH_MS;
  /** Less than what the service allows after a batch was refused, or took too long. */
  #eventsMax = BATCH_EVENTS_MAX;
  #refusedInRow = 0;
  /** Not taken by the service, and not told of yet. */
  #rejected = 0;
  #rejectedTotal = 0;
  #isRejectionTold = false;
  #logger: Logger | undefined;

  constructor(options: ShipperOptions) {
    this.#options = options;
  }

  /** Where the shipper's own troubles are logged. The logger writes to the shipper, so it comes later. */
  setLogger(logger: Logger): void {
    this.#logger = logger;
  }

  /** How many records were lost since the start. */
  get dropped(): number {
    return this.#options.spool.losses.total + this.#rejectedTotal;
  }

  /** How many records wait to be sent. */
  get waiting(): number {
    return this.#options.spool.waiting;
  }

  write(line: string, timestamp: number): void {
    this.#options.spool.append(makeLogEvent(line, timestamp));
  }

  /** Ships until `stop` aborts. Never throws. */
  async run(stop: AbortSignal): Promise<void> {
    const { clock, spool } = this.#options;
    while (!stop.aborted) {
      this.#pauseMs = FLUSH_MS;
      const isDrained = await this.#drain(stop, NEXT_BATCH_MS);
      // What has to wait longer must outlast a power cut.
      if (!isDrained) await spool.sync();
      await clock.sleep(this.#pauseMs, stop).catch(() => undefined);
    }
  }

  /**
   * Ships what waits, without the pauses of `run`, which must have ended.
   * @param signal gives up
   * @returns how many records are left
   */
  async flush(signal: AbortSignal): Promise<number> {
    await this.#drain(signal, 0);
    return this.waiting;
  }

  /** @returns false if the destination failed or the signal aborted before the spool was empty */
  async #drain(signal: AbortSignal, pauseMs: number): Promise<boolean> {
    const { clock, spool } = this.#options;
    for (;;) {
      if (signal.aborted) return false;
      // Without a descriptor to spare nothing can be read now.
      const batch = await spool.next(this.#eventsMax).catch(() => undefined);
      if (batch === undefined) return true;
      const isBacklog = spool.waiting > batch.events.length;
      const shipped = await this.#ship(batch, signal);
      if (shipped === "stopped") return false;
      if (typeof shipped === "object") {
        this.#fail(shipped);
        return false;
      }
      // What has come meanwhile may wait for company, unless this is the end.
      const isRest = shipped === "accepted" && !isBacklog && pauseMs > 0;
      if (isRest || spool.waiting === 0) return true;
      if (pauseMs > 0) await clock.sleep(pauseMs, signal).catch(() => undefined);
    }
  }

  #fail({ code, message, retryAfterMs = 0 }: Trouble): void {
    this.#failures += 1;
    const backoffMs = fleetBackoffMs(
      this.#failures,
      { capMs: BACKOFF_CAP_MS },
      this.#options.random,
    );
    this.#pauseMs = Math.max(backoffMs, Math.min(retryAfterMs, RETRY_AFTER_MS_MAX));
    // Said once for each outage, or the report would itself fill the spool.
    if (this.#failures === 1)
      this.#logger?.log("logs.unavailable", { destination: this.#name, code, message });
  }

  /** Sends a batch, and settles with the spool what becomes of its records. */
  async #ship(batch: Batch, signal: AbortSignal): Promise<Shipped> {
    const { spool } = this.#options;
    const { length } = batch.events;
    const answer = await this.#put(batch, signal);
    switch (answer.kind) {
      case "accepted":
        await spool.acknowledge(batch);
        this.#accepted(length, answer.rejected);
        return "accepted";
      case "refused":
        return await this.#refused(batch, answer);
      case "missing":
        await spool.release(batch);
        return { code: "missing", message: "the log stream is missing though it was just made" };
      case "failed":
        if (answer.isTimeout === true) this.#eventsMax = Math.max(1, Math.floor(length / 2));
        await spool.release(batch);
        // A batch that was broken off says nothing about the destination.
        return signal.aborted ? "stopped" : answer;
    }
  }

  async #put({ events }: Batch, signal: AbortSignal) {
    const { destination } = this.#options;
    const batch = inOrder(events);
    try {
      const answer = await destination.put(batch, signal);
      if (answer.kind !== "missing") return answer;
      const refusal = await destination.create(signal);
      if (refusal !== undefined) return { ...refusal, kind: "failed" } as const;
      return await destination.put(batch, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
      return { kind: "failed", code: "interrupted", message: "the agent is stopping" } as const;
    }
  }

  async #refused(batch: Batch, trouble: Trouble): Promise<Shipped> {
    const { spool } = this.#options;
    const { length } = batch.events;
    if (length > 1) {
      this.#eventsMax = Math.floor(length / 2);
      await spool.release(batch);
      return "halved";
    }
    await spool.acknowledge(batch);
    this.#reject(1);
    this.#refusedInRow += 1;
    return this.#refusedInRow > REFUSED_IN_ROW_MAX ? trouble : "accepted";
  }

  #accepted(sent: number, rejected: number): void {
    this.#eventsMax = Math.min(BATCH_EVENTS_MAX, this.#eventsMax * 2);
    this.#refusedInRow = 0;
    this.#reject(rejected);
    if (this.#failures > 0) {
      const failures = this.#failures;
      this.#failures = 0;
      this.#logger?.log("logs.recovered", { destination: this.#name, failures });
    }
    // A host whose clock is far ahead has all its records rejected, and a record of that as well.
    const isHeard = rejected < sent;
    if (this.#rejected > 0 && (isHeard || !this.#isRejectionTold)) {
      this.#logger?.log("logs.rejected", this.#lossOf(this.#rejected));
      this.#rejected = 0;
    }
    this.#isRejectionTold = !isHeard;
    for (const [reason, records] of this.#options.spool.losses.take()) {
      this.#logger?.log("logs.dropped", { ...this.#lossOf(records), reason });
    }
  }

  #reject(records: number): void {
    this.#rejected += records;
    this.#rejectedTotal += records;
  }

  #lossOf(records: number): FieldsOf<"logs.rejected"> {
    const { fleet, clock } = this.#options;
    return lossFields({ fleet, destination: this.#name, records }, clock.now());
  }

  get #name(): string {
    return this.#options.destination.name;
  }
}
