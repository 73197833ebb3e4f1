import { RateMeter } from "./rate-meter.ts";
import { TokenBucket } from "./token-bucket.ts";
import type { VirtualTime } from "./virtual-time.ts";

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html
/** PUT requests a second that a prefix takes before S3 has split it further. */
const PUT_PER_SECOND = 3_500;

/** A bucket that S3 has never split: the whole fleet writes below one prefix of it. */
export class BucketModel {
  readonly puts: RateMeter;
  readonly slowedPuts: RateMeter;
  readonly #time: VirtualTime;
  readonly #putBucket: TokenBucket;

  constructor(time: VirtualTime) {
    this.#time = time;
    this.puts = new RateMeter(time.now());
    this.slowedPuts = new RateMeter(time.now());
    this.#putBucket = new TokenBucket(PUT_PER_SECOND, time.now());
  }

  /** One PutObject. @returns false for 503 Slow Down */
  put(): boolean {
    const now = this.#time.now();
    this.puts.count(now);
    if (this.#putBucket.take(now)) return true;
    this.slowedPuts.count(now);
    return false;
  }
}
