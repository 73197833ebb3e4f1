import { expect } from "chai";
import fc from "fast-check";
import { percentile, Sample } from "../../../src/lib/sample.ts";

/** A random source that says the same in each run (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe("a sample", () => {
  it("keeps all values while there is room, and some of them then", () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { maxLength: 300 }), fc.integer(), (values, seed) => {
        const sample = new Sample(100, seeded(seed));
        for (const value of values) sample.add(value);
        expect(sample.values).to.have.length(Math.min(100, values.length));
        if (values.length <= 100) expect(sample.values).to.deep.equal(values);
        expect(values).to.include.members([...sample.values]);
      }),
    );
  });

  it("is fair: early and late values are in it equally often", () => {
    const random = seeded(1);
    const timesIn = Array.from({ length: 10 }, () => 0);
    for (let run = 0; run < 2_000; run += 1) {
      const sample = new Sample(10, random);
      for (let value = 0; value < 100; value += 1) sample.add(value);
      for (const value of sample.values)
        timesIn[Math.floor(value / 10)] = (timesIn[Math.floor(value / 10)] ?? 0) + 1;
    }
    // 20,000 values in ten groups; the standard deviation of each is about 42.
    for (const times of timesIn) expect(times).to.be.within(1_750, 2_250);
  });
});

describe("percentile", () => {
  const table: readonly (readonly [readonly number[], number, number | undefined])[] = [
    [[], 50, undefined],
    [[7], 50, 7],
    [[7], 99, 7],
    [[1, 2], 50, 1],
    [[1, 2, 3], 50, 2],
    [[1, 2, 3, 4], 99, 4],
    [Array.from({ length: 100 }, (_, index) => index + 1), 50, 50],
    [Array.from({ length: 100 }, (_, index) => index + 1), 99, 99],
  ];
  for (const [values, percent, expected] of table) {
    it(`${percent} of ${values.length} values is ${expected}`, () => {
      expect(percentile(values, percent)).to.equal(expected);
    });
  }
});
