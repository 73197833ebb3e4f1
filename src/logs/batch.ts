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
/**
 * One event may have 1 MB today and had 256 KB until 2025. Ours are far smaller; what is not is
 * cut to what both take.
 */
export const EVENT_BYTES_MAX = 256 * 1_024;

const CUT_MARK = "...[cut]";

/** Makes an event of a record, cutting one that is too long and marking the cut. */
export function makeLogEvent(message: string, timestamp: number): LogEvent {
  const bytes = Buffer.byteLength(message) + EVENT_OVERHEAD_BYTES;
  if (bytes <= EVENT_BYTES_MAX) return { timestamp, message, bytes };
  const room = EVENT_BYTES_MAX - EVENT_OVERHEAD_BYTES - CUT_MARK.length;
  // Cutting within a character leaves up to three bytes of it, which decode to nothing here.
  const cut = new TextDecoder().decode(Buffer.from(message).subarray(0, room), { stream: true });
  const short = cut + CUT_MARK;
  return { timestamp, message: short, bytes: Buffer.byteLength(short) + EVENT_OVERHEAD_BYTES };
}

/**
 * How many events from the front of the queue go into one batch. The service's limits on bytes,
 * count and span hold for it; a clock that was set back is no problem, since a batch is sorted
 * before it is sent.
 */
export function batchLength(queue: readonly LogEvent[]): number {
  let bytes = 0;
  let earliest = Number.POSITIVE_INFINITY;
  let latest = Number.NEGATIVE_INFINITY;
  let length = 0;
  for (const event of queue) {
    bytes += event.bytes;
    earliest = Math.min(earliest, event.timestamp);
    latest = Math.max(latest, event.timestamp);
    const fits = bytes <= BATCH_BYTES_MAX && latest - earliest < BATCH_SPAN_MS_MAX;
    if (!fits || length === BATCH_EVENTS_MAX) break;
    length += 1;
  }
  return length;
}

/** The events of a batch in the order of their times, as the service demands. */
export function inOrder(events: readonly LogEvent[]): LogEvent[] {
  return events.toSorted((one, other) => one.timestamp - other.timestamp);
}
