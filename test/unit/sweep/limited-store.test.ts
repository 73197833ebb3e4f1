import { expect } from "chai";
import fc from "fast-check";
import { HEAD_BYTES, limitUploads, type UploadLimiter } from "../../../src/sweep/limited-store.ts";
import type { PutRequest } from "../../../src/sweep/object-store.ts";
import { MemoryStore, putRequestOf } from "../../support/memory-store.ts";

/** Grants everything at once, and writes down what was taken. */
function makeLimiter(bytesPerSecond: number) {
  const takes: number[] = [];
  return {
    bytesPerSecond,
    takes,
    async take(bytes: number) {
      takes.push(bytes);
    },
  };
}

/** Sends a request, and gives back what the store was sent. */
async function sent(request: PutRequest, limiter: UploadLimiter): Promise<PutRequest["body"]> {
  const store = new MemoryStore();
  const answer = await limitUploads(store, limiter).put(request);
  expect(answer).to.include({ kind: "stored", sha256: request.sha256 });
  const [seen] = store.requests;
  return seen?.body ?? Buffer.alloc(0);
}

const sum = (numbers: readonly number[]) => numbers.reduce((one, other) => one + other, 0);

describe("a store whose bodies are held to a rate", () => {
  it("takes every byte of head and body, in pieces of which many go in a second", async () => {
    const lengths = fc.array(fc.integer({ min: 0, max: 300_000 }), { maxLength: 4 });
    const rates = fc.oneof(
      fc.integer({ min: 1_000, max: 100_000 }),
      fc.integer({ min: 100_000, max: 2 ** 30 }),
    );
    await fc.assert(
      fc.asyncProperty(lengths, rates, fc.boolean(), async (given, rate, isHeld) => {
        const parts = given.map((length, index) => Buffer.alloc(length, `part ${index}`));
        const content = Buffer.concat(parts);
        const limiter = makeLimiter(rate);
        const pieces = async function* () {
          yield* parts;
        };
        await sent(putRequestOf(content, isHeld ? content : pieces()), limiter);
        expect(sum(limiter.takes)).to.equal(HEAD_BYTES + content.length);
        expect(Math.max(...limiter.takes)).to.be.at.most(Math.min(2 ** 16, rate / 32));
      }),
      { numRuns: 50 },
    );
  });

  it("sends at a rate of one byte a second too", async () => {
    const limiter = makeLimiter(1);
    await sent(putRequestOf(Buffer.from("abc")), limiter);
    expect(sum(limiter.takes)).to.equal(HEAD_BYTES + 3);
  });

  it("sends as it is what is one piece, and everything if there is no limit", async () => {
    const piece = Buffer.alloc(2 ** 10);
    expect(await sent(putRequestOf(piece), makeLimiter(2 ** 15))).to.equal(piece);
    expect(await sent(putRequestOf(piece), makeLimiter(2 ** 15 - 1))).not.to.equal(piece);

    const large = Buffer.alloc(2 ** 20);
    const none = makeLimiter(0);
    expect(await sent(putRequestOf(large), none)).to.equal(large);
    expect(none.takes).to.deep.equal([]);
  });

  it("takes the head, and a small body with it, before there is a request", async () => {
    const store = new MemoryStore();
    const takes: number[] = [];
    const limiter = {
      bytesPerSecond: 2 ** 20,
      async take(bytes: number) {
        expect(store.requests).to.have.length(0);
        takes.push(bytes);
      },
    };
    await limitUploads(store, limiter).put(putRequestOf(Buffer.from("abc")));
    expect(takes).to.deep.equal([HEAD_BYTES + 3]);
    expect(store.requests).to.have.length(1);
  });

  it("sends the rest at once when the limit is taken away", async () => {
    const content = Buffer.alloc(300_000);
    const takes: number[] = [];
    const limiter = {
      bytesPerSecond: 32_000,
      async take(bytes: number) {
        takes.push(bytes);
        if (takes.length === 10) limiter.bytesPerSecond = 0;
      },
    };
    await sent(putRequestOf(content), limiter);
    expect(sum(takes)).to.equal(HEAD_BYTES + content.length);
    expect(takes.length).to.be.at.most(10 + Math.ceil(content.length / 2 ** 16));
  });
});
