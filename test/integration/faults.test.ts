import { readdir, readFile } from "node:fs/promises";
import { expect } from "chai";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { CONTENT_MARK } from "../../tools/marks.ts";
import { startFakeS3 } from "../support/fake-s3.ts";
import type { Fault } from "../support/fake-s3-faults.ts";
import { makeHost, recordsOf } from "../support/host.ts";

/** Answers that prove nothing, every time; the file must stay. */
const NEVER: readonly { readonly what: string; readonly fault: Fault; readonly reason: string }[] =
  [
    { what: "a portal's page with 200", fault: { kind: "captive-portal" }, reason: "proof-failed" },
    { what: "an empty 200", fault: { kind: "empty-200" }, reason: "proof-failed" },
    { what: "200 without a checksum", fault: { kind: "no-checksum" }, reason: "proof-failed" },
    {
      what: "200 with another checksum",
      fault: { kind: "wrong-checksum" },
      reason: "proof-failed",
    },
    { what: "a reset before the body", fault: { kind: "reset-before" }, reason: "ECONNRESET" },
    {
      what: "500 every time",
      fault: { kind: "status", status: 500, code: "InternalError" },
      reason: "InternalError",
    },
    {
      what: "SlowDown every time",
      fault: { kind: "status", status: 503, code: "SlowDown" },
      reason: "SlowDown",
    },
    {
      what: "AccessDenied",
      fault: { kind: "status", status: 403, code: "AccessDenied" },
      reason: "AccessDenied",
    },
  ];

describe("faults of S3", () => {
  let aws: LocalAws;

  before(async function () {
    // A cold start of moto on a busy machine; the local AWS has a limit of its own.
    this.timeout(60_000);
    aws = await startLocalAws();
  });
  after(() => aws.stop());

  for (const { what, fault, reason } of NEVER) {
    it(`${what}: the file stays, the reason is told, the sweep ends with 3`, async () => {
      await using host = await makeHost(aws);
      await using s3 = await startFakeS3({ buckets: [host.bucket], onPut: () => fault });
      const path = await host.write("a.csv", `${CONTENT_MARK}\n`);
      const env = { AWS_ENDPOINT_URL_S3: s3.endpoint };
      const { exitCode, stdout } = await host.run(["sweep", "--json"], { env });
      expect(exitCode).to.equal(3);
      expect(await readFile(path, "utf8")).to.equal(`${CONTENT_MARK}\n`);
      const failed = recordsOf(stdout).find(({ event }) => event === "file.failed");
      expect(failed).to.include({ path: "a.csv", reason });
    });
  }

  it("a lost answer costs one object more at the most, and the file goes", async () => {
    await using host = await makeHost(aws);
    await using s3 = await startFakeS3({
      buckets: [host.bucket],
      onPut: ({ index }) => (index === 0 ? { kind: "lost-answer" } : undefined),
    });
    await host.write("a.csv", `${CONTENT_MARK}\n`);
    const env = { AWS_ENDPOINT_URL_S3: s3.endpoint };
    expect((await host.run(["sweep"], { env })).exitCode).to.equal(0);
    expect(await readdir(host.watched)).to.deep.equal([]);
    // The lost one, the try that found the key taken, and the one under the content's key.
    expect(s3.requests.map(({ method }) => method)).to.deep.equal(["PUT", "PUT", "PUT"]);
  });

  it("a clock that is wrong is told of, and the files go all the same", async () => {
    await using host = await makeHost(aws);
    const skewed: Fault = { kind: "status", status: 403, code: "RequestTimeTooSkewed" };
    await using s3 = await startFakeS3({
      buckets: [host.bucket],
      aheadMs: 5 * 3_600_000,
      onPut: ({ index }) => (index === 0 ? skewed : undefined),
    });
    await host.write("a.csv", `${CONTENT_MARK}\n`);
    const env = { AWS_ENDPOINT_URL_S3: s3.endpoint };
    const { exitCode, stdout } = await host.run(["sweep", "--json"], { env });
    expect(exitCode).to.equal(0);
    const told = recordsOf(stdout).map(({ event }) => event);
    expect(told).to.include.members(["clock.skewed", "file.removed"]);
  });

  it("one bad file stops only itself", async () => {
    await using host = await makeHost(aws);
    await using s3 = await startFakeS3({
      buckets: [host.bucket],
      onPut: ({ key }) =>
        key.endsWith("bad.csv")
          ? { kind: "status", status: 400, code: "InvalidRequest" }
          : undefined,
    });
    for (const name of ["a.csv", "bad.csv", "c.csv"]) await host.write(name, name);
    const env = { AWS_ENDPOINT_URL_S3: s3.endpoint };
    expect((await host.run(["sweep"], { env })).exitCode).to.equal(1);
    expect(await readdir(host.watched)).to.deep.equal(["bad.csv"]);
  });

  it("a destination that is down ends the sweep early, told once, and not file by file", async () => {
    await using host = await makeHost(aws, { concurrency: "1" });
    await using s3 = await startFakeS3({
      buckets: [host.bucket],
      onPut: () => ({ kind: "status", status: 403, code: "AccessDenied" }),
    });
    for (let index = 0; index < 40; index += 1) await host.write(`${index}.csv`, "x");
    const env = { AWS_ENDPOINT_URL_S3: s3.endpoint };
    const { exitCode, stdout } = await host.run(["sweep", "--json"], { env });
    expect(exitCode).to.equal(3);
    expect(s3.requests).to.have.length(16);
    const records = recordsOf(stdout);
    expect(records).to.have.length(17);
    expect(records.at(-1)).to.include({ filesFailed: 16, filesKept: 24, BacklogFiles: 40 });
    expect(records.at(-1)?.["stoppedEarly"]).to.include("AccessDenied");
    expect(await readdir(host.watched)).to.have.length(40);
  });
});
