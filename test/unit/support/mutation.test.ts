import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { MUTATIONS } from "../../support/mutations/all.ts";
import { type Mutation, mutate } from "../../support/mutations/mutation.ts";

const SOURCES = new URL("../../../src/", import.meta.url);

function replacing(from: string): Mutation {
  return { name: "a step", file: "a.ts", edits: [[from, "$&"]], foundBy: ["b.test.ts", "b"] };
}

describe("a mutation", () => {
  it("puts one text in the place of another, as it is", () => {
    expect(mutate("one two three", replacing("two"))).to.equal("one $& three");
  });

  it("is refused when its text is not there, or not once", () => {
    expect(() => mutate("one two", replacing("three"))).to.throw('"a step": a.ts has 0 times');
    expect(() => mutate("one one", replacing("one"))).to.throw('"a step": a.ts has 2 times');
  });

  // The tests that must notice them take a minute; that they still fit is known at once.
  it("fits the source as it is now, every one of them, under a name of its own", async () => {
    for (const mutation of MUTATIONS) {
      const source = await readFile(new URL(mutation.file, SOURCES), "utf8");
      expect(mutate(source, mutation), mutation.name).to.not.equal(source);
    }
    expect(new Set(MUTATIONS.map(({ name }) => name)).size).to.equal(MUTATIONS.length);
  });
});
