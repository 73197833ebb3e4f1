import { chmod, chown, mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { makeHost, recordsOf, type TestHost } from "../support/host.ts";
import { startProxy } from "../support/proxy.ts";

const NOBODY = 65_534;

describe("status, doctor and retry beside the daemon", () => {
  let aws: LocalAws;

  before(async function () {
    // A cold start of moto on a busy machine; the local AWS has a limit of its own.
    this.timeout(60_000);
    aws = await startLocalAws();
  });
  after(() => aws.stop());

  const json = async (host: TestHost, ...args: string[]) => {
    const { stdout, exitCode } = await host.run([...args, "--json"]);
    const [answer = {}] = recordsOf(stdout);
    return { exitCode, answer };
  };

  it("status tells what the last sweep came to, and asks no service", async () => {
    await using host = await makeHost(aws);
    await host.write("a.csv", "content");
    expect((await host.run(["sweep"])).exitCode).to.equal(0);
    await using proxy = await startProxy(aws.endpoint);
    const names = ["", "_S3", "_SSM", "_CLOUDWATCH_LOGS"].map((end) => `AWS_ENDPOINT_URL${end}`);
    const env = Object.fromEntries(names.map((name) => [name, proxy.endpoint]));
    const { stdout, exitCode } = await host.run(["status", "--json"], { env });
    expect(exitCode).to.equal(0);
    expect(JSON.parse(stdout).lastSweep).to.include({
      directory: host.watched,
      filesRemoved: 1,
      bytesRemoved: 7,
      hasFailed: false,
    });
    expect(proxy.requests).to.deep.equal([]);
  });

  for (const [what, quarantineAfter, expected] of [
    ["set aside", "1", { released: ["bad.csv"], due: [] }],
    ["deferred for a minute", "0", { released: [], due: ["bad.csv"] }],
  ] as const) {
    it(`a daemon tries a file again that it has ${what}, as soon as retry says so`, async () => {
      // The agent must not be able to read the file, and its user has to be another one for that.
      if (process.getuid?.() !== 0) return;
      await using host = await makeHost(aws, {
        schedule: "rate(1 seconds)",
        splay: "0s",
        "quarantine-after": quarantineAfter,
      });
      await mkdir(join(host.folder, "state"));
      await host.write("good.csv");
      await chmod(await host.write("bad.csv"), 0);
      // Its own folder stays root's: root would not take a bootstrap file out of another one.
      await chmod(host.folder, 0o755);
      for (const path of [host.watched, join(host.folder, "state")]) {
        await chown(path, NOBODY, NOBODY);
      }
      await using agent = host.start({ uid: NOBODY });
      const isFailure = (record: Record<string, unknown>) =>
        record["event"] === "file.failed" && record["path"] === "bad.csv";
      await agent.next(isFailure);
      await agent.next(({ event }) => event === "sweep.completed");
      const kind = quarantineAfter === "1" ? "quarantined" : "failing";
      expect((await json(host, "status")).answer[kind]).to.have.length(1);
      const doctor = await json(host, "doctor");
      expect(JSON.stringify(doctor.answer)).to.include("an agent is at work in it");

      const { exitCode, answer } = await json(host, "retry");
      expect(exitCode).to.equal(0);
      expect(answer).to.deep.include({ ...expected, failed: [] });
      // Without, the next try would be half a minute away at the least; this test ends before.
      await agent.next(isFailure);
    });
  }

  it("doctor goes on with the allowed roots when SSM is out of reach", async () => {
    await using host = await makeHost(aws);
    const env = { AWS_ENDPOINT_URL_SSM: "http://127.0.0.1:9" };
    const { stdout, exitCode } = await host.run(["doctor", "--json"], { env });
    expect(exitCode).to.equal(1);
    const { checks } = JSON.parse(stdout) as { checks: Record<string, string>[] };
    const of = (name: string) => checks.find((check) => check["name"] === name);
    expect(of("parameters")).to.include({ verdict: "warning" });
    expect(of("names")).to.include({ verdict: "ok", about: host.watched });
  });

  it("doctor finds a watched directory that is not there", async () => {
    await using host = await makeHost(aws);
    await rename(host.watched, join(host.folder, "elsewhere"));
    const { stdout, exitCode } = await host.run(["doctor"]);
    expect(exitCode).to.equal(1);
    expect(stdout).to.match(/^PROBLEM +directory, .*does not exist\.\n {2}way out: Make it/m);
  });
});
