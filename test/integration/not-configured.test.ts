import { readFile, writeFile } from "node:fs/promises";
import { expect } from "chai";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { makeServiceHost, type ServiceHost } from "../support/service-host.ts";

const DAILY = { schedule: "rate(1 day)", "refresh-interval": "1d" };

/** Takes the fleet out of the bootstrap file. @returns the file with it */
async function unwriteFleet({ host }: ServiceHost): Promise<string> {
  const text = await readFile(host.bootstrap, "utf8");
  await writeFile(host.bootstrap, text.replace(/^fleet:.*\n/m, ""));
  return text;
}

describe("an installed agent that nobody has configured", () => {
  let aws: LocalAws;

  before(async function () {
    this.timeout(60_000);
    aws = await startLocalAws();
  });
  after(() => aws.stop());

  it("is ready, says what to write, and goes on by itself when it is written", async () => {
    await using service = await makeServiceHost(aws, DAILY);
    const text = await unwriteFleet(service);
    await using agent = service.start();
    await service.manager.next((one) => one === "READY=1");
    expect(await service.status(/^not configured: /)).to.include(service.host.bootstrap);
    await writeFile(service.host.bootstrap, text);
    await agent.next(({ event }) => event === "config.applied");
    agent.kill("SIGTERM");
    const { exitCode, stderr } = await agent.ended();
    expect(exitCode).to.equal(0);
    expect(stderr).to.match(/fleet is required and not set.*\n {2}way out: Set `fleet: NAME`/);
  });

  it("looks again on a reload, and stops at once", async () => {
    await using service = await makeServiceHost(aws, DAILY);
    await unwriteFleet(service);
    await using agent = service.start();
    await service.status(/^not configured: /);
    agent.kill("SIGHUP");
    await service.status(/^not configured: /);
    agent.kill("SIGTERM");
    const { exitCode, killedBy } = await agent.ended();
    expect([exitCode, killedBy]).to.deep.equal([0, null]);
  });

  it("ends with 2 where no service manager hears it", async () => {
    await using service = await makeServiceHost(aws, DAILY);
    await unwriteFleet(service);
    const { exitCode, stderr } = await service.start({ env: { NOTIFY_SOCKET: undefined } }).ended();
    expect(exitCode).to.equal(2);
    expect(stderr).to.match(/fleet is required/);
  });

  it("lets nobody but root say what it may take", async function () {
    if (process.geteuid?.() !== 0) this.skip();
    await using service = await makeServiceHost(aws, DAILY);
    const { host } = service;
    const before = await readFile(host.bootstrap, "utf8");
    const { exitCode, stderr } = await host.run(["allow", host.watched], { uid: 65_534 });
    expect(exitCode).to.equal(2);
    expect(stderr).to.include(`sudo s3-offload-agent allow ${host.watched}`);
    expect(await readFile(host.bootstrap, "utf8")).to.equal(before);
  });
});
