import { appendFile, mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { quarantine, releaseFromQuarantine } from "../../../src/sweep/quarantine.ts";
import { sweep } from "../../../src/sweep/sweep.ts";
import { MemoryStore, passTick, REFUSED } from "../../support/memory-store.ts";
import { entryAt, openContext } from "../../support/transfer-context.ts";

const PLACE = ".s3oa-quarantine";

/** A watched directory with a file that S3 refuses, and one that goes if it is there. */
async function makePlace() {
  const directory = await mkdtempDisposable(join(tmpdir(), "s3oa-quarantine-"));
  const root = directory.path;
  await writeFile(join(root, "bad"), "content");
  const store = new MemoryStore();
  store.reply = ({ key }) => (key === "bad" ? REFUSED : "store");
  const context = await openContext(root, store);
  const nothing = () => undefined;
  const observer = {
    onDecided: nothing,
    onOutcome: nothing,
    onUnreadable: nothing,
    onNotice: nothing,
  };
  return {
    root,
    context,
    addGood: () => writeFile(join(root, "good"), "content"),
    textOf: (name: string) => readFile(join(root, name), "utf8").catch(() => undefined),
    sweep: () =>
      sweep({
        ...context,
        concurrency: 1,
        quarantineAfter: 1,
        observer,
        isDryRun: false,
        stop: new AbortController().signal,
      }),
    async [Symbol.asyncDispose]() {
      await context[Symbol.asyncDispose]();
      await directory.remove();
    },
  };
}

describe("the quarantine", () => {
  it("takes a file that fails while others go", async () => {
    await using place = await makePlace();
    await place.addGood();
    await place.sweep();
    expect(await place.textOf("bad")).to.equal(undefined);
    expect(await place.textOf(`${PLACE}/bad`)).to.equal("content");
  });

  it("takes none while nothing else goes", async () => {
    await using place = await makePlace();
    for (let sweeps = 0; sweeps < 3; sweeps += 1) await place.sweep();
    expect(await place.textOf("bad")).to.equal("content");
  });

  it("replaces nothing that is there, nor does what comes out of it", async () => {
    await using place = await makePlace();
    const { directories } = place.context;
    const entry = await entryAt(place.root, "bad");
    const set = await quarantine(entry, directories);
    await writeFile(join(place.root, "bad"), "another");
    const other = await entryAt(place.root, "bad");
    expect(await quarantine(other, directories)).to.equal(undefined);
    expect(set && (await releaseFromQuarantine(set, directories))).to.equal(false);
    expect(await place.textOf("bad")).to.equal("another");
    expect(await place.textOf(`${PLACE}/bad`)).to.equal("content");
  });

  it("takes no file that has changed since it failed", async () => {
    await using place = await makePlace();
    const entry = await entryAt(place.root, "bad");
    await appendFile(join(place.root, "bad"), ", mended");
    expect(await quarantine(entry, place.context.directories)).to.equal(undefined);
    expect(await place.textOf("bad")).to.equal("content, mended");
  });

  it("gives back a file that was mended there", async () => {
    await using place = await makePlace();
    await place.addGood();
    await place.sweep();
    await place.sweep();
    expect(await place.textOf("bad")).to.equal(undefined);
    const file = join(place.root, PLACE, "bad");
    await passTick(file, join(place.root, "probe"));
    await appendFile(file, ", mended");
    await place.sweep();
    expect(await place.textOf("bad")).to.equal("content, mended");
  });
});

describe("a file that fails again and again", () => {
  it("is tried in the next sweep, then after a pause that doubles up to six hours", async () => {
    await using place = await makePlace();
    const { attempts } = place.context;
    const entry = await entryAt(place.root, "bad");
    const failure = { reason: "InvalidRequest", message: "No" };
    const pauses = Array.from({ length: 12 }, () => {
      const { dueAt } = attempts.failed("r", entry, failure, { now: 1_000, random: () => 0.5 });
      return (dueAt - 1_000) / 45_000;
    });
    expect(pauses).to.deep.equal([0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360]);
  });
});
