import { expect } from "chai";
import { type Config, refusalText } from "../../../src/config/config.ts";
import { Refresher } from "../../../src/refresh/refresher.ts";
import { ManualClock, settle } from "../../support/manual-clock.ts";
import {
  goodConfig,
  HOST,
  PATHS,
  parameterSet,
  problemsOf,
  resolveWritten,
} from "../../support/parameter-sets.ts";
import {
  WRONG_CONFIGURATIONS,
  WRONG_VALUES,
  type WrongConfiguration,
} from "../../support/wrong-configurations.ts";

const REFUSAL_CHARACTERS_MAX = 16_384;
const REASON_CHARACTERS_MAX = 1_024;

/** Lets a refresher with a good configuration in effect read a set, and tells what came of it. */
async function readBeside(effective: Config, { written, guards }: WrongConfiguration) {
  const told: { readonly event: string; readonly [field: string]: unknown }[] = [];
  let isTouched = false;
  const touch = () => {
    isTouched = true;
  };
  const stop = new AbortController();
  const set = parameterSet(written);
  const page = (parameters: typeof set.fleet) => ({
    parameters,
    nextToken: undefined,
    answeredAt: 0,
  });
  const refresher = new Refresher({
    source: {
      readPage: async (path) => page(path === PATHS.fleet ? set.fleet : set.host),
      readNames: async () => page([]),
    },
    host: { ...HOST, ...guards },
    logger: {
      log: (event, fields = {}) => told.push({ event, ...fields }),
      setLevel: touch,
      setFileEvents: touch,
    },
    clock: new ManualClock(),
    random: () => 0.5,
    lastKnownGood: undefined,
    keep: async () => touch(),
    onDesired: touch,
  });
  await refresher.applied(effective, undefined);
  refresher.refreshNow();
  const running = refresher.run(stop.signal);
  await settle();
  stop.abort();
  await running;
  return { refresher, told, isTouched };
}

describe("a wrong configuration", () => {
  it("has a table of well over a hundred different values", () => {
    expect(new Set(WRONG_VALUES.map((row) => row.join("\n"))).size).to.equal(WRONG_VALUES.length);
    expect(WRONG_VALUES.length).to.be.greaterThan(150);
  });

  for (const [about, rows] of Map.groupBy(WRONG_CONFIGURATIONS, (row) => row.about)) {
    it(`is refused by name, and changes nothing: ${about}`, async () => {
      for (const row of rows) {
        expectRefusal(row);
        await expectNoChange(row);
      }
    });
  }
});

function expectRefusal({ written, guards, names, says }: WrongConfiguration): void {
  const [layer = "", ...leaf] = names.split("/");
  const parameter = [PATHS[layer as keyof typeof PATHS], ...leaf].join("/");
  const problems = problemsOf(written, guards);
  const { reason } = problems.find((one) => one.parameter === parameter) ?? {};
  expect(reason, `of ${parameter}`).to.include(says);
  for (const problem of problems) {
    expect(problem.reason.length).to.be.lessThan(REASON_CHARACTERS_MAX);
    expect(problem.reason).not.to.match(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
    expect(problem.parameter).to.match(/^\/root\/(fleets\/web|hosts\/h1)(\/.|$)/);
  }
  expect(refusalText(problems).length).to.be.lessThan(REFUSAL_CHARACTERS_MAX);
}

async function expectNoChange(row: WrongConfiguration): Promise<void> {
  const effective = goodConfig({ fleet: { bucket: "before", concurrency: "3" } });
  const before = structuredClone(effective);
  const { refresher, told, isTouched } = await readBeside(effective, row);
  expect(refresher.effective).to.equal(effective);
  expect(effective).to.deep.equal(before);
  expect(refresher.desired).to.equal(undefined);
  expect(isTouched).to.equal(false);
  expect(told.map(({ event }) => event)).to.deep.equal(["config.refused"]);
  expect(refresher.report.desiredHash).to.equal(resolveWritten(row.written, row.guards).hash);
  expect(refresher.report.effectiveHash).to.equal(before.hash);
}
