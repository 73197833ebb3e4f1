import type { LogEvent } from "../../src/logs/batch.ts";
import type { BatchAnswer, LogDestination } from "../../src/logs/log-destination.ts";

const DAY_MS = 24 * 3_600_000;
const EVENT_BYTES_MAX = 1_048_576;

/**
 * What CloudWatch Logs makes of a batch, by its API reference (API_PutLogEvents,
 * API_RejectedLogEventsInfo). Events that are too old or too new are rejected one by one.
 * @param now the service's own time, in wall-clock milliseconds
 * @returns the part that is taken, and how many are not
 * @throws Error if the batch as a whole is against the documented limits
 */
export function takeBatch<Event extends Pick<LogEvent, "timestamp" | "message">>(
  events: readonly Event[],
  now: number,
): { readonly taken: readonly Event[]; readonly tooOld: number; readonly tooNew: number } {
  if (events.length < 1 || events.length > 10_000) throw new Error(`${events.length} events`);
  let bytes = 0;
  let last = Number.NEGATIVE_INFINITY;
  for (const { message, timestamp } of events) {
    if (message === "") throw new Error("an empty message");
    if (!Number.isInteger(timestamp) || timestamp < 0) throw new Error("no time");
    if (timestamp < last) throw new Error("not in the order of times");
    if (Buffer.byteLength(message) > EVENT_BYTES_MAX) throw new Error("too large an event");
    last = timestamp;
    bytes += Buffer.byteLength(message) + 26;
  }
  if (bytes > 1_048_576) throw new Error(`${bytes} bytes`);
  const isOld = ({ timestamp }: Event) => timestamp < now - 14 * DAY_MS;
  const isNew = ({ timestamp }: Event) => timestamp > now + 2 * 3_600_000;
  const taken = events.filter((event) => !isOld(event) && !isNew(event));
  // Only of the events that are valid, says the reference.
  const [first, end] = [taken[0], taken.at(-1)];
  if (first && end && end.timestamp - first.timestamp > DAY_MS) throw new Error("over 24 hours");
  const [tooOld, tooNew] = [events.filter(isOld).length, events.filter(isNew).length];
  return { taken, tooOld, tooNew };
}

/** A log stream that keeps the service's documented limits and throws at whoever breaks them. */
export class StrictStream implements LogDestination {
  readonly name = "/agent/state";
  readonly taken: string[] = [];
  readonly takenAt: number[] = [];
  /** How many records each put that was answered had. */
  readonly sizes: number[] = [];
  /** Batches under way, to be answered by the test while `isHeld`. */
  readonly held: ((answer?: BatchAnswer) => void)[] = [];
  exists = true;
  isHeld = false;
  answer: BatchAnswer = { kind: "accepted", rejected: 0 };
  /** Records that the service does not take: it refuses any batch with one of them. */
  isBad: (message: string) => boolean = () => false;
  refusal: { readonly code: string; readonly message: string } | undefined;
  puts = 0;
  creates = 0;
  readonly #now: () => number;

  /** @param now the service's time */
  constructor(now: () => number) {
    this.#now = now;
  }

  async put(events: readonly LogEvent[], signal: AbortSignal): Promise<BatchAnswer> {
    this.puts += 1;
    const { taken, tooOld, tooNew } = takeBatch(events, this.#now());
    signal.throwIfAborted();
    const answer = this.isHeld ? await this.#held(signal) : this.answer;
    if (answer.kind !== "accepted") return answer;
    if (!this.exists) return { kind: "missing" };
    if (events.some(({ message }) => this.isBad(message))) {
      return { kind: "refused", code: "InvalidParameterException", message: "bad" };
    }
    this.taken.push(...taken.map(({ message }) => message));
    this.takenAt.push(...taken.map(({ timestamp }) => timestamp));
    this.sizes.push(events.length);
    return { kind: "accepted", rejected: answer.rejected + tooOld + tooNew };
  }

  async create(): Promise<typeof this.refusal> {
    this.creates += 1;
    if (this.refusal === undefined) this.exists = true;
    return this.refusal;
  }

  async #held(signal: AbortSignal): Promise<BatchAnswer> {
    if (this.held.length > 0) throw new Error("two batches are under way at once");
    const { promise, resolve, reject } = Promise.withResolvers<BatchAnswer>();
    signal.addEventListener("abort", () => reject(signal.reason));
    this.held.push((answer = this.answer) => {
      this.held.length = 0;
      resolve(answer);
    });
    return await promise;
  }
}
