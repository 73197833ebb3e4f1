import { readFile, rename, writeFile } from "node:fs/promises";
import { expect } from "chai";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { SECRET_MARK } from "../../tools/marks.ts";
import { isRootOr } from "../support/not-run.ts";
import { startProxy } from "../support/proxy.ts";
import { makeServiceHost, WATCHDOG_MS } from "../support/service-host.ts";

const EVERY_SECOND = { schedule: "rate(1 second)", "refresh-interval": "1s" };
const DAILY = { schedule: "rate(1 day)", "refresh-interval": "1d" };

const is = (event: string) => (record: Record<string, unknown>) => record["event"] === event;
const isText = (text: string) => (one: string) => one === text;

/** Of all notices those that change the state. */
const statesOf = (texts: readonly string[]) =>
  texts
    .filter((text) => !/^(STATUS|WATCHDOG|EXTEND_TIMEOUT_USEC)=/.test(text))
    .map((text) => text.replace(/\n.*/s, ""));

describe("below a service manager", () => {
  let aws: LocalAws;

  before(async function () {
    this.timeout(60_000);
    aws = await startLocalAws();
  });
  after(() => aws.stop());

  for (const isAbstract of [false, true]) {
    it(`is ready when it works, says what it does, and says when it ends (${isAbstract ? "abstract name" : "path"})`, async () => {
      await using service = await makeServiceHost(aws, EVERY_SECOND, { isAbstract });
      const { host, manager } = service;
      await using agent = service.start({ env: { WATCHDOG_USEC: "900000" } });
      await manager.next(isText("READY=1"));
      expect(manager.texts[0]).to.equal("STATUS=starting");
      await service.status(/^next sweep (in \d+ s|now), 0 files waiting$/);
      await manager.next(isText("WATCHDOG=1"));
      await manager.next(isText("WATCHDOG=1"));
      await host.write("a.csv");
      await agent.next(is("file.removed"));
      await manager.next(isText("WATCHDOG=1"));
      agent.kill("SIGTERM");
      await manager.next(isText("STOPPING=1"));
      await service.status(/^stopped$/);
      expect((await agent.ended()).exitCode).to.equal(0);
      // The test's host reloads the agent once, at its start.
      expect(statesOf(manager.texts)).to.have.members([
        "READY=1",
        "RELOADING=1",
        "READY=1",
        "STOPPING=1",
      ]);
      expect(statesOf(manager.texts).at(-1)).to.equal("STOPPING=1");
      expect(new Set(manager.notices.map(({ pid }) => pid))).to.have.property("size", 1);
    });
  }

  it("is not ready while another agent holds its state, and says why it could not start", async () => {
    await using service = await makeServiceHost(aws, DAILY);
    await using first = service.host.start();
    await first.next(is("config.applied"));
    const second = await service.start().ended();
    expect(second.exitCode).to.equal(4);
    await service.status(/^failed: Another agent uses the state directory/);
    expect(service.manager.texts).not.to.include("READY=1");
  });

  it("says in one line why its bootstrap file is of no use", async () => {
    await using service = await makeServiceHost(aws, DAILY);
    await writeFile(service.host.bootstrap, "fleet: [unfinished\n");
    expect((await service.start().ended()).exitCode).to.equal(2);
    const status = await service.status(/^failed: /);
    expect(status).to.include(service.host.bootstrap).and.not.to.include("\n");
    expect([...status]).to.have.length.at.most(200);
    expect(service.manager.texts).not.to.include("READY=1");
  });

  it("is ready without a configuration, and says what it waits for", async () => {
    await using service = await makeServiceHost(aws, { bucket: undefined, directory: undefined });
    await using agent = service.start();
    await service.manager.next(isText("READY=1"));
    await service.status(/^waiting for the first configuration: .*bucket/);
    await service.host.operator.setParameter("bucket", service.host.bucket);
    await service.host.operator.setParameter("directory", service.host.watched);
    agent.kill("SIGHUP");
    await service.status(/^next sweep in /);
  });

  it("says why nothing goes: no credentials, and no secret is in it", async () => {
    await using service = await makeServiceHost(aws, DAILY);
    await using _agent = service.start({
      env: {
        AWS_ACCESS_KEY_ID: undefined,
        AWS_SECRET_ACCESS_KEY: undefined,
        S3_OFFLOAD_CREDENTIALS: `process:echo ${SECRET_MARK}; exit 3`,
      },
    });
    const status = await service.status(/^waiting for the first configuration: .*credential/i);
    expect(status).not.to.include(SECRET_MARK);
  });

  it("says that the directory is missing, and when it is there again", async () => {
    await using service = await makeServiceHost(aws, EVERY_SECOND);
    const { host } = service;
    await using agent = service.start();
    await agent.next(is("sweep.completed"));
    await rename(host.watched, `${host.folder}/elsewhere`);
    const status = await service.status(/watched.*; next sweep /);
    expect(status).not.to.match(/^next sweep/);
    await rename(`${host.folder}/elsewhere`, host.watched);
    await service.status(/^next sweep /);
  });

  it("says that a configuration is refused, and works on", async () => {
    await using service = await makeServiceHost(aws, DAILY);
    await using agent = service.start();
    await agent.next(is("config.applied"));
    await service.host.operator.setParameter("schedule", "rate(5 parsecs)");
    agent.kill("SIGHUP");
    await service.status(/^configuration refused: .*schedule.*; next sweep in /);
  });

  it("ends each reload, whether it takes something new, refuses it, or reaches nobody", async () => {
    await using service = await makeServiceHost(aws, DAILY);
    const { host, manager } = service;
    await using ssm = await startProxy(aws.endpoint);
    await using agent = service.start({ env: { AWS_ENDPOINT_URL_SSM: ssm.endpoint } });
    await agent.next(is("config.applied"));
    // Its test host has reloaded it once at the start.
    await manager.next((text) => text.startsWith("RELOADING=1\nMONOTONIC_USEC="));
    await manager.next(isText("READY=1"));
    const reload = async () => {
      agent.kill("SIGHUP");
      const { text } = await manager.next((one) => one.startsWith("RELOADING=1"));
      const monotonicUs = BigInt(/MONOTONIC_USEC=(\d+)$/.exec(text)?.[1] ?? "0");
      expect(monotonicUs * 1_000n <= process.hrtime.bigint()).to.equal(true);
      await manager.next(isText("READY=1"));
    };
    await host.operator.setParameter("prefix", "new/");
    await reload();
    expect(agent.records.filter(is("config.applied"))).to.have.length(2);
    await host.operator.setParameter("prefix", "bad/../");
    await reload();
    expect(agent.records.filter(is("config.refused"))).to.have.length(1);
    ssm.setBroken(true);
    await reload();
    expect(agent.records.filter(is("config.unreachable"))).to.have.length(1);
  });

  it("asks for time while it drains, and says what for", async () => {
    await using service = await makeServiceHost(aws, { ...EVERY_SECOND, concurrency: "2" });
    const { host, manager } = service;
    await using s3 = await startProxy(aws.endpoint);
    for (const name of ["a.csv", "b.csv", "c.csv"]) await host.write(name);
    s3.hold();
    await using agent = service.start({ env: { AWS_ENDPOINT_URL_S3: s3.endpoint } });
    await s3.arrived(2);
    await service.status(/^sweeping: 0 files done, 2 in flight/);
    agent.kill("SIGTERM");
    await manager.next(isText("STOPPING=1"));
    const { text } = await manager.next((one) => one.startsWith("EXTEND_TIMEOUT_USEC="));
    // Until the next look but two.
    expect(Number(text.split("=")[1])).to.be.within(10_000_000, WATCHDOG_MS * 1_000);
    await service.status(/^stopping: 2 files in flight$/);
    s3.release();
    await service.status(/^stopped$/);
    expect((await agent.ended()).exitCode).to.equal(0);
  });

  it("keeps its socket and its ambient capabilities from its children", async () => {
    await using service = await makeServiceHost(aws, DAILY);
    const seen = `${service.host.folder}/seen`;
    const look = `{ env | grep -E "^(PATH|NOTIFY_SOCKET|WATCHDOG.*)="; grep ^CapAmb: /proc/self/status; } >${seen}.new && mv ${seen}.new ${seen}`;
    const isRoot = isRootOr("ambient capabilities");
    await using _agent = service.start({
      ...(isRoot && { by: ["setpriv", "--inh-caps=+net_raw", "--ambient-caps=+net_raw"] }),
      env: {
        AWS_ACCESS_KEY_ID: undefined,
        AWS_SECRET_ACCESS_KEY: undefined,
        S3_OFFLOAD_CREDENTIALS: `process:${look}; exit 1`,
      },
    });
    await service.status(/credential process/);
    const text = await readFile(seen, "utf8");
    expect(text)
      .to.match(/^PATH=/m)
      .and.not.to.match(/NOTIFY_SOCKET|WATCHDOG/);
    expect(text).to.match(/^CapAmb:\t0+$/m);
  });
});

describe("the watchdog", () => {
  let aws: LocalAws;

  before(async function () {
    this.timeout(60_000);
    aws = await startLocalAws();
  });
  after(() => aws.stop());

  it("is fed while S3 never answers: requests have limits and are tried again, for longer than anything hangs", async function () {
    this.timeout(120_000);
    await using service = await makeServiceHost(aws, { ...EVERY_SECOND, concurrency: "1" });
    const { host, manager } = service;
    await using s3 = await startProxy(aws.endpoint);
    for (const name of ["a.csv", "b.csv", "c.csv", "d.csv"]) await host.write(name);
    s3.hold();
    await using agent = service.start({
      isHurried: true,
      env: { AWS_ENDPOINT_URL_S3: s3.endpoint },
    });
    // Three of each file, a minute each: the seventh begins when six minutes are over.
    await s3.arrived(8);
    expect(agent.records.filter(is("agent.stuck"))).to.deep.equal([]);
    expect(manager.texts.filter((text) => text.startsWith("STATUS=HANGS"))).to.deep.equal([]);
    const fed = manager.texts.filter(isText("WATCHDOG=1")).length;
    while (manager.texts.filter(isText("WATCHDOG=1")).length === fed) {
      await manager.next(isText("WATCHDOG=1"));
    }
  });

  for (const [what, action] of [
    ["a call that never comes back", "hang"],
    ["every thread stuck, as in a dead mount", "hang-thread-pool"],
  ] as const) {
    it(`runs out when a sweep hangs (${what}), and a record says where`, async function () {
      this.timeout(120_000);
      await using service = await makeServiceHost(aws, EVERY_SECOND);
      const { host, manager } = service;
      await using agent = service.start({ isHurried: true, plan: { op: "^read$", at: 1, action } });
      await manager.next(isText("READY=1"));
      await manager.next(isText("WATCHDOG=1"));
      await host.write("a.csv");
      const stuck = await agent.next(is("agent.stuck"));
      expect(stuck).to.include({ level: "error", task: "the sweep of route default" });
      expect(stuck["quietSeconds"]).to.be.at.least(300);
      await service.status(/^HANGS: the sweep of route default has not got on for \d+ min/);
      await service.expired();
      expect(agent.records.filter(is("agent.stuck"))).to.have.length(1);
    });
  }

  // The file of the configuration is made at the start, and replaced when one is kept.
  for (const [when, file, at, task] of [
    ["at its start", "", 1, "the start"],
    ["when it keeps a configuration", "/config", 2, "the keeping of the configuration"],
  ] as const) {
    it(`runs out when the state directory hangs under an agent ${when}`, async function () {
      this.timeout(120_000);
      await using service = await makeServiceHost(aws, DAILY);
      const under = [`${service.host.folder}/state${file}`];
      await using agent = service.start({
        isHurried: true,
        plan: { under, op: "^rename$", at, every: true, action: "hang" },
      });
      expect(await agent.next(is("agent.stuck"))).to.include({ task });
      await service.expired();
      // Whoever hangs at the start is not given more time for it.
      if (task === "the start") expect(service.manager.texts).not.to.include("READY=1");
    });
  }

  it("runs out when the event loop is blocked", async function () {
    this.timeout(120_000);
    await using service = await makeServiceHost(aws, EVERY_SECOND);
    await using agent = service.start({
      isHurried: true,
      plan: { op: "^read$", at: 1, action: "hang-event-loop" },
    });
    await agent.next(is("sweep.completed"));
    await service.host.write("a.csv");
    await service.expired();
    expect(agent.records.filter(is("file.removed"))).to.deep.equal([]);
  });
});
