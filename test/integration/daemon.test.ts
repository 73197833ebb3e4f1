import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { expect } from "chai";
import { hostIdsByBeat } from "../../tools/host-ids.ts";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { emfData } from "../support/emf-values.ts";
import { makeHost, recordsOf } from "../support/host.ts";
import { startProxy } from "../support/proxy.ts";

const EVERY_SECOND = { schedule: "rate(1 second)", "refresh-interval": "1s" };

const is = (event: string) => (record: Record<string, unknown>) => record["event"] === event;
const isRemoved = (path: string) => (record: Record<string, unknown>) =>
  record["event"] === "file.removed" && record["path"] === path;

const prefixOf = ({ routes }: Record<string, unknown>) =>
  (routes as { readonly prefix: string }[])[0]?.prefix;

describe("the daemon", () => {
  let aws: LocalAws;

  before(async function () {
    // A cold start of moto on a busy machine; the local AWS has a limit of its own.
    this.timeout(60_000);
    aws = await startLocalAws();
  });
  after(() => aws.stop());

  it("sweeps on schedule and ends with 0 on SIGTERM, its last records sent", async () => {
    await using host = await makeHost(aws, EVERY_SECOND);
    await using agent = host.start();
    await agent.next(is("config.applied"));
    await host.write("one.csv");
    await agent.next(isRemoved("one.csv"));
    await host.write("two.csv");
    await agent.next(isRemoved("two.csv"));
    agent.kill("SIGTERM");
    const { exitCode, stdout } = await agent.ended();
    expect(exitCode).to.equal(0);
    expect(await readdir(host.watched)).to.deep.equal([]);
    const group = `/s3-offload-agent/${host.fleet}`;
    const files = await host.operator.readRecords(`${group}/files`);
    expect(files.map(({ path }) => path)).to.deep.equal(["one.csv", "two.csv"]);
    const states = await host.operator.readRecords(group);
    expect(states.at(-1)).to.include({ event: "agent.stopped" });
    // Standard output and CloudWatch Logs say the same.
    expect(recordsOf(stdout)).to.have.deep.members([...files, ...states]);
  });

  it("tells by its heartbeat that it works: what it has swept, and by which configuration", async function () {
    // The next heartbeat of any host may be as far as the gap between two slots.
    this.timeout(120_000);
    await using host = await makeHost(aws, { ...EVERY_SECOND, "expected-hosts": "3" });
    const [id = ""] = hostIdsByBeat("host", Date.now() + 10_000);
    await using agent = host.start({ env: { S3_OFFLOAD_HOST_ID: id } });
    await agent.next(is("sweep.completed"));
    const heartbeat = await agent.next(is("agent.heartbeat"));
    expect(heartbeat).to.include({
      host: id,
      isLate: false,
      Heartbeats: 1,
      ExpectedHosts: 3,
      HostsLate: 0,
      HostsBehind: 0,
      HostsRefusing: 0,
      HostsCutOff: 0,
      HostsLosingCredentials: 0,
      SweepsFailed: 0,
      BacklogFiles: 0,
      OldestSettledAgeSeconds: 0,
    });
    const swept = agent.records.filter(is("sweep.completed")).length;
    expect(heartbeat["SweepsCompleted"]).to.be.within(1, swept);
    expect(heartbeat["FreePercent"]).to.be.within(0, 100);
    expect(heartbeat["LogEventsWaiting"]).to.be.a("number");
    const dimensions = emfData(heartbeat).map((datum) => Object.keys(datum.dimensions));
    expect(new Set(dimensions.flat())).to.deep.equal(new Set(["Fleet"]));
  });

  it("follows a prefix that is changed in the Parameter Store", async () => {
    await using host = await makeHost(aws, { ...EVERY_SECOND, prefix: "old/" });
    await using agent = host.start();
    await agent.next(is("config.applied"));
    await host.write("a.csv");
    expect(await agent.next(isRemoved("a.csv"))).to.include({ key: "old/a.csv" });
    await host.operator.setParameter("prefix", "new/");
    agent.kill("SIGHUP");
    expect(prefixOf(await agent.next(is("config.applied")))).to.equal("new/");
    await host.write("b.csv");
    expect(await agent.next(isRemoved("b.csv"))).to.include({ key: "new/b.csv" });
  });

  // A schedule is read by other code than the other settings: each can be wrong on its own.
  for (const [leaf, bad, good] of [
    ["prefix", "bad/../", "good/"],
    ["schedule", "rate(5 parsecs)", "rate(1 second)"],
  ] as const) {
    it(`keeps the last good configuration when a changed ${leaf} is refused, and says so once`, async () => {
      await using host = await makeHost(aws, { ...EVERY_SECOND, prefix: "good/" });
      await using agent = host.start();
      await agent.next(is("config.applied"));
      await host.operator.setParameter(leaf, bad);
      agent.kill("SIGHUP");
      const refused = await agent.next(is("config.refused"));
      expect(refused["message"]).to.include(`/s3-offload-agent/fleets/${host.fleet}/${leaf}`);
      await host.write("a.csv");
      expect(await agent.next(isRemoved("a.csv"))).to.include({ key: "good/a.csv" });
      // The same wrong value is read again.
      agent.kill("SIGHUP");
      await agent.next(is("sweep.completed"));
      await host.operator.setParameter(leaf, good);
      await host.operator.setParameter("timezone", "Europe/Berlin");
      agent.kill("SIGHUP");
      await agent.next(is("config.applied"));
      agent.kill("SIGTERM");
      const records = recordsOf((await agent.ended()).stdout);
      expect(records.filter(is("config.refused"))).to.have.length(1);
    });
  }

  it("goes on when the same directory is written in another way", async () => {
    await using host = await makeHost(aws, EVERY_SECOND);
    await using agent = host.start();
    await agent.next(is("config.applied"));
    await host.operator.setParameter("directory", `${host.watched}/./`);
    agent.kill("SIGHUP");
    await agent.next(is("config.applied"));
    await host.write("a.csv");
    await agent.next(isRemoved("a.csv"));
  });

  it("goes on in the directory that takes the place of the watched one, and leaves the old one", async () => {
    await using host = await makeHost(aws, EVERY_SECOND);
    await using agent = host.start();
    await agent.next(is("config.applied"));
    await host.write("a.csv");
    await agent.next(isRemoved("a.csv"));
    const old = `${host.folder}/old`;
    await rename(host.watched, old);
    await agent.next(is("sweep.failed"));
    await mkdir(host.watched);
    await writeFile(`${old}/left.csv`, "left");
    await host.write("b.csv");
    await agent.next(isRemoved("b.csv"));
    // Nothing of the agent's is left there, and what is written there is nobody's to take.
    expect(await readdir(old)).to.deep.equal(["left.csv"]);
    const second = await host.run(["sweep"]);
    expect(second.exitCode).to.equal(4);
    expect(second.stderr).to.include("Another agent uses the state directory");
    agent.kill("SIGTERM");
    expect((await agent.ended()).exitCode).to.equal(0);
  });

  it("refuses a changed directory that it may not take files from", async () => {
    await using host = await makeHost(aws, EVERY_SECOND);
    await using agent = host.start();
    await agent.next(is("config.applied"));
    await host.operator.setParameter("directory", host.folder);
    agent.kill("SIGHUP");
    const refused = await agent.next(is("config.refused"));
    expect(refused["message"]).to.include("outside the allowed roots");
    await host.write("a.csv");
    await agent.next(isRemoved("a.csv"));
    expect(await readFile(host.bootstrap, "utf8")).to.include(host.fleet);
  });

  it("refreshes at once on SIGHUP", async () => {
    await using host = await makeHost(aws, { schedule: "rate(1 day)", "refresh-interval": "1d" });
    await using agent = host.start();
    await agent.next(is("config.applied"));
    await host.operator.setParameter("prefix", "reloaded/");
    agent.kill("SIGHUP");
    expect(prefixOf(await agent.next(is("config.applied")))).to.equal("reloaded/");
  });

  it("goes on sweeping while the Parameter Store is out of reach, and says so once", async () => {
    await using host = await makeHost(aws, EVERY_SECOND);
    await using ssm = await startProxy(aws.endpoint);
    await using agent = host.start({ env: { AWS_ENDPOINT_URL_SSM: ssm.endpoint } });
    await agent.next(is("config.applied"));
    const readBefore = ssm.requests.length;
    ssm.setBroken(true);
    await agent.next(is("config.unreachable"));
    const failed = ssm.requests.length;
    const tries = failed - readBefore;
    // The next refresh waits long by itself; a SIGHUP hurries it. More tries than two refreshes
    // take say that a second one has failed.
    while (ssm.requests.length <= failed + 2 * tries) {
      agent.kill("SIGHUP");
      await agent.next(is("sweep.completed"));
    }
    await host.write("a.csv");
    await agent.next(isRemoved("a.csv"));
    agent.kill("SIGTERM");
    const { exitCode, stdout } = await agent.ended();
    expect(exitCode).to.equal(0);
    expect(recordsOf(stdout).filter(is("config.unreachable"))).to.have.length(1);
  });

  it("holds the directory: another daemon and a sweep end with 4 and name it; kill -9 frees it", async () => {
    await using host = await makeHost(aws, EVERY_SECOND);
    await using first = host.start();
    await first.next(is("config.applied"));

    const second = await host.start().ended();
    const sweep = await host.run(["sweep"]);
    const dryRun = await host.run(["sweep", "--dry-run"]);
    for (const { exitCode, stderr } of [second, sweep]) {
      expect(exitCode).to.equal(4);
      expect(stderr).to.include(`Another agent uses the state directory ${host.folder}/state`);
    }
    expect(dryRun.exitCode).to.equal(0);

    first.kill("SIGKILL");
    expect((await first.ended()).killedBy).to.equal("SIGKILL");
    await using heir = host.start();
    await host.write("a.csv");
    await heir.next(isRemoved("a.csv"));
  });

  it("finishes the file in flight on SIGTERM and begins no other", async () => {
    await using host = await makeHost(aws, { ...EVERY_SECOND, concurrency: "1" });
    await using s3 = await startProxy(aws.endpoint);
    for (const name of ["a.csv", "b.csv", "c.csv"]) await host.write(name);
    s3.hold();
    await using agent = host.start({ env: { AWS_ENDPOINT_URL_S3: s3.endpoint } });
    await s3.arrived(1);
    agent.kill("SIGTERM");
    await agent.next(is("agent.stopping"));
    s3.release();
    const { exitCode, stdout } = await agent.ended();
    expect(exitCode).to.equal(0);
    expect(s3.requests).to.have.length(1);
    expect(recordsOf(stdout).filter(is("file.removed"))).to.have.length(1);
    expect((await host.operator.readObjects()).size).to.equal(1);
    expect(await readdir(host.watched)).to.have.length(2);
  });

  it("ends at once on the second signal, and the file in flight stays", async () => {
    await using host = await makeHost(aws, EVERY_SECOND);
    await using s3 = await startProxy(aws.endpoint);
    await host.write("a.csv");
    s3.hold();
    await using agent = host.start({ env: { AWS_ENDPOINT_URL_S3: s3.endpoint } });
    await s3.arrived(1);
    agent.kill("SIGTERM");
    await agent.next(is("agent.stopping"));
    agent.kill("SIGTERM");
    expect((await agent.ended()).exitCode).to.equal(143);
    expect(await readdir(host.watched)).to.include("a.csv");
  });
});
