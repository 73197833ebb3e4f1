import { closeSync, constants, openSync } from "node:fs";
import { mkdtempDisposable, open, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { type Lease, LeaseKeeper } from "../../../src/lib/leases.ts";

/** Comes as a writer who does not wait. @returns the code of the error, if he is told to */
function knock(path: string): string | undefined {
  try {
    closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK));
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

/** A file with a lease on it. */
async function makePlace() {
  const directory = await mkdtempDisposable(join(tmpdir(), "s3oa-leases-"));
  const path = join(directory.path, "a");
  await writeFile(path, "");
  const file = await open(path, constants.O_RDONLY);
  const keeper = new LeaseKeeper();
  const wish = keeper.take(file.fd);
  if (wish.kind !== "held") throw new Error(`no lease is to be had in ${tmpdir()}`);
  const lease: Lease = wish.lease;
  return {
    path,
    fd: file.fd,
    keeper,
    lease,
    async [Symbol.asyncDispose]() {
      keeper[Symbol.dispose]();
      await file.close();
      await directory.remove();
    },
  };
}

describe("a lease", () => {
  it("is held until somebody opens the file for writing, who then goes on", async () => {
    await using place = await makePlace();
    expect(place.lease.isHeld()).to.equal(true);
    await using _ = await open(place.path, "r+");
    expect(place.lease.isHeld()).to.equal(false);
    expect(place.lease.broken.aborted).to.equal(true);
    expect(place.keeper.size).to.equal(0);
  });

  it("is not to be had while somebody has the file open for writing", async () => {
    await using place = await makePlace();
    place.lease.release();
    await using _ = await open(place.path, "r+");
    await using reader = await open(place.path, "r");
    expect(place.keeper.take(reader.fd)).to.deep.equal({ kind: "busy" });
  });

  it("does what must be done before the writer goes on", async () => {
    await using place = await makePlace();
    let told: string | undefined = "nothing";
    place.lease.setBeforeWriter(() => {
      told = knock(place.path);
    });
    await using _ = await open(place.path, "r+");
    expect(told).to.equal("EAGAIN");
  });

  it("lets the writer go on whatever its action does", async () => {
    await using place = await makePlace();
    place.lease.setBeforeWriter(() => {
      throw new Error("cannot be done");
    });
    expect(knock(place.path)).to.equal("EAGAIN");
    process.emit("SIGIO", "SIGIO");
    expect(knock(place.path)).to.equal(undefined);
  });

  it("is known to be broken before its signal has come", async () => {
    await using place = await makePlace();
    expect(knock(place.path)).to.equal("EAGAIN");
    expect(place.lease.broken.aborted).to.equal(false);
    expect(place.lease.isHeld()).to.equal(false);
  });

  it("that was given up is nobody's, though its descriptor has another one", async () => {
    await using place = await makePlace();
    place.lease.release();
    const wish = place.keeper.take(place.fd);
    place.lease.release();
    expect(place.lease.isHeld()).to.equal(false);
    expect(wish.kind === "held" && wish.lease.isHeld()).to.equal(true);
  });
});
