import { expect } from "chai";
import { nearest } from "../../../src/lib/nearest.ts";

const NAMES = ["fleet", "region", "hostId", "allowedRoots", "allowedBuckets", "min-age", "prefix"];

describe("nearest", () => {
  const table: readonly (readonly [name: string, meant: string | undefined])[] = [
    ["flet", "fleet"],
    ["fleeet", "fleet"],
    ["flete", "fleet"],
    ["fleat", "fleet"],
    ["hostid", "hostId"],
    ["HOSTID", "hostId"],
    ["hostID", "hostId"],
    ["alowedRoot", "allowedRoots"],
    ["allowed_buckets", "allowedBuckets"],
    ["allowedBucket", "allowedBuckets"],
    ["minage", "min-age"],
    ["min_age", "min-age"],
    ["perfix", "prefix"],
    ["fleet", "fleet"],
    ["bucket", undefined],
    ["x", undefined],
    ["", undefined],
    ["colour", undefined],
    ["fleet".repeat(1_000), undefined],
  ];
  for (const [name, meant] of table) {
    it(`${name.slice(0, 20) || "nothing"} means ${meant ?? "none of them"}`, () => {
      expect(nearest(name, NAMES)).to.equal(meant);
    });
  }

  it("counts two neighbours that were swapped as one slip, and takes the nearer name", () => {
    expect(nearest("tga", ["tar", "tag"])).to.equal("tag");
    expect(nearest("include", ["exclude", "include"])).to.equal("include");
  });

  it("takes the first of two that are as near", () => {
    expect(nearest("tax", ["tab", "tag"])).to.equal("tab");
  });

  it("knows nothing near among no names", () => expect(nearest("fleet", [])).to.equal(undefined));
});
