import { constants } from "node:fs";
import { chmod, mkdtempDisposable, open, readdir, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { ASIDE_MS } from "../../../src/sweep/removal.ts";
import type { TransferContext } from "../../../src/sweep/transfer.ts";
import { laterClock, MemoryStore, passTick } from "../../support/memory-store.ts";
import { entryAt, openContext, transferWhole } from "../../support/transfer-context.ts";

const TIME = new Date("2026-01-01T00:00:00Z");

/** Moves a file; `strike` happens while it stands aside. */
async function moveWhile(
  strike: (aside: string) => Promise<void>,
  changes: Partial<TransferContext> = {},
) {
  await using directory = await mkdtempDisposable(join(tmpdir(), "s3oa-aside-"));
  await using probes = await mkdtempDisposable(join(tmpdir(), "s3oa-probe-"));
  const root = directory.path;
  await writeFile(join(root, "a"), "content");
  await utimes(join(root, "a"), TIME, TIME);
  const clock = {
    ...laterClock(),
    async sleep(ms: number) {
      if (ms !== ASIDE_MS) return;
      const [aside = ""] = await readdir(root);
      await passTick(join(root, aside), join(probes.path, "probe"));
      await strike(join(root, aside));
    },
  };
  await using context = await openContext(root, new MemoryStore(), { clock, ...changes });
  const outcome = await transferWhole(await entryAt(root, "a"), context);
  return { outcome, names: await readdir(root) };
}

describe("a file that stands aside", () => {
  it("goes, if nobody touches it", async () => {
    const { outcome, names } = await moveWhile(async () => undefined);
    expect(outcome).to.include({ kind: "removed" });
    expect(names).to.deep.equal([]);
  });

  it("stays, if anything was done to it: a lease does not tell of that", async () => {
    const { outcome, names } = await moveWhile((aside) => chmod(aside, 0o600));
    expect(outcome).to.include({ kind: "kept", reason: "changed" });
    expect(names).to.deep.equal(["a"]);
  });

  // The bytes could have been written where the second reading had passed already.
  it("stays, if it was written to and its time set back, though there is no lease to tell", async () => {
    const { outcome, names } = await moveWhile(
      async (aside) => {
        await writeFile(aside, "content");
        await utimes(aside, TIME, TIME);
      },
      { leases: undefined },
    );
    expect(outcome).to.include({ kind: "kept", reason: "changed" });
    expect(names).to.deep.equal(["a"]);
  });

  it("where a lease is a hint only: heeded, and the bytes are looked at as well", async () => {
    const weak: string[] = [];
    const hint = { isLeaseProof: false, onWeak: (weakness: string) => weak.push(weakness) };
    const quiet = await moveWhile(async () => undefined, hint);
    expect(quiet.outcome).to.include({ kind: "removed" });
    expect(weak).to.deep.equal(["a filesystem"]);

    const { outcome, names } = await moveWhile(async (aside) => {
      await using _ = await open(aside, constants.O_WRONLY);
    }, hint);
    expect(outcome).to.include({ kind: "kept", reason: "busy" });
    expect(names).to.deep.equal(["a"]);
  });
});
