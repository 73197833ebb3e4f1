import { expect } from "chai";
import { REFUSED } from "../../support/memory-store.ts";
import { makePlace } from "../../support/sweep-place.ts";
import { makeUnremovable } from "../../support/unremovable.ts";

const HOUR = 3_600_000;

describe("what a sweep tells of uploads and of files that stay", () => {
  it("how long each upload took until its proof, and nothing of files that were not uploaded", async () => {
    await using place = await makeUnremovable(3);
    let ms = 0;
    const clock = { ...place.clock, monotonic: () => (ms += 7) };
    const first = await place.run({ clock, concurrency: 1 });
    expect(first.uploadLatencyMs).to.have.length(3);
    for (const took of first.uploadLatencyMs) expect(took % 7, String(took)).to.equal(0);
    expect(Math.min(...first.uploadLatencyMs)).to.be.at.least(7);
    const again = await place.run({ clock });
    expect(again, "tried, but uploaded before").to.include({ filesFailed: 3 });
    expect(again.uploadLatencyMs).to.deep.equal([]);
  });

  it("of many uploads no more than a record takes", async () => {
    await using place = await makePlace(130);
    const report = await place.run({ concurrency: 16 });
    expect(report.filesRemoved).to.equal(130);
    expect(report.uploadLatencyMs).to.have.length(100);
  });

  it("of uploads that failed nothing", async () => {
    await using place = await makePlace(2);
    place.store.reply = () => REFUSED;
    expect((await place.run()).uploadLatencyMs).to.deep.equal([]);
  });

  it("a sweep that does not come to them still knows what cannot be removed, after a restart too", async () => {
    await using place = await makeUnremovable(3);
    expect(await place.run()).to.include({ filesUndeletable: 3 });
    await place.restart();
    place.pass(7 * HOUR);
    const stop = AbortSignal.abort(new Error("stop"));
    expect(await place.run({ stop })).to.include({ isInterrupted: true, filesUndeletable: 3 });
    await place.restart();
    expect(await place.run({ stop })).to.include({ filesUndeletable: 3 });
  });

  it("what is in quarantine counts in each sweep, what was set aside only in its own", async () => {
    await using place = await makePlace(2);
    place.store.reply = ({ key }) => (key.endsWith("f0") ? REFUSED : "store");
    expect(await place.run({ quarantineAfter: 1 })).to.include({
      filesRemoved: 1,
      filesFailed: 1,
      filesQuarantined: 1,
      filesInQuarantine: 1,
    });
    for (let sweeps = 0; sweeps < 2; sweeps += 1) {
      expect(await place.run()).to.include({ filesQuarantined: 0, filesInQuarantine: 1 });
      await place.restart();
    }
    const stop = AbortSignal.abort(new Error("stop"));
    expect(await place.run({ stop })).to.include({ filesQuarantined: 0, filesInQuarantine: 1 });
  });
});
