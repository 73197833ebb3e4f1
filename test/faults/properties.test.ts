import { expect } from "chai";
import fc from "fast-check";
import { makeHostWithFakeS3, problemsOf, produceSome } from "../support/fault-cases.ts";
import type { HostPlan } from "../support/fault-host.ts";
import { FaultReport, printReports } from "../support/fault-report.ts";
import { anyRounds, play, type Round } from "../support/random-schedules.ts";
import { anyTree, sweepTree } from "../support/random-trees.ts";
import type { Act } from "../support/random-writers.ts";

/** With FAULTS=long, many more cases, and others each time. */
const isLong = process.env["FAULTS"] === "long";
const SEED = isLong ? Date.now() : 1;
const SCHEDULES = isLong ? 20_000 : 250;
const TREES = isLong ? 5_000 : 60;
const CRASHES = isLong ? 500 : 6;

/** A sweep of three files has some more steps than these; most kills come true. */
const STEPS = 70;

/** For once, what is shrunk takes as long as what is not. */
const TIMEOUT_MS = isLong ? 6 * 3_600_000 : 300_000;

const act = (kind: Act["kind"], path: Act["path"], to: Act["path"] = path): Act => {
  return { kind, path, to, ms: 10_000 };
};

const round = (passMs: Round["passMs"], changes: Partial<Round> = {}): Round => {
  return { before: [], passMs, jumpMs: undefined, during: [], replies: [], ...changes };
};

/** What was found once. */
const COUNTER_EXAMPLES: readonly (readonly Round[])[] = [
  // Each of two names was taken for changed because the other was renamed, in every sweep.
  [round(0, { before: [act("delete", "a"), act("link", "b", "a")] }), round(60_000), round(60_000)],
];

/** A sweep that is killed, if it has so many steps. */
const anyKill: fc.Arbitrary<HostPlan> = fc.record(
  {
    action: fc.constantFrom("kill-before" as const, "kill-after" as const),
    at: fc.integer({ min: 1, max: STEPS }),
    powerLoss: fc.constantFrom("kept" as const, "lost" as const),
  },
  { requiredKeys: ["action", "at"] },
);

describe(`whatever happens (seed ${SEED})`, function () {
  this.timeout(TIMEOUT_MS);
  const reports: FaultReport[] = [];
  after(() => printReports(reports));
  const reportOf = (family: string): FaultReport => {
    const report = new FaultReport(family);
    reports.push(report);
    return report;
  };

  it("whatever producers do: nothing is lost, nothing unfinished or young is taken, and at rest nothing is left", async () => {
    const report = reportOf("schedules of writers");
    await fc.assert(
      fc.asyncProperty(anyRounds, async (rounds) => {
        const { problems, verdict, requests } = await play(rounds);
        report.add({ verdict, faults: requests });
        expect(problems, problems.join("\n")).to.eql([]);
      }),
      { seed: SEED, numRuns: SCHEDULES, examples: COUNTER_EXAMPLES.map((one) => [one]) },
    );
  });

  it("whatever files are called: each is in the bucket under a key of its own", async () => {
    const report = reportOf("directories of any names");
    await fc.assert(
      fc.asyncProperty(anyTree, async (paths) => {
        const { problems, files, bytes } = await sweepTree(paths);
        report.add({
          verdict: { lost: [], foreign: [], touched: [], duplicates: 0, files, bytes, onDisk: 0 },
        });
        expect(problems, problems.join("\n")).to.eql([]);
      }),
      { seed: SEED, numRuns: TREES },
    );
  });

  it("however often it is killed: nothing is lost, and the sweeps after it leave nothing", async () => {
    const report = reportOf("kills one after the other");
    await fc.assert(
      fc.asyncProperty(fc.array(anyKill, { minLength: 2, maxLength: 4 }), async (plans) => {
        await using host = await makeHostWithFakeS3();
        await produceSome(host);
        let kills = 0;
        for (const plan of plans) {
          const { killedBy, stderr } = await host.sweep(plan);
          if (killedBy !== null) kills += 1;
          expect(stderr).to.not.include("bug of the agent");
          expect(problemsOf(await host.verify())).to.eql([]);
        }
        let clean = await host.sweep();
        if ((await host.left()).length > 0) clean = await host.sweep();
        const verdict = await host.verify();
        report.add({ verdict, kills });
        expect(problemsOf(verdict)).to.eql([]);
        expect([clean.exitCode, await host.left()], clean.stdout).to.eql([0, []]);
      }),
      { seed: SEED, numRuns: CRASHES },
    );
  });
});
