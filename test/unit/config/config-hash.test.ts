import { createHash } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import { configHash } from "../../../src/config/config-hash.ts";
import {
  type Leaves,
  PATHS,
  parameterSet,
  resolveWritten,
  type Written,
} from "../../support/parameter-sets.ts";

const LEAVES = ["bucket", "prefix", "include", "routes/raw/prefix", "future/leaf", "constructor"];
const SETS_NOTHING = ["revision", "expected-hosts", "canary/percent"];

const leaves = (prefix = "") =>
  fc.dictionary(
    fc.constantFrom(...LEAVES.map((leaf) => `${prefix}${leaf}`)),
    fc.string({ unit: "binary", minLength: 1 }),
    { noNullPrototype: true },
  );
const cohorts = fc.constantFrom("stable" as const, "canary" as const);
const layered = fc.record({ own: leaves(), ofCanaries: leaves("canary/"), host: leaves() });

const hashOf = (written: Written, cohort: "stable" | "canary" = "stable") =>
  configHash(parameterSet(written), PATHS, cohort);

/** What the documentation of `configHash` says, done again. */
function documentedHash(effective: Leaves): string {
  const pairs = Object.keys(effective)
    .filter((leaf) => !SETS_NOTHING.includes(leaf))
    .sort()
    .map((leaf) => [leaf, effective[leaf]]);
  return createHash("sha256").update(JSON.stringify(pairs)).digest("hex").slice(0, 12);
}

function effectiveOf(fleet: Leaves, ofCanaries: Leaves, host: Leaves, cohort: string): Leaves {
  const bare = Object.entries(ofCanaries).map(([leaf, value]) => [leaf.slice(7), value]);
  return { ...fleet, ...(cohort === "canary" ? Object.fromEntries(bare) : {}), ...host };
}

describe("the hash of a configuration", () => {
  it("is the one that is documented", () => {
    fc.assert(
      fc.property(layered, cohorts, ({ own, ofCanaries, host }, cohort) => {
        const effective = effectiveOf(own, ofCanaries, host, cohort);
        const written = { fleet: { ...own, ...ofCanaries }, host };
        expect(hashOf(written, cohort)).to.equal(documentedHash(effective));
      }),
    );
  });

  it("is equal exactly where the layers together say the same", () => {
    fc.assert(
      fc.property(layered, layered, cohorts, cohorts, (one, other, oneCohort, otherCohort) => {
        const [first, second] = [[one, oneCohort] as const, [other, otherCohort] as const].map(
          ([{ own, ofCanaries, host }, cohort]) => ({
            effective: documentedHash(effectiveOf(own, ofCanaries, host, cohort)),
            hash: hashOf({ fleet: { ...own, ...ofCanaries }, host }, cohort),
          }),
        );
        expect(first?.hash === second?.hash).to.equal(first?.effective === second?.effective);
      }),
    );
  });

  it("tells a change of one character of one value, and a value that moved to another leaf", () => {
    fc.assert(
      fc.property(leaves(), fc.constantFrom(...LEAVES), (fleet, leaf) => {
        const before = hashOf({ fleet });
        expect(hashOf({ fleet: { ...fleet, [leaf]: `${fleet[leaf] ?? ""}x` } })).not.to.equal(
          before,
        );
      }),
    );
    expect(hashOf({ fleet: { a: "1", b: "2" } })).not.to.equal(
      hashOf({ fleet: { a: "2", b: "1" } }),
    );
    expect(hashOf({ fleet: { a: '","b","' } })).not.to.equal(hashOf({ fleet: { a: "", b: "" } }));
  });

  it("does not depend on the order that the service gives, nor on versions and times", () => {
    const { fleet, host } = parameterSet({ fleet: { bucket: "data", prefix: "x/", tags: "a=b" } });
    const shuffled = fleet.toReversed().map((one) => ({ ...one, version: 9, lastModifiedAt: 9 }));
    expect(configHash({ fleet: shuffled, host }, PATHS, "stable")).to.equal(
      configHash({ fleet, host }, PATHS, "stable"),
    );
  });

  it("does not see what sets nothing on a host, wherever it is", () => {
    const before = hashOf({ fleet: { bucket: "data" }, host: {} });
    for (const leaf of SETS_NOTHING) {
      expect(hashOf({ fleet: { bucket: "data", [leaf]: "5" } })).to.equal(before);
      expect(hashOf({ fleet: { bucket: "data" }, host: { [leaf]: "5" } })).to.equal(before);
    }
  });

  it("does not see the values of canaries on another host, and sees them on a canary", () => {
    const fleet = { bucket: "data", "canary/prefix": "x/" };
    expect(hashOf({ fleet })).to.equal(hashOf({ fleet: { bucket: "data" } }));
    expect(hashOf({ fleet }, "canary")).to.equal(
      hashOf({ fleet: { bucket: "data", prefix: "x/" } }),
    );
  });

  it("tells a StringList from a String of the same text", () => {
    const types = { "fleet/include": "StringList" };
    const fleet = { include: "*.log,*.csv" };
    expect(hashOf({ fleet, types })).not.to.equal(hashOf({ fleet }));
  });

  it("is there for a configuration that is refused", () => {
    const refused = resolveWritten({ fleet: { concurrency: "x" } });
    expect(refused).to.have.property("problems");
    expect(refused.hash).to.equal(documentedHash({ concurrency: "x" }));
    expect(resolveWritten({}).hash).to.match(/^[0-9a-f]{12}$/);
  });
});
