import { expect } from "chai";
import { makeHostWithFakeS3, problemsOf, produceSome } from "../support/fault-cases.ts";
import type { RunningSweep } from "../support/fault-host.ts";
import { FaultReport, printReports } from "../support/fault-report.ts";

const TIMEOUT_MS = 120_000;

/** `produceSome` writes three files, and a small file is one request. */
const REQUESTS = 3;

describe("a sweep that is killed at its n-th request", function () {
  this.timeout(TIMEOUT_MS);
  const reports: FaultReport[] = [];
  after(() => printReports(reports));

  for (const { what, moment } of [
    { what: "at the headers of", moment: undefined },
    { what: "after the body of", moment: "before-store" },
    { what: "before the answer of", moment: "after-store" },
  ] as const) {
    it(`loses nothing when killed ${what} each, and the next sweep ends the work`, async () => {
      const report = new FaultReport(`killed ${what} request n`);
      reports.push(report);
      for (let n = 0; n < REQUESTS; n += 1) {
        await using host = await makeHostWithFakeS3();
        await produceSome(host);
        let running: RunningSweep | undefined;
        const kill = async () => {
          running?.kill();
          await running?.ended;
        };
        host.s3.onPut(({ index }) => {
          if (index !== n) return undefined;
          if (moment !== undefined) return { kind: "hook", when: moment, during: kill };
          void kill();
          return { kind: "hang" };
        });
        running = host.start();
        expect((await running.ended).killedBy).to.equal("SIGKILL");
        // The answer that nobody waits for must not be the one that the next sweep counts on.
        await host.s3.waitUntil((requests) => requests.every(({ answer }) => answer !== undefined));
        expect(problemsOf(await host.verify())).to.eql([]);

        host.s3.onPut(undefined);
        const clean = await host.sweep();
        const verdict = await host.verify();
        report.add({ verdict, kills: 1 });
        expect(problemsOf(verdict)).to.eql([]);
        expect([clean.exitCode, await host.left()], clean.stdout).to.eql([0, []]);
      }
    });
  }
});
