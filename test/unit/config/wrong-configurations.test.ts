import { expect } from "chai";
import { refusalText } from "../../../src/config/config.ts";
import { settle } from "../../support/manual-clock.ts";
import { goodConfig, HOST, PATHS, parameterSet, problemsOf } from "../../support/parameter-sets.ts";
import { begin } from "../../support/refresher-at-work.ts";
import {
  WRONG_CONFIGURATIONS,
  WRONG_VALUES,
  type WrongConfiguration,
} from "../../support/wrong-configurations.ts";

const REFUSAL_CHARACTERS_MAX = 16_384;
const REASON_CHARACTERS_MAX = 1_024;

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

/** Lets the host read it while a good one is in effect. */
async function expectNoChange({ written, guards }: WrongConfiguration): Promise<void> {
  const effective = goodConfig({ fleet: { bucket: "before", concurrency: "3" } });
  const before = structuredClone(effective);
  const host = begin({ host: { ...HOST, ...guards } });
  await host.refresher.applied(effective, undefined);
  const { fleet, host: own } = parameterSet(written);
  for (const { name, value, type } of [...fleet, ...own]) host.store.put(name, value, type);
  host.refresher.refreshNow();
  while (host.told.length === 0 && host.applied.length === 0) await settle();
  await host.stop();
  expect(host.told.map(({ event }) => event)).to.deep.equal(["config.refused"]);
  expect(host.applied).to.deep.equal([]);
  expect(host.kept).to.deep.equal([]);
  expect(host.refresher.effective).to.equal(effective);
  expect(effective).to.deep.equal(before);
  expect(host.refresher.report).to.include({ effectiveHash: before.hash });
  expect(host.refresher.report.desiredHash).to.match(/^[0-9a-f]{12}$/);
}
