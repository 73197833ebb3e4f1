import { expect } from "chai";
import fc from "fast-check";
import { join, leadsDown, namesOf, split } from "../../../src/sweep/path-bytes.ts";

const name = fc
  .uint8Array({ minLength: 1, maxLength: 8 })
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0xff : byte))));
const names = fc.array(name, { maxLength: 6 });
const pathOf = (all: readonly Buffer[]) => all.reduce(join, Buffer.alloc(0));

describe("paths as bytes", () => {
  it("are the names they were joined of", () => {
    fc.assert(
      fc.property(names, (all) => {
        expect(namesOf(pathOf(all))).to.deep.equal(all);
        expect(pathOf(all).toString("latin1")).to.equal(
          all.map((one) => one.toString("latin1")).join("/"),
        );
      }),
    );
  });

  it("split into the last name and what stands before it, which joined are the path again", () => {
    fc.assert(
      fc.property(names, name, (above, last) => {
        const path = join(pathOf(above), last);
        const { directory, name: end } = split(path);
        expect(end).to.deep.equal(last);
        expect(directory).to.deep.equal(pathOf(above));
        expect(join(directory, end)).to.deep.equal(path);
      }),
    );
  });

  it("an empty one is left out, and no slash comes in for it", () => {
    const [nothing, a] = [Buffer.alloc(0), Buffer.from("a")];
    expect(join(nothing, a)).to.deep.equal(a);
    expect(join(a, nothing)).to.deep.equal(a);
    expect(namesOf(nothing)).to.deep.equal([]);
    expect(split(nothing)).to.deep.equal({ directory: nothing, name: nothing });
  });

  it("lead down, unless they say otherwise", () => {
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 6 }), (all) => {
        fc.pre(all.every((one) => ![".", ".."].includes(one.toString("latin1"))));
        expect(leadsDown(pathOf(all))).to.equal(true);
      }),
    );
    for (const path of ["", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/./b", "a\0b"]) {
      expect(leadsDown(Buffer.from(path)), path).to.equal(false);
    }
    for (const path of ["...", "..a/.b", "..\n"]) {
      expect(leadsDown(Buffer.from(path)), path).to.equal(true);
    }
  });
});
