import { fleetBackoffMs, type Random } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import { batchLength, inOrder, type LogEvent, makeLogEvent } from "./batch.ts";
import type { LogDestination } from "./log-destination.ts";
import type { Logger, RecordSink } from "./logger.ts";

/** Records wait at most this long for company. */
const FLUSH_MS = 5_000;
/** What waits for CloudWatch Logs in memory; beyond it the oldest records are dropped and counted. */
const QUEUE_BYTES_MAX = 8 * 2 ** 20;
/** The longest random part of a pause after failures. */
const BACKOFF_CAP_MS = 60_000;

export interface ShipperOptions {
  readonly destination: LogDestination;
  readonly clock: Clock;
  readonly random: Random;
  /** Default: QUEUE_BYTES_MAX. */
  readonly queueBytesMax?: number;
}

/**
 * Carries records to one log stream. What holds:
 *
 * - `write` never waits and never fails; the queue is bounded in bytes.
 * - A record leaves the queue when the service has accepted it, or is dropped and counted.
 * - One batch is under way at a time, so records arrive in the order they were written.
 * - A destination that fails is asked again after a growing pause; nothing else waits for it.
 */
export class LogShipper implements RecordSink {
  readonly #options: ShipperOptions;
  readonly #queueBytesMax: number;
  #queue: LogEvent[] = [];
  #queueBytes = 0;
  /** Dropped since the last report of them. */
  #droppedUnreported = 0;
  #droppedTotal = 0;
  #failures = 0;
  #logger: Logger | undefined;

  constructor(options: ShipperOptions) {
    this.#options = options;
    this.#queueBytesMax = options.queueBytesMax ?? QUEUE_BYTES_MAX;
  }

  /** Where the shipper's own troubles are logged. The logger writes to the shipper, so it comes later. */
  setLogger(logger: Logger): void {
    this.#logger = logger;
  }

  /** How many records were lost since the start. */
  get dropped(): number {
    return this.#droppedTotal;
  }

  /** How many records wait to be sent. */
  get waiting(): number {
    return this.#queue.length;
  }

  write(line: string, timestamp: number): void {
    const event = makeLogEvent(line, timestamp);
    this.#queue.push(event);
    this.#queueBytes += event.bytes;
    if (this.#queueBytes > this.#queueBytesMax) this.#dropOldest();
  }

  /** Ships until `stop` aborts. Never throws. */
  async run(stop: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    while (!stop.aborted) {
      const isDrained = await this.#drain(stop);
      const pause = isDrained
        ? FLUSH_MS
        : fleetBackoffMs(this.#failures, { capMs: BACKOFF_CAP_MS }, random);
      await clock.sleep(pause, stop).catch(() => undefined);
    }
  }

  /**
   * Ships what is queued, without the pauses of `run`, which must have ended.
   * @param signal gives up
   * @returns how many records are left
   */
  async flush(signal: AbortSignal): Promise<number> {
    await this.#drain(signal);
    return this.#queue.length;
  }

  /** @returns false if the destination failed or the signal aborted before the queue was empty */
  async #drain(signal: AbortSignal): Promise<boolean> {
    while (this.#queue.length > 0) {
      if (signal.aborted) return false;
      const batch = this.#queue.slice(0, batchLength(this.#queue));
      const failure = await this.#ship(inOrder(batch), signal);
      // A batch that was broken off says nothing about the destination.
      if (failure !== undefined && signal.aborted) return false;
      if (failure !== undefined) {
        this.#failures += 1;
        // Said once for each outage, or the report would itself fill the queue.
        if (this.#failures === 1) this.#tellUnavailable(failure);
        return false;
      }
      this.#acknowledge(batch);
    }
    return true;
  }

  /** @returns why the batch was not accepted, or undefined */
  async #ship(
    batch: readonly LogEvent[],
    signal: AbortSignal,
  ): Promise<{ readonly code: string; readonly message: string } | undefined> {
    const { destination } = this.#options;
    try {
      let answer = await destination.put(batch, signal);
      if (answer.kind === "missing") {
        const refusal = await destination.create(signal);
        if (refusal !== undefined) return refusal;
        answer = await destination.put(batch, signal);
      }
      if (answer.kind === "accepted") {
        if (answer.rejected > 0) this.#tellRejected(answer.rejected);
        return undefined;
      }
      return answer.kind === "missing"
        ? { code: "missing", message: "the log stream is missing though it was just made" }
        : answer;
    } catch (error) {
      if (signal.aborted) return { code: "interrupted", message: "the agent is stopping" };
      throw error;
    }
  }

  /** Records that came or were dropped while the batch was under way must not be counted twice. */
  #acknowledge(batch: readonly LogEvent[]): void {
    const destination = this.#options.destination.name;
    const accepted = new Set(batch);
    const rest = this.#queue.filter((event) => !accepted.has(event));
    const arrivedAfterAll = batch.length - (this.#queue.length - rest.length);
    this.#droppedUnreported -= arrivedAfterAll;
    this.#droppedTotal -= arrivedAfterAll;
    this.#queue = rest;
    this.#queueBytes = this.#queue.reduce((sum, event) => sum + event.bytes, 0);
    if (this.#failures > 0) {
      const failures = this.#failures;
      this.#failures = 0;
      this.#logger?.log("logs.recovered", { destination, failures });
    }
    if (this.#droppedUnreported > 0) {
      const records = this.#droppedUnreported;
      this.#droppedUnreported = 0;
      this.#logger?.log("logs.dropped", { destination, records });
    }
  }

  #dropOldest(): void {
    let count = 0;
    while (this.#queueBytes > this.#queueBytesMax * 0.9 && count < this.#queue.length) {
      this.#queueBytes -= this.#queue[count]?.bytes ?? 0;
      count += 1;
    }
    this.#queue.splice(0, count);
    this.#droppedUnreported += count;
    this.#droppedTotal += count;
  }

  #tellUnavailable({ code, message }: { readonly code: string; readonly message: string }): void {
    const destination = this.#options.destination.name;
    this.#logger?.log("logs.unavailable", { destination, code, message });
  }

  #tellRejected(records: number): void {
    const destination = this.#options.destination.name;
    this.#logger?.log("logs.rejected", { destination, records });
  }
}
