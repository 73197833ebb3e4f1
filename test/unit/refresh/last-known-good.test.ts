import { appendFile, mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { LastKnownGoodFile } from "../../../src/refresh/last-known-good.ts";
import type { LastKnownGood } from "../../../src/refresh/refresher.ts";

const OWNER = { fleet: "/root/fleets/web", host: "/root/hosts/h1", region: "eu-west-1" };

const GOOD: LastKnownGood = {
  set: {
    fleet: [
      {
        name: `${OWNER.fleet}/bucket`,
        type: "String",
        value: "data",
        version: 3,
        lastModifiedAt: 5,
      },
      {
        name: `${OWNER.fleet}/include`,
        type: "StringList",
        value: "a,b",
        version: 1,
        lastModifiedAt: 6,
      },
    ],
    host: [
      {
        name: `${OWNER.host}/prefix`,
        type: "String",
        value: "ü\n{host}/",
        version: 2,
        lastModifiedAt: 7,
      },
    ],
  },
  readAt: 42,
  memory: { isSeen: true, fleetVersion: 9, hostVersion: undefined, absences: 1, fullReadAt: 41 },
};

async function place() {
  const folder = await mkdtempDisposable(join(tmpdir(), "last-known-good-"));
  const path = join(folder.path, "config");
  return { folder, path, [Symbol.asyncDispose]: () => folder.remove() };
}

async function keep(directory: string, good: LastKnownGood): Promise<void> {
  const file = new LastKnownGoodFile(directory, OWNER);
  await file.load();
  await file.keep(good);
  await file.close();
}

async function load(directory: string, owner = OWNER) {
  const file = new LastKnownGoodFile(directory, owner);
  const found = await file.load();
  await file.close();
  return found;
}

describe("the last good configuration", () => {
  it("is there after a restart as it was kept, and the later one in place of the earlier", async () => {
    await using at = await place();
    await keep(at.folder.path, { ...GOOD, set: { fleet: [], host: [] } });
    await keep(at.folder.path, GOOD);
    expect(await load(at.folder.path)).to.deep.equal(GOOD);
    expect(await new LastKnownGoodFile(at.folder.path, OWNER).peek()).to.deep.equal(GOOD);
  });

  it("is nobody else's: not of another fleet, host or region", async () => {
    await using at = await place();
    await keep(at.folder.path, GOOD);
    for (const other of [
      { ...OWNER, fleet: "/root/fleets/other" },
      { ...OWNER, host: "/root/hosts/h2" },
      { ...OWNER, region: "us-east-1" },
    ]) {
      expect(await load(at.folder.path, other)).to.equal(undefined);
    }
  });

  it("is whole or nothing, wherever the file ends and whichever byte is wrong", async () => {
    await using at = await place();
    await keep(at.folder.path, GOOD);
    const whole = await readFile(at.path);
    const peek = () => new LastKnownGoodFile(at.folder.path, OWNER).peek();
    for (let end = 0; end < whole.length; end += 1) {
      await writeFile(at.path, whole.subarray(0, end));
      expect(await peek(), `cut at ${end}`).to.equal(undefined);
    }
    for (let index = 0; index < whole.length; index += 1) {
      const spoiled = Buffer.from(whole);
      spoiled[index] = (spoiled[index] ?? 0) ^ 0x04;
      await writeFile(at.path, spoiled);
      expect(await peek(), `byte ${index}`).to.equal(undefined);
    }
  });

  it("of garbage is none, and the next one is kept all the same", async () => {
    await using at = await place();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (garbage) => {
        await writeFile(at.path, garbage);
        expect(await load(at.folder.path)).to.equal(undefined);
        await keep(at.folder.path, GOOD);
        expect(await load(at.folder.path)).to.deep.equal(GOOD);
      }),
      { numRuns: 30 },
    );
  });

  it("is not made of what somebody else added to the file", async () => {
    await using at = await place();
    await keep(at.folder.path, GOOD);
    await appendFile(at.path, '{"of":"fleet","parameter":{}}\n');
    const found = await load(at.folder.path);
    if (found !== undefined) expect(found).to.deep.equal(GOOD);
  });

  it("that cannot be kept is told of, and no more than that", async () => {
    const file = new LastKnownGoodFile("/proc/nowhere", OWNER);
    await file.keep(GOOD);
    expect(file.problem).to.include("/proc/nowhere/config");
  });
});
