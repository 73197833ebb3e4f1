import { expect } from "chai";
import fc from "fast-check";
import { RateLimiter } from "../../../src/lib/rate-limiter.ts";
import { ManualClock, settle } from "../../support/manual-clock.ts";

const NEVER = new AbortController().signal;

/** The bucket, in seconds of the rate. */
const BUCKET_SECONDS = 0.25;

interface Grant {
  readonly name: number;
  readonly bytes: number;
  readonly at: number;
}

function makeLimiter(bytesPerSecond: number) {
  const clock = new ManualClock();
  const limiter = new RateLimiter({ clock }, bytesPerSecond);
  const grants: Grant[] = [];
  const refused: number[] = [];
  let asked = 0;
  return {
    clock,
    limiter,
    grants,
    refused,
    names: () => grants.map(({ name }) => name),
    /** Asks for some bytes; what is granted, and when, is written down. */
    async take(bytes: number, signal = NEVER): Promise<void> {
      asked += 1;
      const name = asked;
      await limiter.take(bytes, signal).then(
        () => grants.push({ name, bytes, at: clock.monotonic() }),
        (error: unknown) => {
          expect(error).to.equal(signal.reason);
          refused.push(name);
        },
      );
    },
  };
}

/** The most that was granted beyond the rate in any span of time, in bytes. */
function mostBeyond(grants: readonly Grant[], bytesPerSecond: number): number {
  let most = 0;
  for (const [from, first] of grants.entries()) {
    let bytes = 0;
    for (const grant of grants.slice(from)) {
      bytes += grant.bytes;
      most = Math.max(most, bytes - ((grant.at - first.at) / 1_000) * bytesPerSecond);
    }
  }
  return most;
}

const rates = fc.integer({ min: 1, max: 2 ** 30 });

/** Sizes around a rate: from nothing to some seconds of it. */
const sizesOf = (rate: number, maxLength: number) =>
  fc.array(fc.integer({ min: 0, max: rate * 3 }), { minLength: 1, maxLength });

const workersOf = (rate: number) =>
  fc.array(sizesOf(rate, 6), { minLength: 1, maxLength: 5 }).map((sizes) => ({ rate, sizes }));

describe("a rate limiter", () => {
  it("grants the rate and no more, in any span of time, whatever the sizes and however many ask", async () => {
    await fc.assert(
      fc.asyncProperty(rates.chain(workersOf), async ({ rate, sizes }) => {
        const { clock, limiter, grants, take } = makeLimiter(rate);
        const workers = sizes.map(async (own) => {
          for (const bytes of own) await take(bytes);
        });
        const all = sizes.flat();
        const total = all.reduce((sum, bytes) => sum + bytes, 0);
        // Timers are no finer than a millisecond.
        await clock.advance((total / rate) * 1_000 + all.length);
        expect(grants).to.have.length(all.length);
        await Promise.all(workers);
        const allowed = Math.max(rate * BUCKET_SECONDS, ...all);
        expect(mostBeyond(grants, rate)).to.be.at.most(allowed * (1 + 1e-9));
        expect(clock.sleepers).to.equal(0);
        expect(limiter.bytesPerSecond).to.equal(rate);
      }),
      { numRuns: 100 },
    );
  });

  it("saves up no more than its bucket while nobody asks", async () => {
    const { clock, take, names } = makeLimiter(1_000);
    await clock.advance(3_600_000);
    for (let nth = 0; nth < 6; nth += 1) void take(50);
    await settle();
    expect(names()).to.deep.equal([1, 2, 3, 4, 5]);
    await clock.advance(50);
    expect(names()).to.deep.equal([1, 2, 3, 4, 5, 6]);
  });

  it("grants in the order of asking, a small take after a large one too", async () => {
    await fc.assert(
      fc.asyncProperty(sizesOf(1_000, 12), async (sizes) => {
        const { clock, take, names } = makeLimiter(1_000);
        const takes = sizes.map((bytes) => take(bytes));
        await clock.advance(60_000);
        await Promise.all(takes);
        expect(names()).to.deep.equal(sizes.map((_, index) => index + 1));
      }),
    );
  });

  it("lets a take go that is larger than the bucket, and has the next one wait for the debt", async () => {
    const { clock, take, names } = makeLimiter(1_000);
    void take(16_000);
    void take(0);
    void take(1);
    await settle();
    expect(names()).to.deep.equal([1]);
    await clock.advance(15_749);
    expect(names()).to.deep.equal([1]);
    await clock.advance(1);
    expect(names()).to.deep.equal([1, 2]);
    await clock.advance(1);
    expect(names()).to.deep.equal([1, 2, 3]);
  });

  it("gives up with the signal's reason, takes nothing then, and leaves no timer", async () => {
    const { clock, limiter, take, refused, names } = makeLimiter(1_000);
    await take(250);
    const controllers = [1, 2, 3].map(() => new AbortController());
    const [first, second, third] = controllers.map(({ signal }) => take(100_000, signal));
    void take(10);
    controllers[1]?.abort(new Error("stop the second"));
    await second;
    await clock.advance(5);
    controllers[0]?.abort(new Error("stop the first"));
    controllers[2]?.abort(new Error("stop the third"));
    await Promise.all([first, third]);
    expect(refused).to.deep.equal([3, 2, 4]);
    await clock.advance(4);
    expect(names()).to.deep.equal([1]);
    await clock.advance(1);
    expect(names()).to.deep.equal([1, 5]);
    expect(clock.sleepers).to.equal(0);

    const last = new AbortController();
    const waits = take(100, last.signal);
    await settle();
    expect(clock.sleepers).to.equal(1);
    last.abort(new Error("stop"));
    await waits;
    await settle();
    expect(clock.sleepers).to.equal(0);
    const { reason } = last.signal;
    const failure: unknown = await limiter.take(0, last.signal).catch((error: unknown) => error);
    expect(failure).to.equal(reason);
  });

  it("has a raised rate hold at once for those that wait", async () => {
    const { clock, limiter, take, names } = makeLimiter(10);
    await take(10_000);
    void take(1);
    void take(100_000);
    void take(1);
    await clock.advance(1_000);
    expect(names()).to.deep.equal([1]);
    limiter.setRate(10_000);
    await clock.advance(1_000);
    expect(names()).to.deep.equal([1, 2]);
    await clock.advance(250);
    expect(names()).to.deep.equal([1, 2, 3]);
    limiter.setRate(0);
    await settle();
    expect(names()).to.deep.equal([1, 2, 3, 4]);
    expect(clock.sleepers).to.equal(0);
  });

  it("has a lowered rate hold at once, but not make an old debt last longer", async () => {
    const { clock, limiter, grants, take, names } = makeLimiter(100_000);
    await take(125_000);
    void take(10);
    void take(1_000);
    await clock.advance(500);
    expect(names()).to.deep.equal([1]);
    limiter.setRate(100);
    await clock.advance(600);
    expect(names()).to.deep.equal([1, 2]);
    await clock.advance(60_000);
    expect(names()).to.deep.equal([1, 2, 3]);
    const [, second, third] = grants;
    // The bucket of the new rate, 25 bytes, was filled in between.
    expect(third?.at).to.equal((second?.at ?? 0) + 250);
  });

  it("without a limit grants at once, and never more than a bucket once there is one", async () => {
    const { clock, limiter, take, names } = makeLimiter(0);
    await take(2 ** 40);
    limiter.setRate(1_000);
    void take(250);
    void take(1);
    await settle();
    expect(names()).to.deep.equal([1, 2]);
    await clock.advance(1);
    expect(names()).to.deep.equal([1, 2, 3]);
  });
});
