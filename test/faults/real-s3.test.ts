import { expect } from "chai";
import { CONTENT_MARK } from "../../tools/marks.ts";
import { problemsOf } from "../support/fault-cases.ts";
import { type FaultHost, makeFaultHost } from "../support/fault-host.ts";
import { FaultReport, printReports } from "../support/fault-report.ts";
import { type RealS3, startRealS3 } from "../support/real-s3.ts";
import {
  startToxiproxy,
  type Toxic,
  type ToxicProxy,
  type Toxiproxy,
} from "../support/toxiproxy.ts";

const BUCKET = "landing";

/** Enough for every connection to be used many times. */
const FILES = 200;

/** The agent waits between attempts; a sweep with faults takes some seconds. */
const TIMEOUT_MS = 240_000;

const CASES: readonly {
  readonly what: string;
  readonly toxics: readonly Toxic[];
  /** Whether requests fail for sure. */
  readonly isHarmful: boolean;
}[] = [
  { what: "clean", toxics: [], isHarmful: false },
  {
    what: "slow",
    toxics: [
      { type: "latency", stream: "downstream", attributes: { latency: 40, jitter: 30 } },
      { type: "bandwidth", stream: "upstream", attributes: { rate: 256 } },
      { type: "slicer", stream: "upstream", attributes: { average_size: 1_000 } },
    ],
    isHarmful: false,
  },
  {
    what: "reset_peer",
    toxics: [{ type: "reset_peer", stream: "downstream", attributes: { timeout: 60 } }],
    isHarmful: true,
  },
  {
    what: "timeout, answers",
    toxics: [
      // The request goes through and is done; its answer never comes.
      { type: "timeout", stream: "downstream", toxicity: 0.5, attributes: { timeout: 300 } },
    ],
    isHarmful: true,
  },
  {
    what: "timeout, requests",
    toxics: [{ type: "timeout", stream: "upstream", toxicity: 0.5, attributes: { timeout: 300 } }],
    isHarmful: true,
  },
  {
    what: "limit_data, requests",
    toxics: [{ type: "limit_data", stream: "upstream", attributes: { bytes: 60_000 } }],
    isHarmful: true,
  },
  {
    what: "limit_data, answers",
    toxics: [{ type: "limit_data", stream: "downstream", attributes: { bytes: 2_500 } }],
    isHarmful: true,
  },
];

describe("a real S3 behind a bad connection", function () {
  this.timeout(TIMEOUT_MS);
  const reports: FaultReport[] = [];
  let toxiproxy: Toxiproxy;
  let s3: RealS3;
  let proxy: ToxicProxy;
  let host: FaultHost;

  before(async () => {
    toxiproxy = await startToxiproxy();
  });
  after(async () => {
    await toxiproxy[Symbol.asyncDispose]();
    printReports(reports);
  });

  beforeEach(async () => {
    s3 = await startRealS3({ bucket: BUCKET });
    proxy = await toxiproxy.proxyFor(s3.endpoint);
    host = await makeFaultHost({
      destination: {
        bucket: BUCKET,
        env: { ...s3.env, AWS_ENDPOINT_URL_S3: proxy.endpoint },
        objects: () => s3.objects(),
      },
      parameters: { concurrency: "8" },
    });
  });
  afterEach(async () => {
    await host[Symbol.asyncDispose]();
    await s3[Symbol.asyncDispose]();
  });

  for (const { what, toxics, isHarmful } of CASES) {
    it(`${what}: loses nothing, and the next sweep leaves nothing`, async () => {
      const report = new FaultReport(what);
      reports.push(report);
      for (let index = 0; index < FILES; index += 1) {
        await host.produce(`${index % 7}/${index}.csv`, contentOf(index));
      }
      const names: string[] = [];
      for (const toxic of toxics) names.push(await proxy.addToxic(toxic));
      const hurt = await host.sweep();
      expect(problemsOf(await host.verify())).to.eql([]);
      const faults = faultsOf(hurt.records);
      if (isHarmful) expect(faults).to.be.greaterThan(0);
      else expect([hurt.exitCode, await host.left()], hurt.stdout).to.eql([0, []]);

      for (const name of names) await proxy.removeToxic(name);
      const clean = await host.sweep();
      const verdict = await host.verify();
      report.add({ verdict, faults });
      expect(problemsOf(verdict)).to.eql([]);
      expect([clean.exitCode, await host.left()], clean.stdout).to.eql([0, []]);
      expect(await s3.multipartLeftovers()).to.equal(0);
    });
  }
});

/** Contents of 0 to 40 kB, each another. */
function contentOf(index: number): string {
  return index === 0 ? "" : `${CONTENT_MARK}, file ${index}\n`.repeat((index * 37) % 1_000);
}

/** How many attempts failed, by the records of a sweep. */
function faultsOf(records: readonly Record<string, unknown>[]): number {
  return records.reduce((sum, { event, attempts }) => {
    const failed = event === "file.failed" ? 1 : 0;
    return sum + failed + (typeof attempts === "number" ? Math.max(0, attempts - 1) : 0);
  }, 0);
}
