import { mkdtempDisposable, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect } from "chai";
import { StateFile } from "../../../src/lib/state-file.ts";
import { LEDGER_FORMAT, Ledger, type Uploaded } from "../../../src/sweep/ledger.ts";
import { transfer } from "../../../src/sweep/transfer.ts";
import { DESTINATION, MemoryStore, sha256Of } from "../../support/memory-store.ts";
import { entryAt, openContext, transferWhole } from "../../support/transfer-context.ts";

const CONTENT = "content";

/** A disk on which everything takes its time. */
class SlowFile extends StateFile {
  static readonly written: unknown[] = [];
  override async append(record: { readonly path: unknown }): Promise<void> {
    for (let turn = 0; turn < 20; turn += 1) await nextTurn();
    SlowFile.written.push(record.path);
  }
}

/** A watched directory with one file, and a ledger. */
async function makePlace() {
  const base = await mkdtempDisposable(join(tmpdir(), "s3oa-ledger-"));
  const root = await mkdtempDisposable(join(tmpdir(), "s3oa-watched-"));
  const file = join(root.path, "a");
  await writeFile(file, CONTENT);
  const path = join(base.path, "ledger");
  const opened: StateFile[] = [];
  /** The ledger as an agent finds it that has just been started. */
  const open = async (): Promise<Ledger> => {
    for (const before of opened.splice(0)) await before.close();
    const state = new StateFile(path, LEDGER_FORMAT, () => undefined);
    opened.push(state);
    return Ledger.of(state, await state.load());
  };
  const { ino, size, mtimeNs } = await stat(file, { bigint: true });
  const uploaded: Uploaded = {
    ...{ root: root.path, path: Buffer.from("a"), inode: ino, bytes: size, mtimeNs },
    ...{ sha256: sha256Of(CONTENT), bucket: DESTINATION.bucket, key: "key of before" },
  };
  return {
    root: root.path,
    path,
    open,
    uploaded,
    /** Moves the file when the ledger says this of it. */
    async moveKnown(changes: Partial<Uploaded>) {
      const ledger = await open();
      await ledger.add({ ...uploaded, ...changes });
      const store = new MemoryStore();
      await using context = await openContext(root.path, store, { ledger });
      const outcome = await transferWhole(await entryAt(root.path, "a"), context);
      return { outcome, objects: [...store.objects.values()].map(String) };
    },
    async [Symbol.asyncDispose]() {
      for (const state of opened) await state.close();
      await root.remove();
      await base.remove();
    },
  };
}

describe("the ledger", () => {
  it("has a file on disk before the file goes", async () => {
    await using place = await makePlace();
    const ledger = Ledger.of(new SlowFile(place.path, LEDGER_FORMAT, () => undefined), []);
    await using context = await openContext(place.root, new MemoryStore(), { ledger });
    const result = await transfer(await entryAt(place.root, "a"), context);
    expect(SlowFile.written).to.deep.equal(["a"]);
    expect(result.kind === "uploaded" && (await result.remove()).kind).to.equal("removed");
  });

  it("knows a file after a restart, until it is dropped", async () => {
    await using place = await makePlace();
    const first = await place.open();
    await first.add(place.uploaded);
    const second = await place.open();
    expect(second.find(place.root, place.uploaded)).to.deep.equal(place.uploaded);
    second.drop(place.uploaded);
    expect((await place.open()).find(place.root, place.uploaded)).to.equal(undefined);
  });

  it("saves the upload of what is in the bucket already", async () => {
    await using place = await makePlace();
    const { outcome, objects } = await place.moveKnown({});
    expect(outcome).to.include({ kind: "removed", key: "key of before", wasStored: true });
    expect(objects).to.deep.equal([]);
  });

  const others: readonly [what: string, changes: Partial<Uploaded>][] = [
    ["only the same content is taken for proof", { sha256: sha256Of("another") }],
    ["what is in another bucket is no proof", { bucket: "another" }],
    ["what was uploaded under another name is no proof", { path: Buffer.from("b") }],
  ];
  for (const [what, changes] of others) {
    it(`is no reason to remove anything: ${what}`, async () => {
      await using place = await makePlace();
      const { outcome, objects } = await place.moveKnown(changes);
      expect(outcome).to.include({ kind: "removed", key: "a", wasStored: false });
      expect(objects).to.deep.equal([CONTENT]);
    });
  }
});
