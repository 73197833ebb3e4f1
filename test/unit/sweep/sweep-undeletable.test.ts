import { execFileSync } from "node:child_process";
import { expect } from "chai";
import { makePlace } from "../../support/sweep-place.ts";
import { makeUnremovable, setUnremovable } from "../../support/unremovable.ts";

const HOUR = 3_600_000;

describe("sweep: files that cannot be removed", () => {
  it("are uploaded once over many sweeps and restarts, and removed when that is possible", async () => {
    await using place = await makeUnremovable(3);
    const report = await place.run();
    expect(report).to.include({ filesRemoved: 0, filesFailed: 3, filesUndeletable: 3 });
    expect(place.observer.count("failed not-removable")).to.equal(3);
    expect(place.store.requests).to.have.length(3);

    // The next sweep tries once more, and only then there is a pause.
    expect(await place.run()).to.include({ filesFailed: 3, filesDeferred: 0 });
    // Not due yet: they are told of, counted and not touched.
    const early = await place.run();
    expect(early).to.include({ filesFailed: 0, filesDeferred: 3, filesUndeletable: 3 });
    expect(early).to.include({ backlogFiles: 3 });
    const decision = place.observer.decisions.get("f0");
    expect(decision).to.include({ action: "defer", reason: "not-removable" });

    for (let sweeps = 0; sweeps < 6; sweeps += 1) {
      if (sweeps % 2 === 0) await place.restart();
      expect(await place.run()).to.include({ filesUndeletable: 3, filesQuarantined: 0 });
      place.pass(7 * HOUR);
      expect(await place.run()).to.include({ filesFailed: 3, filesUndeletable: 3 });
    }
    expect(place.store.requests).to.have.length(3);
    expect((await place.left()).toSorted()).to.deep.equal(["f0", "f1", "f2"]);

    await setUnremovable(place.root, false);
    await place.restart();
    place.pass(7 * HOUR);
    expect(await place.run()).to.include({ filesRemoved: 3, filesUndeletable: 0 });
    expect(place.store.requests).to.have.length(3);
    expect(place.observer.outcomes.get("f0")).to.include({
      kind: "removed",
      attempts: 0,
      wasStored: true,
      key: "f0",
    });
    expect(await place.left()).to.deep.equal([]);
    expect([...place.context().attempts.list()]).to.deep.equal([]);
    expect(place.context().ledger.size).to.equal(0);
  });

  it("do not keep others from being removed, nor do they count as bad ones", async () => {
    await using place = await makePlace(3);
    execFileSync("mkdir", [`${place.root}/d`]);
    execFileSync("mv", [`${place.root}/f0`, `${place.root}/d/f0`]);
    await setUnremovable(`${place.root}/d`, true);
    try {
      expect(await place.run()).to.include({ filesRemoved: 2, filesUndeletable: 1 });
      for (let sweeps = 0; sweeps < 5; sweeps += 1) {
        place.pass(7 * HOUR);
        execFileSync("sh", ["-c", `echo ${sweeps} > ${place.root}/good`]);
        expect(await place.run()).to.include({ filesRemoved: 1, filesQuarantined: 0 });
      }
    } finally {
      await setUnremovable(`${place.root}/d`, false);
    }
  });

  it("written to meanwhile: the new bytes are uploaded under another key, the old ones stay", async () => {
    await using place = await makeUnremovable(1);
    await place.run();
    // Nothing can be made in the directory, but the file can be written to.
    execFileSync("sh", ["-c", `echo more >> ${place.root}/f0`]);
    place.pass(7 * HOUR);
    await place.run();
    expect(place.store.objects.size).to.equal(2);
    expect(place.store.objects.get("f0")?.toString()).to.equal("content of f0");
    const other = [...place.store.objects].find(([key]) => key !== "f0");
    expect(other?.[0]).to.match(/^f0\.sha256-[0-9a-f]{32}$/);
    expect(other?.[1].toString()).to.equal("content of f0more\n");
  });

  it("another bucket has not seen them: they are uploaded there as well", async () => {
    await using place = await makeUnremovable(1);
    await place.run();
    place.pass(7 * HOUR);
    const destination = { ...place.context().destination, bucket: "other" };
    await place.run({ destination });
    expect(place.store.requests.map(({ destination: { bucket } }) => bucket)).to.deep.equal([
      "b",
      "other",
      // The store of this test has one set of keys for all buckets.
      "other",
    ]);
  });
});
