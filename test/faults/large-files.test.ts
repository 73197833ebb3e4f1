import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { CONTENT_MARK } from "../../tools/marks.ts";
import { BUCKET, makeHostWithFakeS3, problemsOf } from "../support/fault-cases.ts";
import { makeFaultHost, type RunningSweep } from "../support/fault-host.ts";
import { FaultReport, printReports } from "../support/fault-report.ts";
import {
  countUploadSteps,
  type Kill,
  type LargeCase,
  largeContent,
  runLargeCases,
} from "../support/large-file-cases.ts";
import { startProxy } from "../support/proxy.ts";
import { startRealS3 } from "../support/real-s3.ts";

const isLong = process.env["FAULTS"] === "long";
const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** Three parts; with FAULTS=long ten, more than are sent at once. */
const LARGE_BYTES = (isLong ? 73 : 17) * MIB;
const LAST_PART = isLong ? 10 : 3;

const HUGE_BYTES = isLong ? 100e9 : 2 * GIB;

/** Of the whole process, Node and the SDK included. A generous bound: it is not to grow with the file. */
const RESIDENT_KIB_MAX = 400 * 1_024;

/** The steps that change something; with FAULTS=long, the others too. */
const STEPS = isLong ? "." : "^(write|datasync|sync|truncate|rename|unlink|mkdir)$";

const MOMENTS = ["arrived", "before-store", "after-store"] as const;

const REQUESTS: readonly Kill[] = MOMENTS.flatMap((moment) =>
  (
    [
      { operation: "CreateMultipartUpload" },
      { operation: "UploadPart", partNumber: 1 },
      { operation: "UploadPart", partNumber: LAST_PART },
      { operation: "CompleteMultipartUpload" },
    ] as const
  ).map((request) => ({ kind: "request", moment, ...request }) as const),
);

describe("a large file", function () {
  this.timeout(isLong ? 3_600_000 : 180_000);
  const reports: FaultReport[] = [];
  after(() => printReports(reports));
  const reportOf = (family: string): FaultReport => {
    const report = new FaultReport(family);
    reports.push(report);
    return report;
  };
  const all = async (family: string, cases: readonly LargeCase[]): Promise<FaultReport> => {
    const report = reportOf(family);
    const problems = await runLargeCases(cases, LARGE_BYTES, report);
    expect(problems, problems.join("\n")).to.eql([]);
    return report;
  };

  it("loses nothing when killed after each step of its state, and is not sent again as a whole", async () => {
    const steps = await countUploadSteps(LARGE_BYTES, STEPS);
    expect(steps).to.be.greaterThan(10);
    const cases = Array.from({ length: steps }, (_, index): LargeCase => {
      return { kill: { kind: "step", at: index + 1, op: STEPS }, fate: "stays" };
    });
    const { kills } = await all("large, killed after step n", cases);
    expect(kills).to.be.greaterThan(steps / 2);
  });

  it("loses nothing when killed at each request, and is not sent again as a whole", async () => {
    await all(
      "large, killed at request",
      REQUESTS.map((kill) => ({ kill, fate: "stays" })),
    );
  });

  it("that changes after the kill, or goes: its upload is ended", async () => {
    const part = { kind: "request", operation: "UploadPart", partNumber: LAST_PART } as const;
    const stored: Kill = { ...part, moment: "after-store" };
    const kills: readonly Kill[] = [
      { ...part, moment: "arrived" },
      stored,
      { kind: "request", operation: "CompleteMultipartUpload", moment: "arrived" },
    ];
    await all("large, killed and changed", [
      ...kills.map((kill): LargeCase => ({ kill, fate: "changes" })),
      { kill: stored, fate: "goes" },
    ]);
  });

  it("loses nothing against a real S3 when killed in each phase", async () => {
    const report = reportOf("large, killed, real S3");
    // One to create the upload, one for each part, one to complete it.
    for (const request of [1, 1 + LAST_PART, 2 + LAST_PART]) {
      await using s3 = await startRealS3({ bucket: BUCKET });
      await using proxy = await startProxy(s3.endpoint);
      await using host = await makeFaultHost({
        destination: {
          bucket: BUCKET,
          env: { ...s3.env, AWS_ENDPOINT_URL_S3: proxy.endpoint },
          objects: () => s3.objects(),
        },
      });
      await host.produce("large.bin", largeContent(LARGE_BYTES, "first"));
      await host.produce("small.csv", `${CONTENT_MARK}\n`);
      const arrived = proxy.arrived(request);
      const running = host.start();
      await arrived;
      running.kill();
      expect((await running.ended).killedBy).to.equal("SIGKILL");
      expect(problemsOf(await host.verify())).to.eql([]);

      let clean = await host.sweep();
      if ((await host.left()).length > 0) clean = await host.sweep();
      const verdict = await host.verify();
      report.add({ verdict, kills: 1 });
      expect(problemsOf(verdict)).to.eql([]);
      expect([clean.exitCode, await host.left()], clean.stdout).to.eql([0, []]);
      expect(verdict.duplicates).to.be.at.most(1);
      expect(await s3.multipartLeftovers()).to.equal(0);
    }
  });

  it(`of ${HUGE_BYTES} bytes takes no more memory than others`, async () => {
    const report = reportOf("huge, memory");
    await using host = await makeHostWithFakeS3({ contentBytesMax: MIB });
    const file = await open(join(host.watched, "huge.bin"), "wx");
    await file.truncate(HUGE_BYTES);
    await file.close();
    let running: RunningSweep | undefined;
    let residentKib = 0;
    const during = async () => {
      const status = await readFile(`/proc/${running?.pid}/status`, "utf8");
      residentKib = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]);
    };
    host.s3.onPut(({ operation }) =>
      operation === "CompleteMultipartUpload" ? { kind: "hook", during } : undefined,
    );
    running = host.start();
    const { exitCode, stdout } = await running.ended;
    expect([exitCode, await host.left()], stdout).to.eql([0, []]);
    const sizes = [...host.s3.objects(BUCKET).values()].map(({ size }) => size);
    expect(sizes).to.eql([HUGE_BYTES]);
    process.stdout.write(`    at most ${Math.round(residentKib / 1_024)} MiB resident\n`);
    expect(residentKib).to.be.within(1, RESIDENT_KIB_MAX);
    report.add({
      verdict: { ...NOTHING_WRONG, files: 1, bytes: HUGE_BYTES },
    });
  });
});

/** The oracle knows contents; of a huge one the store has told the size, and its checksum. */
const NOTHING_WRONG = { lost: [], foreign: [], touched: [], duplicates: 0, onDisk: 0 };
