import { expect } from "chai";
import fc from "fast-check";
import { type Dated, oldestFirst } from "../../../src/sweep/oldest-first.ts";
import { collect } from "../../support/collect.ts";
import { expectedOrder } from "../../support/expected-order.ts";

interface Item extends Dated {
  readonly nth: number;
}

/** Items of these ages, with how many were pulled and whether the source was closed. */
function sourceOf(ages: readonly number[], failsAt = Number.POSITIVE_INFINITY) {
  const source = { pulled: 0, isClosed: false, items: generate() };
  async function* generate(): AsyncGenerator<Item> {
    try {
      for (const [nth, changedAt] of ages.entries()) {
        if (nth === failsAt) throw new Error("the disk is gone");
        source.pulled += 1;
        yield { nth, changedAt };
      }
    } finally {
      source.isClosed = true;
    }
  }
  return source;
}

async function all(ages: readonly number[], windowMax: number): Promise<Item[]> {
  return await collect(oldestFirst(sourceOf(ages).items, windowMax));
}

const ages = fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 60 });
const windowMax = fc.integer({ min: 1, max: 20 });

describe("oldestFirst", () => {
  it("gives every item once", async () => {
    await fc.assert(
      fc.asyncProperty(ages, windowMax, async (given, max) => {
        const order = (await all(given, max)).map(({ nth }) => nth);
        expect(order.toSorted((a, b) => a - b)).to.deep.equal(given.map((_, nth) => nth));
      }),
    );
  });

  it("the oldest of those known comes first, and each eighth is the newest of them", async () => {
    await fc.assert(
      fc.asyncProperty(ages, windowMax, async (given, max) => {
        const order = (await all(given, max)).map(({ changedAt }) => changedAt);
        expect(order).to.deep.equal(expectedOrder(given, max));
      }),
    );
  });

  it("what fits as a whole is in order of age, but for each eighth", async () => {
    const given = [5, 3, 9, 1, 7, 2, 8, 6, 4, 0];
    const order = (await all(given, 100)).map(({ changedAt }) => changedAt);
    expect(order).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 9, 7, 8]);
  });

  it("of equal age, who came first goes first", async () => {
    expect((await all([1, 1, 1, 1], 10)).map(({ nth }) => nth)).to.deep.equal([0, 1, 2, 3]);
  });

  it("never knows of more than the window holds, however slowly they are taken", async () => {
    await fc.assert(
      fc.asyncProperty(ages, windowMax, async (given, max) => {
        const source = sourceOf(given);
        let taken = 0;
        for await (const _ of oldestFirst(source.items, max)) {
          taken += 1;
          // What was pulled and not given out waits in memory; the one in hand is out.
          expect(source.pulled - taken).to.be.at.most(max - 1);
          expect(source.pulled).to.equal(Math.min(given.length, taken - 1 + max));
        }
      }),
    );
  });

  it("an old item that stands behind the window comes as soon as it is known", async () => {
    const order = (await all([5, 6, 7, 1], 2)).map(({ changedAt }) => changedAt);
    expect(order).to.deep.equal([5, 6, 1, 7]);
  });

  it("a stream of old items does not keep a new one waiting for ever", async () => {
    const given = [1_000, ...Array.from({ length: 100 }, () => 1)];
    const order = (await all(given, 4)).map(({ changedAt }) => changedAt);
    expect(order.indexOf(1_000)).to.equal(7);
  });

  it("the source is closed when the consumer stops, and when it throws", async () => {
    for (const end of ["stop", "throw"]) {
      const source = sourceOf([1, 2, 3, 4, 5]);
      const consume = async () => {
        for await (const _ of oldestFirst(source.items, 2)) {
          if (end === "stop") break;
          throw new Error("enough");
        }
      };
      await consume().catch(() => undefined);
      expect(source.isClosed, end).to.equal(true);
      expect(source.pulled).to.equal(2);
    }
  });

  it("an error of the source is the consumer's to hear", async () => {
    const source = sourceOf([1, 2, 3], 2);
    const taken: number[] = [];
    let message = "";
    try {
      for await (const { nth } of oldestFirst(source.items, 2)) taken.push(nth);
    } catch (error) {
      message = String(error);
    }
    expect(message).to.include("the disk is gone");
    expect(taken).to.deep.equal([0]);
    expect(source.isClosed).to.equal(true);
  });
});
