import { mkdir, writeFile } from "node:fs/promises";
import { expect } from "chai";
import type { Marks } from "../../../src/lib/progress.ts";
import { SweepProgress } from "../../../src/sweep/sweep-progress.ts";
import { makePlace } from "../../support/sweep-place.ts";

/** Counts marks by what they say. */
function counter() {
  const marks = new Map<string, number>();
  const mark = (step: string) => void marks.set(step, (marks.get(step) ?? 0) + 1);
  const counting: Marks = {
    mark,
    waitFor: (what) => what.finally(() => mark("wait")),
    allow: (_quietMs, what) => what.finally(() => mark("answer")),
  };
  return { of: (step: string) => marks.get(step) ?? 0, progress: new SweepProgress(counting) };
}

const MEBIBYTE = 2 ** 20;

describe("the progress of a sweep", () => {
  it("is marked by every name that the scan comes upon, in empty directories too", async () => {
    await using place = await makePlace(3);
    for (let n = 0; n < 20; n += 1) await mkdir(`${place.root}/d${n}/e`, { recursive: true });
    const { of, progress } = counter();
    await place.run({ progress });
    expect(of("scan")).to.equal(3 + 2 * 20);
  });

  it("is marked while a file is read, whatever for", async () => {
    await using place = await makePlace(0);
    await writeFile(`${place.root}/small`, Buffer.alloc(3 * MEBIBYTE));
    await writeFile(`${place.root}/large`, Buffer.alloc(12 * MEBIBYTE));
    const first = counter();
    // It is uploaded, and stays.
    await place.run({ progress: first.progress, isLeaseProof: false });
    expect(first.of("read")).to.be.at.least(2 * (3 + 12));
  });

  it("is marked by each file that has come to its end, and by each wait for a place", async () => {
    await using place = await makePlace(10);
    const { of, progress } = counter();
    await place.run({ progress });
    expect([of("file"), of("wait")]).to.deep.equal([10, 10]);
  });

  it("tells how many files are under way and done", async () => {
    await using place = await makePlace(10);
    const { progress } = counter();
    const seen: number[] = [];
    place.store.onPut = async () => void seen.push(progress.filesInFlight);
    await place.run({ progress, concurrency: 4 });
    expect(Math.max(...seen)).to.be.at.least(4);
    expect(Math.min(...seen)).to.be.at.least(1);
    expect([progress.filesInFlight, progress.filesDone]).to.deep.equal([0, 10]);
  });
});
