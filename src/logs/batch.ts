/** One record on its way to CloudWatch Logs. */
export interface LogEvent {
  /** Wall-clock milliseconds. */
  readonly timestamp: number;
  readonly message: string;
  /** What the message counts for in a batch, in bytes. */
  readonly bytes: number;
}

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
/** A batch: the bytes of all messages in UTF-8, and 26 for each. */
export const BATCH_BYTES_MAX = 1_048_576;
export const BATCH_EVENTS_MAX = 10_000;
export const EVENT_OVERHEAD_BYTES = 26;
/** The times of a batch must lie within 24 hours, or the whole call fails. */
export const BATCH_SPAN_MS_MAX = 24 * 3_600_000;
/** Events that are older are rejected one by one. */
export const EVENT_AGE_MS_MAX = 14 * 24 * 3_600_000;
/**
 * One event may have 1 MB today and had 256 KB until 2025. Ours are far smaller; what is not is
 * cut to what both take.
 */
export const EVENT_BYTES_MAX = 256 * 1_024;

const CUT_MARK = "...[cut]";

/** Makes an event of a record, cutting one that is too long and marking the cut. */
export function makeLogEvent(message: string, time: number): LogEvent {
  const timestamp = Math.max(0, Math.trunc(time));
  const bytes = Buffer.byteLength(message) + EVENT_OVERHEAD_BYTES;
  if (bytes <= EVENT_BYTES_MAX) return { timestamp, message, bytes };
  const room = EVENT_BYTES_MAX - EVENT_OVERHEAD_BYTES - CUT_MARK.length;
  // Cutting within a character leaves up to three bytes of it, which decode to nothing here.
  const cut = new TextDecoder().decode(Buffer.from(message).subarray(0, room), { stream: true });
  const short = cut + CUT_MARK;
  return { timestamp, message: short, bytes: Buffer.byteLength(short) + EVENT_OVERHEAD_BYTES };
}

/**
 * What still fits into a batch by the service's limits on bytes, count and span. A clock that was
 * set back is no problem, since a batch is sorted before it is sent.
 */
export class BatchRoom {
  readonly #eventsMax: number;
  #events = 0;
  #bytes = 0;
  #earliest = Number.POSITIVE_INFINITY;
  #latest = Number.NEGATIVE_INFINITY;

  /** @param eventsMax at most so many; the service's own limit if left out */
  constructor(eventsMax = BATCH_EVENTS_MAX) {
    this.#eventsMax = Math.min(eventsMax, BATCH_EVENTS_MAX);
  }

  /** Takes the event in, if it fits. The first one always does. */
  take({ timestamp, bytes }: Omit<LogEvent, "message">): boolean {
    const earliest = Math.min(this.#earliest, timestamp);
    const latest = Math.max(this.#latest, timestamp);
    const fits =
      this.#events < this.#eventsMax &&
      this.#bytes + bytes <= BATCH_BYTES_MAX &&
      latest - earliest < BATCH_SPAN_MS_MAX;
    if (!fits) return false;
    this.#events += 1;
    this.#bytes += bytes;
    this.#earliest = earliest;
    this.#latest = latest;
    return true;
  }
}

/** How many events from the front of a queue go into one batch. @param eventsMax see BatchRoom */
export function batchLength(queue: readonly LogEvent[], eventsMax?: number): number {
  const room = new BatchRoom(eventsMax);
  const length = queue.findIndex((event) => !room.take(event));
  return length === -1 ? queue.length : length;
}

/** The events of a batch in the order of their times, as the service demands. */
export function inOrder(events: readonly LogEvent[]): LogEvent[] {
  return events.toSorted((one, other) => one.timestamp - other.timestamp);
}
