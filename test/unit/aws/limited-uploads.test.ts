import { mkdtempDisposable, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { setImmediate } from "node:timers/promises";
import { expect } from "chai";
import { RateLimiter } from "../../../src/lib/rate-limiter.ts";
import { HEAD_BYTES, limitUploads } from "../../../src/sweep/limited-store.ts";
import type { ObjectStore } from "../../../src/sweep/object-store.ts";
import { WORKERS } from "../../../src/sweep/send-parts.ts";
import { type FakeS3, startFakeS3 } from "../../support/fake-s3.ts";
import type { Operation } from "../../support/fake-s3-operations.ts";
import { contentOf, makePlace, PART_BYTES } from "../../support/large-files.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { DESTINATION } from "../../support/memory-store.ts";
import { withS3Store } from "../../support/s3-store.ts";
import { entriesOf, entryAt, openContext, transferWhole } from "../../support/transfer-context.ts";

/** Bytes a second. */
const RATE = 40_000;
/** What goes at once when nothing went before. */
const BUCKET_BYTES = RATE / 4;
/** What goes in one piece. */
const PIECE_BYTES = RATE / 32;
const STEP_MS = 10;
const ARRIVAL_MS_MAX = 200;

/** Uploads to the fake S3 at the rate of a clock that only `during` moves. */
class LimitedUploads {
  readonly limiter: RateLimiter;
  readonly store: ObjectStore;
  readonly #clock = new ManualClock();
  readonly #fake: FakeS3;
  /** Bytes that were granted. */
  taken = 0;
  #puts = 0;

  constructor(fake: FakeS3, store: ObjectStore) {
    this.#fake = fake;
    this.limiter = new RateLimiter({ clock: this.#clock }, RATE);
    const { limiter } = this;
    const counted = limitUploads(store, {
      get bytesPerSecond() {
        return limiter.bytesPerSecond;
      },
      take: async (bytes, signal) => {
        await limiter.take(bytes, signal);
        this.taken += bytes;
      },
    });
    const count = <R, A>(send: (request: R) => Promise<A>) => {
      return async (request: R) => {
        this.#puts += 1;
        return await send(request);
      };
    };
    this.store = { ...counted, put: count(counted.put), putPart: count(counted.putPart) };
  }

  /** Bytes of bodies that have arrived. */
  get arrived(): number {
    return this.#fake.requests
      .filter(({ operation }) => operation === "PutObject" || operation === "UploadPart")
      .reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /**
   * Lets time pass until the work is done. After each step what may be sent has arrived, and that
   * is no more than the rate gives.
   */
  async during<T>(work: Promise<T>): Promise<T> {
    const ended = new AbortController();
    const end = () => ended.abort();
    work.then(end, end);
    for (let before = 0; !ended.signal.aborted; before = this.arrived) {
      await this.#clock.advance(STEP_MS);
      await setImmediate();
      const granted = this.taken - this.#puts * HEAD_BYTES;
      // What was granted to a body that S3 refused before its end never arrives.
      const patience = AbortSignal.any([ended.signal, AbortSignal.timeout(ARRIVAL_MS_MAX)]);
      await this.#fake.waitUntil(() => this.arrived >= granted, patience).catch(() => undefined);
      const seconds = this.#clock.monotonic() / 1_000;
      expect(this.arrived).to.be.at.most(RATE * seconds + BUCKET_BYTES);
      expect(this.arrived - before).to.be.at.most(BUCKET_BYTES + (RATE * STEP_MS) / 1_000);
    }
    return await work;
  }
}

async function withLimit(
  work: (uploads: LimitedUploads, fake: FakeS3) => Promise<void>,
): Promise<void> {
  await using fake = await startFakeS3({ buckets: [DESTINATION.bucket], partBytesMin: PART_BYTES });
  await withS3Store(fake.endpoint, (store) => work(new LimitedUploads(fake, store), fake));
}

/** A watched directory with these files. */
async function withFiles(
  contents: Readonly<Record<string, Buffer>>,
  work: (root: string) => Promise<void>,
): Promise<void> {
  await using directory = await mkdtempDisposable(`${tmpdir()}/s3oa-limited-`);
  for (const [name, content] of Object.entries(contents)) {
    await writeFile(`${directory.path}/${name}`, content);
  }
  await work(directory.path);
}

function bodies(fake: FakeS3): Record<string, Buffer | undefined> {
  const objects = [...fake.objects(DESTINATION.bucket)];
  return Object.fromEntries(objects.map(([key, { body }]) => [key, body]));
}

function sends(fake: FakeS3, operation: Operation): number {
  return fake.requests.filter((one) => one.operation === operation).length;
}

describe("uploads to S3 with a limit of their rate", () => {
  it("arrive whole and as the rate allows, several at once, and what is sent again counts", async () => {
    const sizes = [0, 1, 1_250, 1_251, 20_000, 30_000];
    const contents = Object.fromEntries(
      sizes.map((bytes) => [`f${bytes}`, contentOf(1, bytes).subarray(0, bytes)]),
    );
    await withLimit(async (uploads, fake) => {
      fake.onPut(({ key, attemptForThisKey }) =>
        key === "f20000" && attemptForThisKey === 1
          ? { kind: "status", status: 503, code: "SlowDown" }
          : undefined,
      );
      await withFiles(contents, async (root) => {
        await using context = await openContext(root, uploads.store);
        const entries = await entriesOf(root);
        const transfers = entries.map((entry) => transferWhole(entry, context));
        const outcomes = await uploads.during(Promise.all(transfers));
        expect(new Set(outcomes.map(({ kind }) => kind))).to.deep.equal(new Set(["removed"]));
        expect(await readdir(root)).to.deep.equal([]);
      });
      expect(bodies(fake)).to.deep.equal(contents);
      expect(sends(fake, "PutObject")).to.equal(sizes.length + 1);
      // Of the refused body, as much as was sent before the answer.
      const bytes = sizes.reduce((sum, size) => sum + size, 0);
      expect(uploads.arrived).to.be.within(bytes, bytes + 20_000);
      const heads = HEAD_BYTES * (sizes.length + 1);
      expect(uploads.taken).to.be.within(bytes + heads, bytes + 20_000 + heads);
    });
  });

  for (const [how, heldBytesMax] of [
    ["held in memory", PART_BYTES],
    ["read twice", 1],
  ] as const) {
    it(`arrive whole in parts that are ${how}, several at once, as the rate allows`, async () => {
      const content = contentOf(3.5);
      await using place = await makePlace(content);
      await withLimit(async (uploads, fake) => {
        fake.onPut(({ partNumber, attemptForThisKey }) =>
          partNumber === 2 && attemptForThisKey === 1
            ? { kind: "status", status: 503, code: "SlowDown" }
            : undefined,
        );
        const upload = place.upload(uploads.store, { heldBytesMax });
        expect(await uploads.during(upload)).to.include({ kind: "proved", attempts: 2 });
        expect(bodies(fake)).to.deep.equal({ [place.key]: content });
        expect(uploads.arrived).to.equal(content.length + PART_BYTES);
      });
    });
  }

  it("that are given up while they wait end at once, and the file stays for the next sweep", async () => {
    const content = contentOf(1);
    await withLimit(async (uploads, fake) => {
      await withFiles({ a: content }, async (root) => {
        const controller = new AbortController();
        const entry = await entryAt(root, "a");
        await using context = await openContext(root, uploads.store);
        const transfer = transferWhole(entry, { ...context, cancel: controller.signal });
        // The clock stands still, so nothing more will ever arrive.
        await fake.waitUntil(() => uploads.arrived >= BUCKET_BYTES - HEAD_BYTES - PIECE_BYTES);
        controller.abort(new Error("stop"));
        expect(await transfer).to.include({ kind: "kept", reason: "interrupted" });
        await fake.waitUntil(([first]) => first?.answer === "dropped");
        expect(bodies(fake)).to.deep.equal({});
        expect(await readdir(root)).to.deep.equal(["a"]);

        uploads.limiter.setRate(0);
        expect(await transferWhole(entry, context)).to.include({ kind: "removed", attempts: 1 });
        expect(bodies(fake)).to.deep.equal({ a: content });
      });
    });
  });

  it("in parts that are given up while they wait go on where they were", async () => {
    const content = contentOf(6);
    await using place = await makePlace(content);
    await withLimit(async (uploads, fake) => {
      const controller = new AbortController();
      const { signal } = controller;
      const upload = place.upload(uploads.store, { signal }).catch((error: unknown) => error);
      // One part more than are sent at once: an earlier one is stored, and written down.
      const isSome = fake
        .waitUntil(() => sends(fake, "UploadPart") > WORKERS)
        .then(() => controller.abort(new Error("stop")));
      expect(await uploads.during(upload)).to.equal(signal.reason);
      await isSome;
      expect(bodies(fake)).to.deep.equal({});

      uploads.limiter.setRate(0);
      const before = sends(fake, "UploadPart");
      expect(await place.upload(uploads.store)).to.include({ kind: "proved" });
      expect(bodies(fake)).to.deep.equal({ [place.key]: content });
      expect(sends(fake, "UploadPart") - before).to.be.at.most(5);
      expect(sends(fake, "CreateMultipartUpload")).to.equal(1);
    });
  });
});
