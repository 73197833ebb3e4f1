import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { checkRecord } from "../../../tools/records/record-rules.ts";
import { AlarmEvaluator, type AlarmHistory } from "../../support/alarms/alarm-evaluator.ts";
import { FAULT_CASES, type FaultCase } from "../../support/alarms/faults.ts";
import { FLEET, ObservedFleet } from "../../support/observed-daemon.ts";

const TEMPLATE = new URL("../../../infra/fleet.yaml", import.meta.url);

/** So long the hosts work before anything is wrong: the longest look back of a rate of 10 minutes. */
const PEACE_MINUTES = 40;
/** Before that an alarm of a new stack has seen nothing, and says so. */
const FIRST_MINUTES = 20;

/** Files of a simulation seem older than they are, by as much as its clock is ahead. */
const PARAMETERS = {
  Fleet: FLEET,
  Bucket: "a-bucket",
  KeyPrefix: "",
  OldestFileSecondsMax: "86400",
};

describe("the fleet's alarms", () => {
  let template: string;
  before(async () => {
    template = await readFile(TEMPLATE, "utf8");
  });

  for (const one of FAULT_CASES) {
    it(`${one.alarm} fires when ${one.fault}, and is over when that is mended`, async () => {
      const { history, problems, brokenAt, mendedAt, endAt } = await play(one, template);
      const { alarm, also = [], names } = one;
      expect(problems, "of records").to.deep.equal([]);
      expect(history.stateAt(alarm, brokenAt), "in peace").to.equal("OK");
      expect(history.stateAt("FleetHealth", brokenAt), "in peace").to.equal("OK");

      const isTold = ({ alarm: id, state, at }: AlarmHistory["changes"][number]) =>
        id === alarm && state === "ALARM" && at > brokenAt;
      const told = history.changes.find(isTold);
      if (told === undefined) expect.fail(`silent; but ${history.fired.join(", ")} fired`);
      expect(told.at, "fired").to.be.at.most(one.isToldWhenMended === true ? endAt : mendedAt);
      expect(history.stateAt("FleetHealth", told.at)).to.equal("ALARM");
      expect([alarm, "FleetHealth", ...also]).to.include.members([...history.fired]);
      if (names !== undefined) {
        const named = history.changes.flatMap(({ contributors }) => contributors);
        expect(new Set(named)).to.deep.equal(new Set(names));
      }

      expect(history.stateAt(alarm, endAt), "mended").to.equal("OK");
      expect(history.stateAt("FleetHealth", endAt), "mended").to.equal("OK");
    });
  }
});

async function play(one: FaultCase, template: string) {
  await using fleet = await ObservedFleet.make({ isShipped: one.isShipped ?? false });
  if (one.parameters?.["ExpectedHosts"] !== undefined) fleet.set("expected-hosts", "3");
  const startAt = fleet.time.now();
  const [a, b, c] = await fleet.addHosts("a", "b", "c");
  if (a === undefined || b === undefined || c === undefined) throw new Error("three hosts");
  // Each has had something to sign.
  await Promise.all([a, b, c].map((host) => host.write("first")));
  await fleet.pass(PEACE_MINUTES);
  const brokenAt = fleet.time.now();
  const mend = await one.breakIt(fleet, { a, b, c });
  await fleet.pass(one.minutes[0]);
  const mendedAt = fleet.time.now();
  await mend();
  await fleet.pass(one.minutes[1]);
  const endAt = fleet.time.now();
  const alarms = AlarmEvaluator.of(template, { ...PARAMETERS, ...one.parameters });
  const from = startAt + FIRST_MINUTES * 60_000;
  const history = alarms.play(fleet.logs.records, { from, to: endAt });
  const problems = fleet.logs.records.flatMap(({ message }) => checkRecord(message));
  return { history, problems, brokenAt, mendedAt, endAt };
}
