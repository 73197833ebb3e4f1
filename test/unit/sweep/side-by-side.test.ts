import { expect } from "chai";
import { Places } from "../../../src/lib/concurrency.ts";
import { laterClock, POLICY } from "../../support/memory-store.ts";
import { makeRoutesPlace, ROUNDS, type RoutesResult } from "../../support/routes-place.ts";
import { makePlace } from "../../support/sweep-place.ts";

describe("sweeps of several routes over one state", function () {
  this.timeout(60_000);

  for (const count of [2, 4]) {
    const routes = Array.from({ length: count }, (_, n) => `route-${n}`);

    it(`${count} side by side come to what they come to one after the other`, async () => {
      const clock = laterClock();
      const run = async (order: "side by side" | "one after the other"): Promise<RoutesResult> => {
        await using place = await makeRoutesPlace(routes, clock);
        return await place.run(order);
      };
      const expected = await run("one after the other");
      // It would be no test if nothing had happened.
      expect(expected.attempts.filter((one) => one["isQuarantined"])).to.have.length(count);
      expect(expected.attempts.filter((one) => one["reason"] === "")).to.have.length(count);
      expect(expected.uploaded).not.to.deep.equal([]);
      expect(expected.sweeps).to.have.length(count);
      expect(expected.uploadsOpen).to.deep.equal([]);
      expect(expected.statesLeft).to.deep.equal([]);
      expect(Object.keys(expected.outcomes)).to.have.length(count * ROUNDS);
      const result = await run("side by side");
      for (const part of Object.keys(expected) as (keyof RoutesResult)[]) {
        expect(result[part], part).to.deep.equal(expected[part]);
      }
    });
  }

  it("one whose uploads never end leaves places to the others", async () => {
    const places = new Places(4);
    await using stuck = await makePlace(20);
    await using well = await makePlace(20);
    using stuckShare = places.share();
    using wellShare = places.share();
    const isFull = Promise.withResolvers<void>();
    const line = Promise.withResolvers<void>();
    stuck.store.onPut = async (_, nth) => {
      // One place is not its own.
      if (nth === 3) isFull.resolve();
      await line.promise;
    };
    const sweeping = stuck.run({ places: stuckShare, concurrency: 20 });
    await isFull.promise;
    expect(await well.run({ places: wellShare })).to.include({ filesRemoved: 20 });
    expect(stuck.store.requests).to.have.length(3);
    line.resolve();
    expect(await sweeping).to.include({ filesRemoved: 20 });
  });

  it("one that throws has given back every place", async () => {
    using share = new Places(2).share();
    await using place = await makePlace(4);
    let asked = 0;
    const keyOf: typeof POLICY.keyOf = (entry) => {
      asked += 1;
      // In the middle of a transfer.
      if (asked === 2) throw new Error("no key");
      return POLICY.keyOf(entry);
    };
    const policy = { ...POLICY, keyOf };
    const failure = await place
      .run({ places: share, policy, concurrency: 1 })
      .catch((error: unknown) => error);
    expect(failure).to.be.an("error").with.property("message", "no key");
    // It would wait for ever for a second place.
    for (const _ of ["first", "second"]) await share.take();
    for (const _ of ["first", "second"]) share.giveBack();
    expect(await place.run({ places: share })).to.include({ filesRemoved: 4 });
  });
});
