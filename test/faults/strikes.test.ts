import { expect } from "chai";
import { FaultReport, printReports } from "../support/fault-report.ts";
import { countStrikeSteps, runStrikes, type StrikeCase } from "../support/strike-cases.ts";

const TIMEOUT_MS = 600_000;

/** Before every step of the agent in the file's folder. */
const STEPS = ".";

const BLOWS: readonly Pick<StrikeCase, "kind" | "via">[] = [
  { kind: "append", via: "path" },
  { kind: "append", via: "descriptor" },
  { kind: "append-restore-mtime", via: "descriptor" },
  { kind: "rewrite-in-place", via: "descriptor" },
  { kind: "mmap-write", via: "descriptor" },
  { kind: "truncate", via: "descriptor" },
  { kind: "delete", via: "path" },
  { kind: "delete-recreate", via: "path" },
  { kind: "replace-by-rename", via: "path" },
  { kind: "take-name", via: "path" },
  { kind: "hardlink", via: "descriptor" },
  { kind: "swap-for-symlink", via: "path" },
  { kind: "swap-directory-for-symlink", via: "path" },
  { kind: "rename-away", via: "descriptor" },
  { kind: "chmod-000", via: "descriptor" },
  { kind: "touch-old", via: "descriptor" },
];

describe("a hostile writer that strikes before the n-th step", function () {
  this.timeout(TIMEOUT_MS);
  const reports: FaultReport[] = [];
  let steps = 0;

  before(async () => {
    steps = await countStrikeSteps(STEPS);
    expect(steps).to.be.greaterThan(5);
  });
  after(() => printReports(reports));

  for (const { kind, via } of BLOWS) {
    it(`${kind} by ${via}: loses nothing, and takes nothing that is a stranger's`, async () => {
      const report = new FaultReport(`${kind} by ${via}`);
      reports.push(report);
      const cases = Array.from({ length: steps }, (_, index) => ({
        ...{ kind, via, op: STEPS },
        at: index + 1,
      }));
      const problems = await runStrikes(cases, report);
      expect(problems, problems.join("\n")).to.eql([]);
    });
  }

  const again = process.env["STRIKE_CASE"];
  if (again !== undefined) {
    it("does the case of STRIKE_CASE again", async () => {
      expect(await runStrikes([JSON.parse(again)], new FaultReport("again"))).to.eql([]);
    });
  }
});
