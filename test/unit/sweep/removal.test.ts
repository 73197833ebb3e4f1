import { constants, readdirSync, renameSync } from "node:fs";
import {
  link,
  lstat,
  mkdir,
  mkdtempDisposable,
  open,
  readdir,
  readFile,
  rename,
  stat,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { Lease } from "../../../src/lib/leases.ts";
import { fingerprintOf } from "../../../src/sweep/fingerprint.ts";
import { openFile } from "../../../src/sweep/open-file.ts";
import { ASIDE_MS, type Asides, removeFile } from "../../../src/sweep/removal.ts";
import type { TransferContext } from "../../../src/sweep/transfer.ts";
import { laterClock, MemoryStore, sha256Of } from "../../support/memory-store.ts";
import { entryAt, openContext, transferWhole } from "../../support/transfer-context.ts";

const CONTENT = "content";
const TIME = new Date("2026-01-01T00:00:00Z");

/** What strikes, and what is other than usual. */
interface Changes {
  readonly isOnLedger?: boolean;
  lease?(lease: Lease): Lease;
  /** Between the upload and the removal. */
  before?(): Promise<void>;
  /** Between the last look at the name and the rename. */
  randomName?(): Buffer;
  /** While the file stands aside. */
  meanwhile?(aside: string): Promise<void>;
}

async function makePlace(name = "a") {
  const base = await mkdtempDisposable(join(tmpdir(), "s3oa-removal-"));
  const [root, outside] = [join(base.path, "watched"), join(base.path, "outside")];
  for (const directory of [root, outside]) await mkdir(directory);
  const file = join(root, name);
  const stranger = join(outside, "stranger");
  await writeFile(file, CONTENT);
  await utimes(file, TIME, TIME);
  await writeFile(stranger, "stranger");
  const names = async () => (await readdir(root)).sort();
  return {
    root,
    outside,
    file,
    stranger,
    names,
    /** Removes the file as if it had been uploaded just now. */
    async remove(changes: Changes = {}) {
      const sleeps: number[] = [];
      const clock = {
        ...laterClock(),
        async sleep(ms: number, signal?: AbortSignal) {
          sleeps.push(ms);
          const aside = (await names()).find((one) => one.startsWith(".s3oa-")) ?? "";
          if (ms === ASIDE_MS) await changes.meanwhile?.(join(root, aside));
          signal?.throwIfAborted();
        },
      };
      await using context = await openContext(root, new MemoryStore(), { clock });
      const { randomName = context.asides.randomName } = changes;
      const asides: Asides = { ...context.asides, randomName };
      const entry = await entryAt(root, name);
      const opened = await openFile(entry, context, name);
      if ("kind" in opened || opened.lease === undefined) throw new Error("no lease is to be had");
      await using _ = opened;
      const lease = changes.lease?.(opened.lease) ?? opened.lease;
      await changes.before?.();
      const proof = {
        fingerprint: fingerprintOf(opened.stats),
        sha256: sha256Of(CONTENT),
        key: name,
        isOnLedger: changes.isOnLedger ?? true,
      };
      const outcome = await removeFile({ ...opened, lease }, proof, { ...context, asides });
      return { outcome, sleeps };
    },
    /** Uploads and removes it. */
    async transfer(onPut: () => Promise<void>, changes: Partial<TransferContext> = {}) {
      const store = new MemoryStore();
      store.onPut = onPut;
      await using context = await openContext(root, store, changes);
      return await transferWhole(await entryAt(root, name), context);
    },
    [Symbol.asyncDispose]: () => base.remove(),
  };
}

describe("the removal of a file", () => {
  it("holds the lease until it has no name", async () => {
    await using place = await makePlace();
    const left: string[][] = [];
    const { outcome } = await place.remove({
      lease: (lease) => ({
        ...lease,
        release() {
          left.push(readdirSync(place.root));
          lease.release();
        },
      }),
    });
    expect(outcome).to.deep.equal({ kind: "gone", wasOpenedLate: false });
    expect(left.flat()).to.deep.equal([]);
  });

  const moments = [
    { nth: 1, when: "before the rename", sleeps: [] },
    { nth: 2, when: "after the wait", sleeps: [ASIDE_MS] },
    { nth: 3, when: "right before the unlink", sleeps: [ASIDE_MS] },
  ];
  for (const { nth, when, sleeps } of moments) {
    it(`asks for the lease ${when}, and keeps the file if it is lost`, async () => {
      await using place = await makePlace();
      let asked = 0;
      const isHeld = () => {
        asked += 1;
        return asked !== nth;
      };
      const found = await place.remove({ lease: (lease) => ({ ...lease, isHeld }) });
      expect(found.outcome).to.include({ kind: "kept", reason: "busy" });
      expect(found.sleeps).to.deep.equal(sleeps);
      expect(await place.names()).to.deep.equal(["a"]);
    });
  }

  it("that stands aside: it has its name back when the writer goes on", async () => {
    await using place = await makePlace();
    let found: string[] = [];
    const { outcome } = await place.remove({
      async meanwhile(aside) {
        await using _ = await open(aside, constants.O_WRONLY);
        found = await place.names();
      },
    });
    expect(found).to.deep.equal(["a"]);
    expect(outcome).to.include({ kind: "kept", reason: "busy" });
  });

  const facts: Readonly<Record<string, (file: string, other: string) => Promise<void>>> = {
    "its time": (file) => utimes(file, TIME, new Date(TIME.getTime() + 1_000)),
    "another name": (file, other) => link(file, other),
  };
  for (const [fact, strike] of Object.entries(facts)) {
    it(`keeps it if a fact changed during the upload that no lease tells of: ${fact}`, async () => {
      await using place = await makePlace();
      const outcome = await place.transfer(() => strike(place.file, join(place.outside, "b")));
      expect(outcome).to.include({ kind: "kept", reason: "changed" });
      expect(await readFile(place.file, "utf8")).to.equal(CONTENT);
    });
  }

  it("keeps it if it was written to and its time set back, though no lease tells", async () => {
    await using place = await makePlace();
    const outcome = await place.transfer(
      async () => {
        await writeFile(place.file, "CONTENT");
        await utimes(place.file, TIME, TIME);
      },
      { leases: undefined },
    );
    expect(outcome).to.include({ kind: "kept", reason: "changed" });
    expect(await readFile(place.file, "utf8")).to.equal("CONTENT");
  });

  it("what has taken its name is not even renamed", async () => {
    await using place = await makePlace();
    let before = 0n;
    const { outcome } = await place.remove({
      async before() {
        await rename(place.stranger, place.file);
        before = (await stat(place.file, { bigint: true })).ctimeNs;
        // A later change would have another time.
        do await writeFile(place.stranger, "");
        while ((await stat(place.stranger, { bigint: true })).ctimeNs <= before);
      },
    });
    expect(outcome).to.include({ kind: "kept", reason: "changed" });
    expect((await lstat(place.file, { bigint: true })).ctimeNs).to.equal(before);
  });

  it("what takes its name at the last moment has it back at once", async () => {
    await using place = await makePlace();
    const { outcome, sleeps } = await place.remove({
      randomName() {
        renameSync(place.file, join(place.root, "b"));
        renameSync(place.stranger, place.file);
        return Buffer.alloc(8, 1);
      },
    });
    expect(outcome).to.include({ kind: "kept", reason: "changed" });
    expect(sleeps).to.deep.equal([]);
    expect(await readFile(place.file, "utf8")).to.equal("stranger");
    expect(await readFile(join(place.root, "b"), "utf8")).to.equal(CONTENT);
  });

  it("what takes the place of what stands aside is not removed", async () => {
    await using place = await makePlace();
    const { outcome } = await place.remove({
      async meanwhile(aside) {
        await rename(aside, join(place.root, "b"));
        await rename(place.stranger, aside);
      },
    });
    expect(outcome).to.include({ kind: "kept", reason: "changed" });
    expect(await place.names()).to.deep.equal(["a", "b"]);
    expect(await readFile(place.file, "utf8")).to.equal("stranger");
  });

  it("never replaces anything when it goes aside", async () => {
    await using place = await makePlace();
    const taken = join(place.root, ".s3oa-0101010101010101-a");
    await writeFile(taken, "taken");
    const { outcome } = await place.remove({ randomName: () => Buffer.alloc(8, 1) });
    expect(outcome).to.include({ kind: "failed", reason: "not-removable" });
    expect(await readFile(taken, "utf8")).to.equal("taken");
    expect(await readFile(place.file, "utf8")).to.equal(CONTENT);
  });

  it("never replaces anything when it is put back", async () => {
    await using place = await makePlace();
    const { outcome } = await place.remove({
      async meanwhile(aside) {
        await rename(place.stranger, place.file);
        await utimes(aside, TIME, new Date());
      },
    });
    expect(outcome).to.include({ kind: "kept", reason: "changed" });
    expect(await readFile(place.file, "utf8")).to.equal("stranger");
    const [aside = ""] = await place.names();
    expect(await readFile(join(place.root, aside), "utf8")).to.equal(CONTENT);
  });

  it("keeps a file whose name is too long for an aside and not in the ledger", async () => {
    const name = "n".repeat(250);
    await using place = await makePlace(name);
    const { outcome } = await place.remove({ isOnLedger: false });
    expect(outcome).to.include({ kind: "failed", reason: "ENOSPC" });
    expect(await place.names()).to.deep.equal([name]);
    expect((await place.remove()).outcome).to.include({ kind: "gone" });
  });
});
