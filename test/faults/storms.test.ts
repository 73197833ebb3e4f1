import { expect } from "chai";
import { CONTENT_MARK } from "../../tools/marks.ts";
import type { RecordedRequest } from "../support/fake-s3-operations.ts";
import { BUCKET, makeHostWithFakeS3, problemsOf, runSideBySide } from "../support/fault-cases.ts";
import { FaultReport, printReports } from "../support/fault-report.ts";
import { STORMS, type Storm, stormHook } from "../support/storms.ts";

/** With FAULTS=long, more files and sweeps, and another storm each time. */
const isLong = process.env["FAULTS"] === "long";
const FILES = isLong ? 2_000 : 200;
const STORMY_SWEEPS = isLong ? 6 : 2;
const SEED = isLong ? Date.now() : 1;

/** Fewer are no storm; some keys denied are the fewest. */
const FAULTS_MIN = 10;

/** A sweep in a storm waits between the tries of its requests. */
const TIMEOUT_MS = isLong ? 1_800_000 : 240_000;

const PREFIX = "storm/";
const CONTENT_SUFFIX = /\.sha256-[0-9a-f]{32}$/;

describe(`a storm of wrong answers (seed ${SEED})`, function () {
  this.timeout(TIMEOUT_MS);
  const reports = new Map(STORMS.map((storm) => [storm, new FaultReport(storm.what)] as const));
  after(() => printReports([...reports.values()]));

  it("loses nothing, believes nothing, and the sweeps after it leave nothing", async () => {
    // Side by side, since each waits most of the time.
    const problems = await runSideBySide([...reports], async ([storm, report]) =>
      (await runStorm(storm, report)).map((one) => `${storm.what}: ${one}`),
    );
    expect(problems, problems.join("\n")).to.eql([]);
  });
});

/** @returns what is wrong, each in one line */
async function runStorm(storm: Storm, report: FaultReport): Promise<string[]> {
  await using host = await makeHostWithFakeS3({
    parameters: { prefix: PREFIX, concurrency: "100" },
  });
  const problems: string[] = [];
  const names: string[] = [];
  for (let index = 0; index < FILES; index += 1) {
    names.push(`${index % 7}/${index}.csv`);
    await host.produce(`${index % 7}/${index}.csv`, contentOf(index));
  }
  host.s3.onPut(stormHook(storm, SEED));
  for (let sweep = 0; sweep < STORMY_SWEEPS; sweep += 1) {
    await host.sweep();
    problems.push(...problemsOf(await host.verify()).map((one) => `in the storm: ${one}`));
    const left = new Set(await host.left());
    const proved = provedNames(host.s3.requests);
    const unproved = names.filter((name) => !left.has(name) && !proved.has(name));
    problems.push(...unproved.map((name) => `removed without proof: ${name}`));
  }
  const faults = host.s3.requests.filter(({ fault }) => fault !== undefined).length;
  if (faults < FAULTS_MIN) problems.push(`no storm: ${faults} faults`);

  host.s3.onPut(undefined);
  let clean = await host.sweep();
  if ((await host.left()).length > 0) clean = await host.sweep();
  const verdict = await host.verify();
  report.add({ verdict, faults });
  problems.push(...problemsOf(verdict).map((one) => `at the end: ${one}`));
  const left = await host.left();
  if (clean.exitCode !== 0 || left.length > 0) {
    problems.push(`the next sweep ended with ${clean.exitCode} and left ${left.join(", ")}`);
    problems.push(clean.stdout, clean.stderr);
  }
  const objects = [...host.s3.objects(BUCKET).keys()].map(nameOf);
  for (const [name, copies] of Map.groupBy(objects, (one) => one)) {
    if (copies.length > 2) problems.push(`${copies.length} objects of ${name}`);
  }
  return problems;
}

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
  return index === 0 ? "" : `${CONTENT_MARK}, file ${index}\n`.repeat((index * 37) % 1_000);
}
