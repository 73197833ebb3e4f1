import { mkdir, mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import fc from "fast-check";
import type { Clock } from "../../src/lib/clock.ts";
import { SteadyClock } from "../../src/lib/steady-clock.ts";
import { sweep } from "../../src/sweep/sweep.ts";
import { problemsOf } from "./fault-cases.ts";
import { MemoryStore, POLICY, type Reply, SLOW_DOWN, sha256Of } from "./memory-store.ts";
import type { Verdict } from "./oracle.ts";
import { type Act, anyAct, RandomWriters } from "./random-writers.ts";
import { openContext } from "./transfer-context.ts";
import { filesBelow } from "./tree.ts";

/** What time does before a sweep. Some of it is less than the settle age of 30 s. */
const PASSES_MS = [0, 20_000, 31_000, 31_000, 60_000, 60_000, 7_200_000] as const;
/** What somebody sets the wall clock by. */
const JUMPS_MS = [-7_200_000, -20_000, 20_000, 7_200_000] as const;
const REPLIES: readonly Reply[] = [
  ...(["store", "store", "store", "store", "lose-answer", "portal"] as const),
  ...(["store-without-checksum", "store-other-checksum", SLOW_DOWN] as const),
];

/** A sweep, what happens before it, and what happens while it is under way. */
export interface Round {
  readonly before: readonly Act[];
  readonly passMs: number;
  readonly jumpMs: number | undefined;
  /** One at each point where the agent waits for something: the store, or a pause. */
  readonly during: readonly (Act | undefined)[];
  /** What the store does with one request after the other, and then always `store`. */
  readonly replies: readonly Reply[];
}

export const anyRounds: fc.Arbitrary<readonly Round[]> = fc.array(
  fc.record({
    before: fc.array(anyAct, { maxLength: 6 }),
    passMs: fc.constantFrom(...PASSES_MS),
    jumpMs: fc.oneof(
      { arbitrary: fc.constant(undefined), weight: 6 },
      { arbitrary: fc.constantFrom(...JUMPS_MS), weight: 1 },
    ),
    during: fc.array(fc.option(anyAct, { nil: undefined, freq: 4 }), { maxLength: 20 }),
    replies: fc.array(fc.constantFrom(...REPLIES), { maxLength: 6 }),
  }),
  { minLength: 1, maxLength: 5 },
);

/** Enough for the agent's own clock to be known, for every file, and for every backoff. */
const LONG_MS = 24 * 3_600_000;
const FINAL_SWEEPS = 4;

/** A pause of the agent takes so long, however long it would be: writers come in on time. */
const PAUSE_MS = 2;

/** A clock of which both the wall and the boot time are moved. The files' times are the kernel's. */
class MovedClock implements Clock {
  #passedMs = 0;
  #jumpedMs = 0;
  /** What happens while the agent pauses. */
  onSleep: () => Promise<void> = async () => undefined;

  now(): number {
    return Date.now() + this.#passedMs + this.#jumpedMs;
  }
  monotonic(): number {
    return this.boottime();
  }
  boottime(): number {
    return performance.now() + this.#passedMs;
  }
  pass(ms: number): void {
    this.#passedMs += ms;
  }
  jump(ms: number): void {
    this.#jumpedMs += ms;
  }
  async sleep(_ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await this.onSleep();
    await delay(PAUSE_MS);
    signal?.throwIfAborted();
  }
}

/** What came of a schedule. */
export interface Played {
  /** What is wrong, each in one line. */
  readonly problems: readonly string[];
  readonly verdict: Verdict;
  readonly requests: number;
}

/** Plays a schedule in a directory of its own, then lets everything come to rest. */
export async function play(rounds: readonly Round[]): Promise<Played> {
  await using folder = await mkdtempDisposable(join(tmpdir(), "s3oa-schedule-"));
  const [root, away] = [join(folder.path, "watched"), join(folder.path, "away")];
  await mkdir(root);
  await mkdir(away);
  const writers = new RandomWriters(root, away);
  const clock = new MovedClock();
  const steady = new SteadyClock(clock, "this boot", undefined);
  const store = new MemoryStore();
  await using context = await openContext(root, store, {
    clock,
    moment: () => ({ now: clock.now(), steadySince: steady.steadySince() }),
  });
  const problems = new Set<string>();
  const verify = async (): Promise<Verdict> => {
    const objects = [...store.objects].map(([key, bytes]) => [key, sha256Of(bytes)] as const);
    const verdict = await writers.oracle.verify({
      objects: new Map(objects),
      directories: [root, away],
    });
    for (const one of problemsOf(verdict)) problems.add(one);
    return verdict;
  };
  const run = async () => {
    await sweep({
      ...context,
      concurrency: 3,
      quarantineAfter: 0,
      observer: {
        onDecided: () => undefined,
        onOutcome: () => undefined,
        onUnreadable: () => undefined,
        onNotice: () => undefined,
      },
      isDryRun: false,
      stop: new AbortController().signal,
    });
  };

  await writers.createAll();
  let steadyBootMs = clock.boottime();
  for (const { before, passMs, jumpMs, during, replies } of rounds) {
    for (const act of before) await writers.act(act);
    clock.pass(passMs);
    if (jumpMs !== undefined) {
      clock.jump(jumpMs);
      steadyBootMs = clock.boottime();
    }
    const acts = during.values();
    const answers = replies.values();
    const next = async () => {
      const { value } = acts.next();
      if (value !== undefined) await writers.act(value);
    };
    clock.onSleep = next;
    store.onPut = next;
    store.onDone = next;
    store.reply = ({ key, body }) => {
      const isSteady = clock.boottime() - steadyBootMs >= POLICY.settleMs;
      if (!isSteady) problems.add(`uploaded while the clock was not known: ${key}`);
      const sha256 = Buffer.isBuffer(body) ? sha256Of(body) : "";
      const changedAt = writers.changedAt(sha256);
      // The clocks are told apart by the millisecond.
      const isYoung = changedAt !== undefined && clock.now() - changedAt < POLICY.settleMs - 1;
      if (isYoung) problems.add(`uploaded before it had settled: ${key}`);
      return answers.next().value ?? "store";
    };
    writers.beginSweep();
    await run();
    // As the agent does when it writes down what a sweep came to.
    steady.anchor();
    await verify();
  }

  await writers.finishAll();
  await verify();
  clock.onSleep = async () => undefined;
  store.onPut = () => undefined;
  store.onDone = () => undefined;
  store.reply = () => "store";
  for (let time = 0; time < FINAL_SWEEPS; time += 1) {
    clock.pass(LONG_MS);
    await run();
  }
  const verdict = await verify();
  for await (const { path } of filesBelow(root)) problems.add(`left: ${path}`);
  return { problems: [...problems], verdict, requests: store.requests.length };
}
