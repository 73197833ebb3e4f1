import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { FaultReport, printReports } from "../support/fault-report.ts";
import { HOST_CASES, type Result } from "./host-limits-cases.ts";

const TIMEOUT_MS = 120_000;
const PROGRAM = fileURLToPath(new URL("host-limits-run.ts", import.meta.url));

describe("a host that is short of something", function () {
  this.timeout(TIMEOUT_MS);
  const reports: FaultReport[] = [];
  const isRoot = process.getuid?.() === 0;
  let child: ChildProcess;

  before(() => {
    // What is mounted is seen there alone, and gone with it.
    const args = isRoot ? ["--mount", process.execPath, PROGRAM] : [PROGRAM];
    child = spawn(isRoot ? "unshare" : process.execPath, args, {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
  });
  after(async () => {
    child.disconnect();
    if (child.exitCode === null) await once(child, "exit");
    printReports(reports);
  });

  for (const [name, { mayLack = false }] of Object.entries(HOST_CASES)) {
    it(`${name}: loses nothing, says what is wrong, and goes on when it is no more`, async () => {
      const answered = once(child, "message");
      child.send(name);
      const [answer] = (await answered) as [{ result?: Result; error?: string }];
      if (answer.result === undefined) {
        if (!mayLack && isRoot) throw new Error(answer.error);
        process.stdout.write(`    NOT RUN: ${name}: ${answer.error?.split("\n")[0]}\n`);
        return;
      }
      const { problems, verdict } = answer.result;
      const report = new FaultReport(name);
      reports.push(report);
      report.add({ verdict, faults: 1 });
      expect(problems, problems.join("\n")).to.eql([]);
    });
  }
});
