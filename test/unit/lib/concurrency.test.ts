import { expect } from "chai";
import fc from "fast-check";
import { forEachConcurrently, Places, type Share } from "../../../src/lib/concurrency.ts";
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
  const asker = (...shares: readonly Share[]) => {
    const having: string[] = [];
    return {
      having,
      /** @param name begins with the number of the share that asks */
      ask: (name: string) => {
        void shares[Number(name[0])]?.take().then(() => having.push(name));
      },
    };
  };

  it("gives as many as there are, and the next one only when one is given back", async () => {
    const share = new Places(2).share();
    const { having, ask } = asker(share);
    for (const name of ["0a", "0b", "0c"]) ask(name);
    await settle();
    expect(having).to.deep.equal(["0a", "0b"]);
    share.giveBack();
    await settle();
    expect(having).to.deep.equal(["0a", "0b", "0c"]);
  });

  it("gives them in the order of asking; who comes later does not overtake who waits", async () => {
    const places = new Places(2);
    const [one, other] = [places.share(), places.share()];
    const { having, ask } = asker(one, other);
    for (const name of ["0a", "1b", "0c", "1d", "0e"]) ask(name);
    await settle();
    expect(having).to.deep.equal(["0a", "1b"]);
    // One has none then, and the other may not have both.
    one.giveBack();
    ask("1f");
    await settle();
    expect(having).to.deep.equal(["0a", "1b", "0c"]);
    one[Symbol.dispose]();
  });

  it("among those who have one, the order of asking is all that counts", async () => {
    const places = new Places(4);
    const [one, other] = [places.share(), places.share()];
    const { having, ask } = asker(one, other);
    for (const name of ["0a", "1b", "0c", "0d", "1e", "0f", "1g"]) ask(name);
    await settle();
    expect(having).to.deep.equal(["0a", "1b", "0c", "0d"]);
    for (const share of [one, one, other]) share.giveBack();
    await settle();
    expect(having.slice(4)).to.deep.equal(["1e", "0f", "1g"]);
  });

  it("a place that nobody waits for is there for the next one, and only for him", async () => {
    const share = new Places(1).share();
    const { having, ask } = asker(share);
    ask("0a");
    await settle();
    share.giveBack();
    ask("0b");
    ask("0c");
    await settle();
    expect(having).to.deep.equal(["0a", "0b"]);
  });

  it("a party that never gives anything back leaves one to each of the others", async () => {
    const places = new Places(4);
    const [greedy, ...others] = [places.share(), places.share(), places.share()];
    const { having, ask } = asker(greedy, ...others);
    for (const name of ["0a", "0b", "0c", "0d"]) ask(name);
    await settle();
    expect(having).to.deep.equal(["0a", "0b"]);
    for (const name of ["1a", "1b", "2a", "2b"]) ask(name);
    await settle();
    expect(having).to.deep.equal(["0a", "0b", "1a", "2a"]);
    for (const name of ["1b", "2b"]) {
      others[Number(name[0]) - 1]?.giveBack();
      await settle();
      expect(having).to.include(name);
    }
  });

  it("what was left to a party that is gone is for all", async () => {
    const places = new Places(2);
    const [one, other] = [places.share(), places.share()];
    const { having, ask } = asker(one, other);
    for (const name of ["0a", "0b"]) ask(name);
    await settle();
    expect(having).to.deep.equal(["0a"]);
    other[Symbol.dispose]();
    await settle();
    expect(having).to.deep.equal(["0a", "0b"]);
  });

  it("never has more holders than places, and nobody waits for ever, whatever the order", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.tuple(fc.nat(3), fc.nat(4)), { maxLength: 30 }),
        async (count, parties, turns) => {
          const places = new Places(count);
          const shares = Array.from({ length: parties }, () => places.share());
          let holders = 0;
          let most = 0;
          const work = async ([party, turn]: readonly [number, number]) => {
            const share = shares[party % parties];
            await share?.take();
            holders += 1;
            most = Math.max(most, holders);
            for (let n = 0; n < turn; n += 1) await Promise.resolve();
            holders -= 1;
            share?.giveBack();
          };
          await Promise.all(turns.map(work));
          expect(most).to.be.at.most(count);
          expect(holders).to.equal(0);
        },
      ),
    );
  });
});
