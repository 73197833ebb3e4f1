import type { BatchAnswer } from "../../src/logs/log-destination.ts";
import { RateMeter } from "./rate-meter.ts";
import { TokenBucket } from "./token-bucket.ts";
import type { VirtualTime } from "./virtual-time.ts";

// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
/**
 * PutLogEvents requests a second of an account in the largest regions, as AWS documented it when it
 * was lower than today; the smaller regions had PUT_PER_SECOND_SMALL.
 */
export const PUT_PER_SECOND = 1_500;
export const PUT_PER_SECOND_SMALL = 800;
/** CreateLogStream requests a second of an account. */
export const CREATE_PER_SECOND = 50;

const THROTTLED = { code: "ThrottlingException", message: "Rate exceeded" } as const;

/** CloudWatch Logs: streams must exist, and both calls are throttled. */
export class LogModel {
  readonly puts: RateMeter;
  readonly throttledPuts: RateMeter;
  readonly creates: RateMeter;
  readonly throttledCreates: RateMeter;
  readonly #time: VirtualTime;
  readonly #streams = new Set<string>();
  readonly #putBucket: TokenBucket;
  readonly #createBucket: TokenBucket;

  constructor(time: VirtualTime, putPerSecond = PUT_PER_SECOND) {
    this.#time = time;
    const now = time.now();
    this.puts = new RateMeter(now);
    this.throttledPuts = new RateMeter(now);
    this.creates = new RateMeter(now);
    this.throttledCreates = new RateMeter(now);
    this.#putBucket = new TokenBucket(putPerSecond, now);
    this.#createBucket = new TokenBucket(CREATE_PER_SECOND, now);
  }

  /** A stream of long ago: beside the limits. */
  addStream(name: string): void {
    this.#streams.add(name);
  }

  /** PutLogEvents of one batch. */
  put(stream: string): BatchAnswer {
    const now = this.#time.now();
    this.puts.count(now);
    if (!this.#putBucket.take(now)) {
      this.throttledPuts.count(now);
      return { kind: "failed", ...THROTTLED };
    }
    return this.#streams.has(stream) ? { kind: "accepted", rejected: 0 } : { kind: "missing" };
  }

  /** CreateLogStream. @returns undefined, or why not */
  create(stream: string): typeof THROTTLED | undefined {
    const now = this.#time.now();
    this.creates.count(now);
    if (!this.#createBucket.take(now)) {
      this.throttledCreates.count(now);
      return THROTTLED;
    }
    this.#streams.add(stream);
    return undefined;
  }
}
