import { expect } from "chai";
import { makeHostWithFakeS3, produceSome, runCases } from "../support/fault-cases.ts";
import type { HostPlan } from "../support/fault-host.ts";
import { FaultReport, printReports } from "../support/fault-report.ts";

/** Some hundred sweeps of 0.3 s each, two at a time. */
const TIMEOUT_MS = 600_000;

/** Steps that change something; full disks and read-only ones refuse them. */
const CHANGES =
  "^(write|writev|writeFile|appendFile|truncate|datasync|sync|mkdir|rename|unlink|rmdir|link|kernel:(renameat2|linkat|unlinkat|fdatasync|fsync))$";

const FAMILIES: readonly { readonly what: string; readonly plan: HostPlan }[] = [
  // The kill before the next step is the same, but for the first.
  { what: "killed after", plan: { action: "kill-after" } },
  // Between two changes a power cut takes back the same.
  { what: "power cut before", plan: { action: "kill-before", powerLoss: "kept", op: CHANGES } },
  {
    what: "power cut, names lost, after",
    plan: { action: "kill-after", powerLoss: "lost", op: CHANGES },
  },
  { what: "EIO at", plan: { action: "error", errno: "EIO" } },
  { what: "ENOSPC at", plan: { action: "error", errno: "ENOSPC", op: CHANGES } },
  { what: "ENOSPC from", plan: { action: "error", errno: "ENOSPC", op: CHANGES, every: true } },
  { what: "EROFS from", plan: { action: "error", errno: "EROFS", op: CHANGES, every: true } },
  {
    what: "EACCES at",
    plan: {
      action: "error",
      errno: "EACCES",
      op: "^(access|open|opendir|readdir|lstat|mkdir|rename|unlink|kernel:renameat2)$",
    },
  },
  { what: "EMFILE at", plan: { action: "error", errno: "EMFILE", op: "^(open|opendir|readdir)$" } },
];

describe("a sweep that meets a fault at its n-th step", function () {
  this.timeout(TIMEOUT_MS);
  const reports: FaultReport[] = [];
  after(() => printReports(reports));
  for (const { what, plan } of FAMILIES) {
    it(`loses nothing when ${what} each step, and the next sweep ends the work`, async () => {
      const report = new FaultReport(`${what} step n`);
      reports.push(report);
      const steps = await countSteps(plan.op);
      const plans = Array.from({ length: steps }, (_, index) => ({ ...plan, at: index + 1 }));
      const problems = await runCases(plans, report);
      expect(problems, problems.join("\n")).to.eql([]);
    });
  }

  const again = process.env["FAULT_CASE"];
  if (again !== undefined) {
    it("does the case of FAULT_CASE again", async () => {
      expect(await runCases([JSON.parse(again)], new FaultReport("again"))).to.eql([]);
    });
  }
});

/** How many steps with such a name a sweep of the same files has. */
async function countSteps(op: string | undefined): Promise<number> {
  await using host = await makeHostWithFakeS3();
  await produceSome(host);
  const steps = await host.trace(op === undefined ? {} : { op });
  expect(await host.left()).to.eql([]);
  expect(steps).to.not.have.length(0);
  return steps.length;
}
