import { expect } from "chai";
import type { RecordedRequest } from "../support/fake-s3-operations.ts";
import { makeHostWithFakeS3, problemsOf } from "../support/fault-cases.ts";
import { FaultReport, printReports } from "../support/fault-report.ts";
import { STORMS, stormHook } from "../support/storms.ts";

/** With FAULTS=long, more files and sweeps, and another storm each time. */
const isLong = process.env["FAULTS"] === "long";
const FILES = isLong ? 2_000 : 200;
const STORMY_SWEEPS = isLong ? 6 : 2;
const SEED = isLong ? Date.now() : 1;

/** A sweep in a storm waits between the tries of its requests. */
const TIMEOUT_MS = isLong ? 1_800_000 : 120_000;

const PREFIX = "storm/";
const CONTENT_SUFFIX = /\.sha256-[0-9a-f]{32}$/;

describe(`a storm of wrong answers (seed ${SEED})`, function () {
  this.timeout(TIMEOUT_MS);
  const reports: FaultReport[] = [];
  after(() => printReports(reports));

  for (const storm of STORMS) {
    it(`${storm.what}: loses nothing and believes nothing, and the sweeps after it leave nothing`, async () => {
      const report = new FaultReport(storm.what);
      reports.push(report);
      await using host = await makeHostWithFakeS3({
        parameters: { prefix: PREFIX, concurrency: "100" },
      });
      const names: string[] = [];
      for (let index = 0; index < FILES; index += 1) {
        names.push(`${index % 7}/${index}.csv`);
        await host.produce(`${index % 7}/${index}.csv`, contentOf(index));
      }
      host.s3.onPut(stormHook(storm, SEED));
      for (let sweep = 0; sweep < STORMY_SWEEPS; sweep += 1) {
        await host.sweep();
        expect(problemsOf(await host.verify())).to.eql([]);
        const left = new Set(await host.left());
        const proved = provedNames(host.s3.requests);
        expect(names.filter((name) => !left.has(name) && !proved.has(name))).to.eql([]);
      }
      const struck = host.s3.requests.filter(({ fault }) => fault !== undefined).length;
      expect(struck).to.be.greaterThan(10);
      if (storm.share === 1) expect(await host.left()).to.have.length(FILES);

      host.s3.onPut(undefined);
      let clean = await host.sweep();
      if ((await host.left()).length > 0) clean = await host.sweep();
      const verdict = await host.verify();
      report.add({ verdict, faults: struck });
      expect(problemsOf(verdict)).to.eql([]);
      expect([clean.exitCode, await host.left()], clean.stdout).to.eql([0, []]);
      const objects = [...host.s3.objects("landing").keys()].map(nameOf);
      for (const [name, copies] of Map.groupBy(objects, (one) => one)) {
        expect(copies.length, name).to.be.at.most(2);
      }
    });
  }
});

/** The files that an honest answer speaks for: stored, or this very content is there. */
function provedNames(requests: readonly RecordedRequest[]): Set<string> {
  const proofs = requests.filter(
    ({ fault, answer, key }) =>
      fault === undefined && (answer === 200 || (answer === 412 && CONTENT_SUFFIX.test(key))),
  );
  return new Set(proofs.map(({ key }) => nameOf(key)));
}

function nameOf(key: string): string {
  return key.slice(PREFIX.length).replace(CONTENT_SUFFIX, "");
}

/** Contents of 0 to 40 kB, each another. */
function contentOf(index: number): string {
  return index === 0 ? "" : `file ${index}\n`.repeat((index * 37) % 4_000);
}
