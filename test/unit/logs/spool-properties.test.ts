import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import type { BatchAnswer } from "../../../src/logs/log-destination.ts";
import {
  makeSpoolPlace,
  numbersOf,
  type SpoolPlace,
  type SpoolProcess,
} from "../../support/spool-place.ts";

const DOWN: BatchAnswer = { kind: "failed", code: "ECONNREFUSED", message: "down" };
const UP: BatchAnswer = { kind: "accepted", rejected: 0 };
const HOUR_MS = 3_600_000;

/** What can happen to a spool. */
type Happening =
  | { readonly kind: "append"; readonly count: number; readonly bytes: number }
  | { readonly kind: "flush" }
  /** Of the batch that is under way: taken, and the answer is lost with the process. */
  | { readonly kind: "crash"; readonly isTaken: boolean; readonly batch: number }
  | { readonly kind: "close" }
  | { readonly kind: "outage"; readonly isDown: boolean }
  | { readonly kind: "time"; readonly hours: number }
  | { readonly kind: "limit"; readonly mebibytes: number }
  /** One byte of a segment is another one, one segment is gone, or the cursor is. */
  | { readonly kind: "flip" | "remove" | "cursor"; readonly at: number };

const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      count: fc.integer({ min: 1, max: 60 }),
      bytes: fc.constantFrom(12, 900, 9_000),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("flush" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("crash" as const),
      isTaken: fc.boolean(),
      batch: fc.integer({ min: 1, max: 100 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("close" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("outage" as const), isDown: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("time" as const),
      hours: fc.constantFrom(1, 25, 200, 14 * 24 + 1),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("limit" as const),
      mebibytes: fc.constantFrom(0, 1, 2, 128),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom("flip" as const, "remove" as const, "cursor" as const),
      at: fc.nat(),
    }),
  },
);

/** Plays what happens, and keeps account of what must come of it. */
class Story {
  readonly written = new Map<number, string>();
  /** By the number of the record: how often a crash allows it to be there once more. */
  repeatable = 0;
  /** Losses that were counted by the processes, but those that came from an earlier one. */
  counted = 0;
  /** What is damaged from outside may make records repeat that were counted, or be counted twice. */
  damages = 0;
  readonly #kinds = new Set<string>();
  readonly #place: SpoolPlace;
  #process: SpoolProcess;
  #mebibytes = 1;

  static async begin(place: SpoolPlace): Promise<Story> {
    return new Story(place, await place.start({ limitBytes: 2 ** 20 }));
  }

  private constructor(place: SpoolPlace, process: SpoolProcess) {
    this.#place = place;
    this.#process = process;
  }

  async play(happening: Happening): Promise<void> {
    const { clock, stream } = this.#place;
    const { kind } = happening;
    if (kind === "append") await this.#append(happening.count, happening.bytes);
    else if (kind === "flush") await this.#process.flush();
    else if (kind === "crash") await this.#crash(happening);
    else if (kind === "close") await this.#restart(() => this.#process.spool.close());
    else if (kind === "outage") stream.answer = happening.isDown ? DOWN : UP;
    else if (kind === "time") await clock.advance(happening.hours * HOUR_MS);
    else if (kind === "limit") {
      this.#mebibytes = happening.mebibytes;
      this.#process.space.setLimit(happening.mebibytes * 2 ** 20);
      await this.#process.spool.written();
    } else await this.#damage(kind, happening.at);
  }

  /** Who removes records and the cursor as well leaves nothing to tell of them. */
  get isTraceless(): boolean {
    return this.#kinds.has("remove") && this.#kinds.has("cursor");
  }

  async end(): Promise<void> {
    this.#place.stream.answer = UP;
    expect(await this.#process.flush()).to.equal(0);
    this.counted += this.#process.spool.losses.total;
  }

  async #append(count: number, bytes: number): Promise<void> {
    const from = this.written.size;
    const lines = Array.from({ length: count }, (_, nth) => `r${from + nth} `.padEnd(bytes, "x"));
    for (const [nth, line] of lines.entries()) this.written.set(from + nth, line);
    await this.#process.write(...lines);
  }

  async #crash({ isTaken, batch: size }: { isTaken: boolean; batch: number }): Promise<void> {
    const { stream } = this.#place;
    const batch = await this.#process.spool.next(size);
    if (batch !== undefined && isTaken) {
      stream.answer = UP;
      await stream.put(batch.events, new AbortController().signal);
      this.repeatable += batch.events.length;
    }
    // What is only in memory is lost with the process, where nothing may be on disk.
    const inMemory = this.#process.spool.onlyInMemory;
    await this.#restart(async () => undefined);
    this.counted += inMemory;
  }

  async #restart(end: () => Promise<void>): Promise<void> {
    await end();
    this.counted += this.#process.spool.losses.total;
    this.#process = await this.#place.start({ limitBytes: this.#mebibytes * 2 ** 20 });
  }

  async #damage(kind: "flip" | "remove" | "cursor", at: number): Promise<void> {
    // By somebody else, while nobody is at work.
    await this.#restart(() => this.#process.spool.close());
    const { directory } = this.#place;
    const names = (await readdir(directory)).filter((name) => name.endsWith(".log")).toSorted();
    const name = names[at % Math.max(1, names.length)];
    this.damages += 1;
    this.#kinds.add(kind);
    if (kind === "cursor") await rm(join(directory, "cursor"), { force: true });
    else if (name !== undefined) {
      const path = join(directory, name);
      const content = await readFile(path);
      if (kind === "remove") await rm(path);
      else {
        const where = at % content.length;
        content[where] = (content[where] ?? 0) ^ 0x15;
        await writeFile(path, content);
      }
    }
    await this.#restart(async () => undefined);
  }
}

describe("a spool, whatever happens", () => {
  it("gives each record to the service as it was written or counts it, and repeats one batch a crash", async function () {
    this.timeout(120_000);
    await fc.assert(
      fc.asyncProperty(fc.array(happening, { maxLength: 25 }), async (happenings) => {
        await using place = await makeSpoolPlace();
        const story = await Story.begin(place);
        for (const one of happenings) await story.play(one);
        await story.end();
        const taken = place.stream.taken;
        const numbers = numbersOf(taken);
        for (const [nth, message] of taken.entries()) {
          expect(message).to.equal(story.written.get(numbers[nth] ?? -1));
        }
        const distinct = new Set(numbers).size;
        if (story.damages === 0) {
          expect(numbers.length - distinct).to.be.at.most(story.repeatable);
        }
        // Never less than what is missing: a loss is counted, though one may be counted twice.
        const found = distinct + (story.isTraceless ? story.written.size : story.counted);
        expect(found).to.be.at.least(story.written.size);
        if (story.damages === 0 && story.repeatable === 0) {
          expect(distinct + story.counted).to.equal(story.written.size);
        }
      }),
      { numRuns: 200 },
    );
  });
});
