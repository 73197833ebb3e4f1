import { expect } from "chai";
import {
  type AlarmState,
  breaches,
  judge,
  type MissingData,
} from "../../../support/alarms/alarm-state.ts";

const TREATMENTS = ["missing", "ignore", "breaching", "notBreaching"] as const;
/** The state before, which `ignore` retains: told apart from all that could be found. */
const RETAINED = "RETAINED" as AlarmState;

/** `0`, `X` and `-` as in the tables of the page. */
function rangeOf(points: string): (boolean | undefined)[] {
  return [...points].map((point) => (point === "-" ? undefined : point === "X"));
}

/** The page's own tables (alarms-and-missing-data): N is 3, the range 5; columns as TREATMENTS. */
const TABLES: readonly [points: string, needed: number, ...states: string[]][] = [
  ["0-X-X", 3, "OK", "OK", "OK", "OK"],
  ["0----", 3, "OK", "OK", "OK", "OK"],
  ["-----", 3, "INSUFFICIENT_DATA", RETAINED, "ALARM", "OK"],
  ["0XX-X", 3, "ALARM", "ALARM", "ALARM", "ALARM"],
  ["--X--", 3, "ALARM", RETAINED, "ALARM", "OK"],
  ["0-X-X", 2, "ALARM", "ALARM", "ALARM", "ALARM"],
  ["00X0X", 2, "ALARM", "ALARM", "ALARM", "ALARM"],
  ["0-X--", 2, "OK", "OK", "ALARM", "OK"],
  ["----0", 2, "OK", "OK", "ALARM", "OK"],
  ["---X-", 2, "ALARM", RETAINED, "ALARM", "OK"],
];

/** What its text says besides: such alarms would be premature. */
const PREMATURE: typeof TABLES = [
  ["----X", 3, "INSUFFICIENT_DATA", RETAINED, "ALARM", "OK"],
  ["---X-", 3, "INSUFFICIENT_DATA", RETAINED, "ALARM", "OK"],
];

describe("the state of an alarm", () => {
  for (const [points, needed, ...states] of [...TABLES, ...PREMATURE]) {
    it(`after ${points} with ${needed} of 3 is as documented for all treatments of missing data`, () => {
      const found = TREATMENTS.map((treatMissingData: MissingData) =>
        judge({
          range: rangeOf(points),
          evaluationPeriods: 3,
          datapointsToAlarm: needed,
          treatMissingData,
          state: RETAINED,
        }),
      );
      expect(found).to.deep.equal(states);
    });
  }

  it("is told by each comparison as its name says, at the threshold too", () => {
    const told = (operator: string) => [1, 2, 3].map((value) => breaches(value, operator, 2));
    expect(told("GreaterThanThreshold")).to.deep.equal([false, false, true]);
    expect(told("GreaterThanOrEqualToThreshold")).to.deep.equal([false, true, true]);
    expect(told("LessThanThreshold")).to.deep.equal([true, false, false]);
    expect(told("LessThanOrEqualToThreshold")).to.deep.equal([true, true, false]);
    expect(breaches(undefined, "LessThanThreshold", 2)).to.equal(undefined);
    expect(() => breaches(1, "EqualsThreshold", 2)).to.throw("unknown comparison");
  });
});
