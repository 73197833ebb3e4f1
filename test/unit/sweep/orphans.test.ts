import { chmod, mkdir, mkdtempDisposable, realpath, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { stillStands } from "../../../src/sweep/still-stands.ts";
import { sweep } from "../../../src/sweep/sweep.ts";
import type { UploadSubject } from "../../../src/sweep/upload-records.ts";
import { DESTINATION, MemoryStore, SLOW_DOWN } from "../../support/memory-store.ts";
import { openContext } from "../../support/transfer-context.ts";

/** A watched directory with one file in a folder, which is not uploaded now. */
async function makePlace() {
  const directory = await mkdtempDisposable(join(tmpdir(), "s3oa-orphans-"));
  const root = await realpath(directory.path);
  await mkdir(join(root, "d"));
  await writeFile(join(root, "d/a"), "content");
  const store = new MemoryStore();
  store.reply = ({ operation }) => (operation === "PutObject" ? SLOW_DOWN : "store");
  const context = await openContext(root, store);
  const { ino, size, mtimeNs } = await stat(join(root, "d/a"), { bigint: true });
  const subject: UploadSubject = {
    ...{ root: Buffer.from(root), path: Buffer.from("d/a"), inode: ino, bytes: size, mtimeNs },
    ...{ destination: DESTINATION, key: "d/a", partBytes: 10 },
  };
  const nothing = () => undefined;
  const observer = {
    ...{ onDecided: nothing, onOutcome: nothing },
    ...{ onUnreadable: nothing, onNotice: nothing },
  };
  return {
    root,
    context,
    subject,
    /** Begins an upload in parts, sweeps, and says how many uploads are still open. */
    async openAfterSweep(changes: Partial<UploadSubject>): Promise<number> {
      const { state } = await context.states.open({ ...subject, ...changes });
      await state.begin({ uploadId: store.uploads.create("d/a"), key: "d/a", sha256: undefined });
      await state.close();
      const stop = new AbortController().signal;
      const how = { concurrency: 1, quarantineAfter: 0, observer, isDryRun: false, stop };
      await sweep({ ...context, ...how });
      return store.uploads.open.size;
    },
    async [Symbol.asyncDispose]() {
      await context[Symbol.asyncDispose]();
      await directory.remove();
    },
  };
}

describe("an upload in parts, at the end of a sweep", () => {
  it("is ended if its file is gone or another one", async () => {
    await using place = await makePlace();
    expect(await place.openAfterSweep({ inode: place.subject.inode + 1n })).to.equal(0);
    expect(await place.openAfterSweep({ path: Buffer.from("d/gone") })).to.equal(0);
  });

  it("stays if its file stands as it was", async () => {
    await using place = await makePlace();
    expect(await place.openAfterSweep({})).to.equal(1);
  });

  it("stays if its file is in another watched directory", async () => {
    await using place = await makePlace();
    const elsewhere = { root: Buffer.from("/elsewhere"), path: Buffer.from("b") };
    expect(await place.openAfterSweep(elsewhere)).to.equal(1);
  });

  it("stays if its file cannot be looked at", async () => {
    await using place = await makePlace();
    await chmod(place.root, 0o755);
    await chmod(join(place.root, "d"), 0);
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) process.seteuid?.(65_534);
    try {
      expect(await stillStands(place.subject, place.context.directories)).to.equal(true);
    } finally {
      if (isRoot) process.seteuid?.(0);
      await chmod(join(place.root, "d"), 0o755);
    }
  });
});
