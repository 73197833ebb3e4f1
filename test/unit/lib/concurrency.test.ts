import { expect } from "chai";
import fc from "fast-check";
import { forEachConcurrently, Places } from "../../../src/lib/concurrency.ts";
import { settle } from "../../support/manual-clock.ts";

/** Items 0, 1, 2 and so on, with how many were pulled so far. */
function numbers(count: number) {
  const source = { pulled: 0, items: generate() };
  async function* generate() {
    for (let n = 0; n < count; n += 1) {
      source.pulled += 1;
      yield n;
    }
  }
  return source;
}

/** Work that ends when the test says so. */
function heldWork() {
  const held = new Map<number, PromiseWithResolvers<void>>();
  return {
    held,
    async work(item: number) {
      const gate = Promise.withResolvers<void>();
      held.set(item, gate);
      await gate.promise;
      held.delete(item);
    },
  };
}

/** What a promise was rejected with. */
async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("forEachConcurrently", () => {
  it("works on every item once and on no more than the limit at once, whatever ends first", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 40 }),
        fc.integer({ min: 1, max: 8 }),
        async (turns, limit) => {
          const done: number[] = [];
          let running = 0;
          let most = 0;
          await forEachConcurrently(numbers(turns.length).items, limit, async (item) => {
            running += 1;
            most = Math.max(most, running);
            for (let turn = 0; turn < (turns[item] ?? 0); turn += 1) await Promise.resolve();
            running -= 1;
            done.push(item);
          });
          expect(done.toSorted((a, b) => a - b)).to.deep.equal(turns.map((_, index) => index));
          expect(most).to.be.at.most(limit);
          expect(running).to.equal(0);
        },
      ),
    );
  });

  it("uses all places, and pulls the next item only when one is free", async () => {
    const source = numbers(10);
    const { held, work } = heldWork();
    const all = forEachConcurrently(source.items, 3, work);
    await settle();
    expect([...held.keys()]).to.deep.equal([0, 1, 2]);
    expect(source.pulled).to.equal(3);
    held.get(1)?.resolve();
    await settle();
    expect([...held.keys()]).to.deep.equal([0, 2, 3]);
    expect(source.pulled).to.equal(4);
    while (held.size > 0) {
      for (const gate of held.values()) gate.resolve();
      await settle();
    }
    await all;
    expect(source.pulled).to.equal(10);
  });

  it("throws the first error after the work already begun has ended, and begins no more", async () => {
    const source = numbers(10);
    const { held, work } = heldWork();
    let isOver = false;
    const all = errorOf(forEachConcurrently(source.items, 3, work)).finally(() => {
      isOver = true;
    });
    await settle();
    held.get(1)?.reject(new Error("first"));
    await settle();
    expect(isOver).to.equal(false);
    held.get(0)?.reject(new Error("second"));
    await settle();
    expect(isOver).to.equal(false);
    held.get(2)?.resolve();
    expect(await all)
      .to.be.an("error")
      .with.property("message", "first");
    expect(source.pulled).to.equal(3);
  });

  it("throws the error of the items after the work already begun has ended", async () => {
    const { held, work } = heldWork();
    async function* broken() {
      yield 0;
      throw new Error("the disk is gone");
    }
    let isOver = false;
    const all = errorOf(forEachConcurrently(broken(), 3, work)).finally(() => {
      isOver = true;
    });
    await settle();
    expect(isOver).to.equal(false);
    held.get(0)?.resolve();
    expect(await all)
      .to.be.an("error")
      .with.property("message", "the disk is gone");
  });

  it("makes an error of whatever was thrown", async () => {
    const thrown = errorOf(forEachConcurrently(numbers(1).items, 1, () => Promise.reject("no")));
    expect(await thrown)
      .to.be.an("error")
      .with.property("message", "no");
  });
});

describe("Places", () => {
  /** Asks for a place, and says under this name when it has one. */
  const asker = (places: Places) => {
    const having: string[] = [];
    return {
      having,
      ask: (name: string) => {
        void places.take().then(() => having.push(name));
      },
    };
  };

  it("gives as many as there are, and the next one only when one is given back", async () => {
    const places = new Places(2);
    const { having, ask } = asker(places);
    for (const name of ["a", "b", "c"]) ask(name);
    await settle();
    expect(having).to.deep.equal(["a", "b"]);
    places.giveBack();
    await settle();
    expect(having).to.deep.equal(["a", "b", "c"]);
  });

  it("gives them in the order of asking; who comes later does not overtake who waits", async () => {
    const places = new Places(1);
    const { having, ask } = asker(places);
    for (const name of ["a", "b", "c"]) ask(name);
    places.giveBack();
    ask("d");
    await settle();
    expect(having).to.deep.equal(["a", "b"]);
    places.giveBack();
    places.giveBack();
    await settle();
    expect(having).to.deep.equal(["a", "b", "c", "d"]);
  });

  it("a place that nobody waits for is there for the next one, and only for him", async () => {
    const places = new Places(1);
    const { having, ask } = asker(places);
    ask("a");
    places.giveBack();
    ask("b");
    ask("c");
    await settle();
    expect(having).to.deep.equal(["a", "b"]);
  });

  it("never has more holders than places, whatever the order of taking and giving", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 30 }),
        async (count, turns) => {
          const places = new Places(count);
          let holders = 0;
          let most = 0;
          const work = async (turn: number) => {
            await places.take();
            holders += 1;
            most = Math.max(most, holders);
            for (let n = 0; n < turn; n += 1) await Promise.resolve();
            holders -= 1;
            places.giveBack();
          };
          await Promise.all(turns.map(work));
          expect(most).to.be.at.most(count);
          expect(holders).to.equal(0);
        },
      ),
    );
  });
});
