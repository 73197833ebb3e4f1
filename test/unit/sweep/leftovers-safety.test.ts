import { mkdtempDisposable, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { readOwnName, restore } from "../../../src/sweep/leftovers.ts";
import { activeKey } from "../../../src/sweep/own-names.ts";
import { MemoryStore } from "../../support/memory-store.ts";
import { entryAt, openContext } from "../../support/transfer-context.ts";

const ASIDE = ".s3oa-0123456789abcdef-a";

/** A watched directory in which a file stands aside. */
async function makePlace() {
  const directory = await mkdtempDisposable(join(tmpdir(), "s3oa-leftovers-"));
  const root = directory.path;
  await writeFile(join(root, ASIDE), "content");
  const context = await openContext(root, new MemoryStore());
  return {
    root,
    context,
    read: async () => readOwnName(await entryAt(root, ASIDE), context),
    textOf: (name: string) => readFile(join(root, name), "utf8"),
    async [Symbol.asyncDispose]() {
      await context[Symbol.asyncDispose]();
      await directory.remove();
    },
  };
}

describe("a leftover", () => {
  it("has its name back, if that is free", async () => {
    await using place = await makePlace();
    const own = await place.read();
    if (own.kind !== "leftover") throw new Error("it is none");
    const now = await restore(own.entry, place.context.directories);
    expect([now.path.toString(), now.at.toString()]).to.deep.equal(["a", "a"]);
    expect(await readdir(place.root)).to.deep.equal(["a"]);
    expect(await place.textOf("a")).to.equal("content");
  });

  it("whoever took its name keeps it; the leftover stays a candidate under its own", async () => {
    await using place = await makePlace();
    await writeFile(join(place.root, "a"), "another");
    const own = await place.read();
    if (own.kind !== "leftover") throw new Error("it is none");
    const now = await restore(own.entry, place.context.directories);
    expect([now.path.toString(), now.at.toString()]).to.deep.equal(["a", ASIDE]);
    expect(await place.textOf("a")).to.equal("another");
    expect(await place.textOf(ASIDE)).to.equal("content");
  });

  it("is none if this agent has it stand aside at the moment", async () => {
    await using place = await makePlace();
    place.context.asides.active.add(activeKey(Buffer.from(ASIDE)));
    expect(await place.read()).to.deep.equal({ kind: "active" });
  });
});
