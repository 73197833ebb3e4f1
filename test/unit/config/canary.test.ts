import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import { cohortOf } from "../../../src/config/canary.ts";

const hostIds = fc.stringMatching(/^[A-Za-z0-9._-]{1,128}$/);
const percents = fc.oneof(
  fc.integer({ min: 0, max: 100 }),
  fc.integer({ min: 0, max: 100_000_000 }).map((millionths) => millionths / 1_000_000),
);

/** As documented: the first six bytes of SHA-256(`<host-id>:canary`), of 2^48, times 100. */
function placeOf(sha256: string): number {
  return (Number.parseInt(sha256.slice(0, 12), 16) / 281_474_976_710_656) * 100;
}

describe("canaries", () => {
  it("are the hosts whose documented place lies below the percent", () => {
    fc.assert(
      fc.property(hostIds, percents, (hostId, percent) => {
        const place = placeOf(createHash("sha256").update(`${hostId}:canary`).digest("hex"));
        expect(cohortOf(hostId, percent)).to.equal(place < percent ? "canary" : "stable");
      }),
    );
  });

  it("are those that an operator finds with printf and sha256sum", () => {
    for (const hostId of ["web-1", "i-0123456789abcdef0", "mi-0a1b2c3d4e5f60718"]) {
      const command = 'printf %s "$1:canary" | sha256sum | cut -c1-12';
      const place = placeOf(
        execFileSync("sh", ["-c", command, "sh", hostId], { encoding: "utf8" }),
      );
      expect(cohortOf(hostId, place)).to.equal("stable");
      expect(cohortOf(hostId, place + 1e-9)).to.equal("canary");
    }
  });

  it("only become more when the percent grows", () => {
    fc.assert(
      fc.property(fc.array(hostIds), percents, percents, (ids, one, other) => {
        const [less, more] = [Math.min(one, other), Math.max(one, other)];
        const before = ids.filter((id) => cohortOf(id, less) === "canary");
        for (const id of before) expect(cohortOf(id, more)).to.equal("canary");
      }),
    );
  });

  it("are nobody at 0 and everybody at 100", () => {
    fc.assert(
      fc.property(hostIds, (hostId) => {
        expect(cohortOf(hostId, 0)).to.equal("stable");
        expect(cohortOf(hostId, 100)).to.equal("canary");
      }),
    );
  });

  it("are about as many as the percent says", () => {
    const ids = Array.from({ length: 20_000 }, (_, index) => `i-${index.toString(16)}`);
    for (const percent of [1, 10, 50]) {
      const share = ids.filter((id) => cohortOf(id, percent) === "canary").length / ids.length;
      expect(share * 100).to.be.closeTo(percent, 1.5);
    }
  });
});
