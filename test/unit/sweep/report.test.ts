import { expect } from "chai";
import { exitCodeOf, type SweepReport, Tally } from "../../../src/sweep/report.ts";

const EMPTY = new Tally(() => 0).report({
  startedAt: 0,
  endedAt: 0,
  durationMs: 0,
  isInterrupted: false,
});

describe("exitCodeOf", () => {
  const table: readonly (readonly [string, Partial<SweepReport>, number])[] = [
    ["nothing to do", {}, 0],
    ["all removed", { filesRemoved: 3 }, 0],
    ["kept, waiting and ignored ones", { filesKept: 1, filesWaiting: 1, filesIgnored: 1 }, 0],
    ["interrupted", { isInterrupted: true }, 0],
    ["a file failed", { filesFailed: 1 }, 1],
    ["a file failed, others went", { filesFailed: 1, filesRemoved: 9 }, 1],
    ["the service failed for all", { filesFailed: 2, filesFailedByService: 2 }, 3],
    [
      "the service failed for some, others went",
      { filesFailed: 2, filesFailedByService: 2, filesRemoved: 1 },
      1,
    ],
    ["a file and the service failed", { filesFailed: 3, filesFailedByService: 2 }, 1],
    ["a directory is unreadable", { directoriesUnreadable: 1 }, 1],
    [
      "a directory, and the service",
      { directoriesUnreadable: 1, filesFailed: 1, filesFailedByService: 1 },
      1,
    ],
  ];
  for (const [name, changes, code] of table) {
    it(`${name}: ${code}`, () => expect(exitCodeOf({ ...EMPTY, ...changes })).to.equal(code));
  }
});

describe("Tally", () => {
  it("tells the age of the oldest of the backlog, and never a negative one", () => {
    const tally = new Tally(() => 0);
    tally.addToBacklog(5n, 10_000);
    tally.addToBacklog(7n, 4_000);
    const times = { startedAt: 0, durationMs: 1.6, isInterrupted: false };
    expect(tally.report({ ...times, endedAt: 10_400 })).to.include({
      backlogFiles: 2,
      backlogBytes: 12,
      oldestSettledAgeSeconds: 6,
      durationMs: 2,
    });
    expect(tally.report({ ...times, endedAt: 1_000 }).oldestSettledAgeSeconds).to.equal(0);
    expect(EMPTY.oldestSettledAgeSeconds).to.equal(0);
  });
});
