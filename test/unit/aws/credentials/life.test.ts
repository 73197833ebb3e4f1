import { expect } from "chai";
import { type Life, type Stage, stageOf } from "../../../../src/aws/credentials/life.ts";

const MINUTE_MS = 60_000;

const untilMinute = (minutes: number): Life => ({
  kind: "until",
  readAt: 0,
  expiresAt: minutes * MINUTE_MS,
});

type Row = readonly [minutes: number, stage: Stage];

/** How old in minutes, and what is due then. */
const TABLE: readonly (readonly [what: string, life: Life, stages: readonly Row[]])[] = [
  [
    "no end",
    { kind: "endless" },
    [
      [0, "fresh"],
      [1e9, "fresh"],
    ],
  ],
  [
    "an hour: refreshed five minutes before, waited for in the last one",
    untilMinute(60),
    [
      [0, "fresh"],
      [54.9, "fresh"],
      [55, "refresh"],
      [58.9, "refresh"],
      [59, "due"],
      [60, "over"],
    ],
  ],
  [
    "four minutes: not asked for again at once",
    untilMinute(4),
    [
      [0, "fresh"],
      [1.9, "fresh"],
      [2, "refresh"],
      [3, "due"],
      [4, "over"],
    ],
  ],
  ["past already", untilMinute(-1), [[0, "over"]]],
  [
    "unknown: read again every three minutes, forgiven for a quarter of an hour",
    { kind: "synthetic", readAt: 0 },
    [
      [0, "fresh"],
      [2.9, "fresh"],
      [3, "refresh"],
      [5, "due"],
      [14.9, "due"],
      [15, "over"],
    ],
  ],
];

describe("the life of credentials", () => {
  for (const [what, life, stages] of TABLE) {
    for (const [minutes, stage] of stages) {
      it(`${what}: ${stage} after ${minutes} minutes`, () => {
        const at = minutes * MINUTE_MS;
        expect(stageOf(life, { now: () => at, boottime: () => at })).to.equal(stage);
      });
    }
  }

  it("with an unknown end, does not depend on the wall clock", () => {
    const life: Life = { kind: "synthetic", readAt: 0 };
    expect(stageOf(life, { now: () => -1e12, boottime: () => 3 * MINUTE_MS })).to.equal("refresh");
    expect(stageOf(life, { now: () => 1e12, boottime: () => 1 })).to.equal("fresh");
  });
});
