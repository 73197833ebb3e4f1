import { expect } from "chai";
import {
  type AgentWorld,
  type ConfigureOptions,
  followingHost,
  is,
  openWorld,
  SPOOL,
  UNIT,
  untilAllTaken,
} from "../support/hosts/agent-host.ts";
import { blockEventLoop } from "../support/hosts/blocked-loop.ts";
import { shareInstalledHost } from "../support/hosts/shared-hosts.ts";
import type { SystemdHost } from "../support/hosts/systemd-host.ts";

describe("the service", () => {
  const shared = shareInstalledHost();

  const start = (world: AgentWorld, options?: ConfigureOptions) =>
    followingHost(shared().base, world, options);

  const produce = async (world: AgentWorld, host: SystemdHost, count: number, folder = SPOOL) => {
    for (let n = 0; n < count; n += 1) {
      await world.produce(host, `${folder}/${n}.csv`, `${host.name} ${n}\n`.repeat(100));
    }
  };
  /** Every file is in the bucket and gone from the disk. @param twice so many may be there twice */
  const allSent = async (
    world: AgentWorld,
    host: SystemdHost,
    { files, twice = 0 }: { files: number; twice?: number },
  ) => {
    await untilAllTaken(host);
    const { duplicates, ...verdict } = await world.verify(host, SPOOL);
    expect(verdict).to.deep.include({ lost: [], foreign: [], touched: [], files, onDisk: 0 });
    expect(duplicates).to.be.at.most(twice);
    expect(world.s3.objects(world.bucket)).to.have.lengthOf(files + duplicates);
  };
  /** Uploads that S3 has taken and that nobody heard of: who may not read cannot know of them. */
  const unheard = ({ s3 }: AgentWorld) =>
    s3.requests.filter(({ step, answer }) => step === "stored" && typeof answer !== "number")
      .length;
  const mainPid = async (host: SystemdHost) => (await host.unit(UNIT, "MainPID"))["MainPID"] ?? "";

  it("ends in time when it is stopped amid slow and hanging uploads, and what S3 has taken is sent", async () => {
    await using world = await openWorld(shared().aws);
    const held = Promise.withResolvers<void>();
    world.s3.onPut(({ key }) =>
      key.endsWith("/0.csv") ? { kind: "hang" } : { kind: "delay", until: held.promise },
    );
    await using host = await start(world, { parameters: { concurrency: "4" } });
    await produce(world, host, 20);
    await world.s3.waitUntil((requests) => requests.length === 4);
    const stopped = host.must(["systemctl", "stop", UNIT]);
    await host.until("a status that tells of the stop", async () =>
      (await host.unit(UNIT, "StatusText"))["StatusText"]?.startsWith("stopping"),
    );
    held.resolve();
    await stopped;
    expect(await host.unit(UNIT, "Result", "ActiveState", "ExecMainStatus")).to.deep.equal({
      Result: "success",
      ActiveState: "inactive",
      ExecMainStatus: "0",
    });
    const verdict = await world.verify(host, SPOOL);
    expect(verdict).to.deep.include({ lost: [], foreign: [], duplicates: 0 });
    // Those that S3 had, and nothing new: each was asked for once.
    const stored = world.s3.objects(world.bucket).size;
    expect(stored).to.equal(3);
    expect(world.s3.requests).to.have.lengthOf(4);
    expect(verdict.onDisk).to.equal(20 - stored);
    world.s3.onPut(undefined);
    await host.must(["systemctl", "start", UNIT]);
    await allSent(world, host, { files: 20 });
  });

  it("is started again when it is killed amid uploads, and sends every file once", async () => {
    await using world = await openWorld(shared().aws);
    world.s3.onPut(() => ({ kind: "hang" }));
    await using host = await start(world, { parameters: { concurrency: "8" } });
    await produce(world, host, 20);
    await world.s3.waitUntil((requests) => requests.length === 8);
    const pid = await mainPid(host);
    world.s3.onPut(undefined);
    await host.must(["kill", "-KILL", pid]);
    await host.first(({ event, pid: own }) => event === "agent.started" && String(own) !== pid);
    await allSent(world, host, { files: 20 });
    expect(await host.unit(UNIT, "NRestarts")).to.deep.equal({ NRestarts: "1" });
  });

  it("is ended by the watchdog and started again when it is frozen, and when its event loop is blocked", async () => {
    const strikes = [
      (host: SystemdHost, pid: string) => host.must(["kill", "-STOP", pid]),
      (host: SystemdHost, pid: string) => blockEventLoop(host, Number(pid)),
    ];
    // Side by side: each takes as long as the watchdog waits.
    const outcomes = strikes.map(async (strike) => {
      await using world = await openWorld(shared().aws);
      world.s3.onPut(() => ({ kind: "hang" }));
      await using host = await start(world);
      await produce(world, host, 5);
      await world.s3.waitForRequests(1);
      const pid = await mainPid(host);
      await strike(host, pid);
      world.s3.onPut(undefined);
      const isNext = (record: Readonly<Record<string, unknown>>) =>
        record["event"] === "agent.started" && String(record["pid"]) !== pid;
      await host.first(isNext, { timeoutMs: 90_000 });
      await host.entry(
        ({ unit, message }) => unit === UNIT && message.includes("Watchdog timeout"),
      );
      await allSent(world, host, { files: 5 });
    });
    await Promise.all(outcomes);
  });

  it("goes on after a reboot and after power cuts amid uploads, and sends every file once", async () => {
    await using world = await openWorld(shared().aws);
    world.s3.onPut(({ index }) => (index % 2 === 0 ? { kind: "lost-answer" } : undefined));
    await using host = await start(world);
    let files = 0;
    const more = async () => {
      for (const end = files + 10; files < end; files += 1) {
        await world.produce(host, `${SPOOL}/${files}.csv`, `${host.name} ${files}\n`);
      }
    };
    const requests = () => world.s3.requests.length;
    await more();
    await world.s3.waitForRequests(requests() + 3);
    expect(await host.reboot()).to.equal("running");
    for (let cut = 0; cut < 3; cut += 1) {
      await more();
      await host.must(["systemctl", "reload", UNIT]);
      await world.s3.waitForRequests(requests() + 3);
      await host.cutPower();
      expect((await world.verify(host, SPOOL)).lost).to.deep.equal([]);
      expect(await host.boot()).to.equal("running");
    }
    world.s3.onPut(undefined);
    await host.must(["systemctl", "restart", UNIT]);
    await allSent(world, host, { files, twice: unheard(world) });
  });

  it("is started again, and goes on, when its allowed root is removed and made anew", async () => {
    await using world = await openWorld(shared().aws);
    await using host = await start(world);
    await host.must(`rm -r ${SPOOL} && mkdir ${SPOOL}`);
    await host.first(is("agent.restarting"));
    await host.until("another start", async () => {
      const { NRestarts, ActiveState } = await host.unit(UNIT, "NRestarts", "ActiveState");
      return NRestarts === "1" && ActiveState === "active";
    });
    await produce(world, host, 3);
    await allSent(world, host, { files: 3 });
    expect(await host.unit(UNIT, "NRestarts")).to.deep.equal({ NRestarts: "1" });
  });
});
