import { expect } from "chai";
import fc from "fast-check";
import { fleetBackoffMs, retryDelayMs } from "../../../src/lib/backoff.ts";
import { stableFraction } from "../../../src/lib/stable-fraction.ts";

const almostOne = () => 1 - Number.EPSILON;

describe("backoff", () => {
  const anyRandom = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  const anyFailures = fc.integer({ min: 1, max: 5_000 });

  it("waits at least nothing and less than the range and the cap, however many failures", () => {
    fc.assert(
      fc.property(
        anyFailures,
        anyRandom,
        fc.integer({ min: 1, max: 10_000 }),
        fc.integer({ min: 1, max: 600_000 }),
        (failures, random, baseMs, capMs) => {
          const ms = retryDelayMs(failures, { baseMs, capMs }, () => random);
          expect(ms).to.be.at.least(0).and.lessThan(capMs);
          if (failures === 1) expect(ms).to.be.lessThan(baseMs);
        },
      ),
    );
  });

  it("doubles the range up to the cap", () => {
    const limits = { baseMs: 100, capMs: 1_000 };
    const ranges = [1, 2, 3, 4, 5, 6].map((n) => retryDelayMs(n, limits, () => 0.5) * 2);
    expect(ranges).to.deep.equal([100, 200, 400, 800, 1_000, 1_000]);
  });

  it("of a fleet waits from one second on and no longer than that and the cap", () => {
    fc.assert(
      fc.property(anyFailures, anyRandom, (failures, random) => {
        const ms = fleetBackoffMs(failures, { capMs: 60_000 }, () => random);
        expect(ms).to.be.at.least(1_000).and.lessThan(61_000);
      }),
    );
    expect(fleetBackoffMs(1, { capMs: 60_000 }, almostOne)).to.be.closeTo(16_000, 1);
    expect(fleetBackoffMs(2, { capMs: 60_000 }, almostOne)).to.be.closeTo(31_000, 1);
    expect(fleetBackoffMs(9, { capMs: 60_000 }, almostOne)).to.be.closeTo(61_000, 1);
    const slow = { baseMs: 150_000, capMs: 600_000 };
    expect(fleetBackoffMs(1, slow, almostOne)).to.be.closeTo(151_000, 1);
    expect(fleetBackoffMs(4, slow, almostOne)).to.be.closeTo(601_000, 1);
  });
});

describe("stableFraction", () => {
  it("is what sha256sum gives", () => {
    // printf 'web-1:sweep' | sha256sum begins with c990d8fd632d.
    expect(stableFraction("web-1", "sweep")).to.equal(0xc990d8fd632d / 2 ** 48);
  });

  it("is in [0, 1) and the same at every call", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (host, purpose) => {
        const fraction = stableFraction(host, purpose);
        expect(fraction).to.be.at.least(0).and.lessThan(1);
        expect(stableFraction(host, purpose)).to.equal(fraction);
      }),
    );
  });

  it("spreads a fleet evenly: each tenth has its tenth of the hosts", () => {
    const tenths = new Array<number>(10).fill(0);
    for (let n = 0; n < 10_000; n += 1) {
      const tenth = Math.floor(stableFraction(`host-${n}`, "sweep") * 10);
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    for (const count of tenths) expect(count).to.be.within(850, 1_150);
  });

  it("differs from purpose to purpose", () => {
    expect(stableFraction("web-1", "sweep")).not.to.equal(stableFraction("web-1", "refresh"));
  });
});
