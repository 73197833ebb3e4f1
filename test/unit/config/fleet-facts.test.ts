import { expect } from "chai";
import fc from "fast-check";
import { fleetFacts, parseRevision, SPREAD_MS_MAX } from "../../../src/config/fleet-facts.ts";
import { type Leaves, PATHS, parameterSet } from "../../support/parameter-sets.ts";

const factsOf = (fleet: Leaves) => fleetFacts(parameterSet({ fleet }).fleet, PATHS.fleet);

describe("the facts of a fleet", () => {
  it("are no canaries and no expectation where nobody says anything", () => {
    expect(factsOf({})).to.deep.equal({ canaryPercent: 0, expectedHosts: undefined, problems: [] });
    expect(factsOf({ "canary/percent": "none", "expected-hosts": "none" })).to.deep.equal(
      factsOf({}),
    );
  });

  it("are the numbers that are written, with or without space around them", () => {
    for (const [text, percent] of [
      ["0", 0],
      ["5", 5],
      ["0.5", 0.5],
      ["99.999999", 99.999999],
      ["100", 100],
      ["100.000000", 100],
      [" 7\n", 7],
    ] as const) {
      expect(factsOf({ "canary/percent": text })).to.include({ canaryPercent: percent });
    }
    for (const [text, hosts] of [
      ["0", 0],
      ["100000\n", 100_000],
      ["10000000", 10_000_000],
    ] as const) {
      expect(factsOf({ "expected-hosts": text })).to.include({ expectedHosts: hosts });
    }
  });

  it("make no host a canary by a percent that is wrong, and say which parameter is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", minLength: 1 }), (text) => {
        const { canaryPercent, expectedHosts, problems } = factsOf({
          "canary/percent": text,
          "expected-hosts": text,
        });
        expect(canaryPercent).to.be.within(0, 100);
        if (expectedHosts !== undefined) expect(expectedHosts).to.be.within(0, 10_000_000);
        for (const { parameter } of problems) {
          if (parameter.endsWith("percent")) expect(canaryPercent).to.equal(0);
          else expect(expectedHosts).to.equal(undefined);
        }
      }),
    );
  });
});

describe("a revision", () => {
  it("says over how long its reading is spread, for six hours at most", () => {
    expect(parseRevision('{"id":7,"by":"ada","spread":"20m","leaves":3}').spreadMs).to.equal(
      1_200_000,
    );
    expect(parseRevision('{"spread":"0s"}').spreadMs).to.equal(0);
    expect(parseRevision('{"spread":"365d"}').spreadMs).to.equal(SPREAD_MS_MAX);
  });

  it("may hold anything at all", () => {
    const anyText = fc.oneof(fc.string({ unit: "binary" }), fc.json());
    const anySpread = fc.jsonValue().map((spread) => JSON.stringify({ spread }));
    fc.assert(
      fc.property(fc.oneof(anyText, anySpread), (text) => {
        const { spreadMs } = parseRevision(text);
        if (spreadMs !== undefined) expect(spreadMs).to.be.within(0, SPREAD_MS_MAX);
      }),
    );
    for (const text of ["7", "null", "[]", '"x"', "{", '{"spread":600}', '{"spread":"600"}']) {
      expect(parseRevision(text).spreadMs, text).to.equal(undefined);
    }
  });
});
