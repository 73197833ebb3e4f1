import { expect } from "chai";
import { CONTENT_MARK } from "../../tools/marks.ts";
import { makeHostWithFakeS3, problemsOf } from "../support/fault-cases.ts";
import { FaultReport, printReports } from "../support/fault-report.ts";

describe("a file that is still being written", function () {
  // The first sweep of a host waits until the clock is known for as long as a file has to settle.
  this.timeout(90_000);
  const report = new FaultReport("unfinished");
  after(() => printReports([report]));

  it("stays where it is and is not in the bucket, whatever else goes", async () => {
    await using host = await makeHostWithFakeS3({ parameters: { "min-age": "30s" } });
    await using unfinished = await host.begin("folder/growing.csv", `${CONTENT_MARK}\n`);
    for (const more of ["21.6 degrees at one\n", "21.7 degrees at two\n"]) {
      expect((await host.sweep()).exitCode).to.equal(0);
      await unfinished.write(more);
    }
    await host.sweep();
    const verdict = await host.verify();
    report.add({ verdict });
    expect(problemsOf(verdict)).to.eql([]);
    expect(await host.left()).to.eql(["folder/growing.csv"]);
  });
});
