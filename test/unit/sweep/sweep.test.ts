import { execFileSync } from "node:child_process";
import { link, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { expect } from "chai";
import { laterClock, POLICY, passTick, REFUSED, SLOW_DOWN } from "../../support/memory-store.ts";
import { Listener, makePlace } from "../../support/sweep-place.ts";

describe("sweep", () => {
  it("moves a file with several names, one name after the other", async () => {
    await using place = await makePlace(1);
    for (const name of ["g0", "g1"]) await link(`${place.root}/f0`, `${place.root}/${name}`);
    for (let names = 3; names > 0; names -= 1) await place.run();
    expect(await place.left()).to.eql([]);
    expect([...place.store.objects.keys()].sort()).to.eql(["f0", "g0", "g1"]);
  });

  it("moves every settled file, and finds nothing the next time", async () => {
    await using place = await makePlace(50);
    expect(await place.run()).to.include({
      filesRemoved: 50,
      backlogFiles: 0,
      isInterrupted: false,
    });
    expect(await place.left()).to.deep.equal([]);
    expect(place.store.objects.get("f7")?.toString()).to.equal("content of f7");
    expect(await place.run()).to.include({ filesRemoved: 0, filesFailed: 0 });
  });

  it("counts every entry once, and the settled ones that stay as backlog", async () => {
    await using place = await makePlace(3);
    const clock = laterClock();
    const future = new Date(clock.now() + 60_000);
    await writeFile(`${place.root}/future`, "");
    await utimes(`${place.root}/future`, future, future);
    await writeFile(`${place.root}/.nfs1`, "");
    await writeFile(`${place.root}/replaced`, "1234");
    await writeFile(`${place.root}/refused`, "123");
    await writeFile(`${place.root}/skipped`, "");
    await symlink("f0", `${place.root}/link`);
    execFileSync("mkfifo", [`${place.root}/fifo`]);
    place.store.reply = ({ key }) => (key === "refused" ? REFUSED : "store");
    place.store.onPut = async ({ key }) => {
      if (key !== "replaced") return;
      await writeFile(`${place.root}/.nfs2`, "another");
      await rename(`${place.root}/.nfs2`, `${place.root}/replaced`);
    };
    const policy = { ...POLICY, isSelected: (path: string) => path !== "skipped" };
    const moment = () => ({ now: clock.now(), steadySince: 0 });
    const report = await place.run({ clock, moment, policy });
    expect(report).to.include({
      filesRemoved: 3,
      bytesRemoved: 3 * "content of f0".length,
      filesWaiting: 1,
      filesKept: 1,
      filesFailed: 1,
      filesFailedByService: 0,
      filesIgnored: 4,
      backlogFiles: 2,
      backlogBytes: 4 + 3,
      stoppedEarly: undefined,
    });
    const { filesRemoved, filesFailed, filesKept, filesWaiting, filesIgnored } = report;
    const sum = filesRemoved + filesFailed + filesKept + filesWaiting + filesIgnored;
    expect(sum).to.equal(place.observer.decisions.size);
    // Made just now, the clock is an hour ahead, and 30 seconds is the settle age.
    expect(report.oldestSettledAgeSeconds).to.be.within(3_500, 3_570);
  });

  it("one bad file stops only itself", async () => {
    await using place = await makePlace(20);
    place.store.reply = ({ key }) => (key === "f3" ? REFUSED : "store");
    place.store.onPut = async ({ key }) => {
      if (key === "f4") await rm(`${place.root}/f4`);
      if (key === "f5") throw new Error("a bug in the store");
    };
    const report = await place.run();
    expect(report).to.include({ filesRemoved: 17, filesFailed: 2 });
    expect((await place.left()).toSorted()).to.deep.equal(["f3", "f5"]);
  });

  it("stops after 16 failures of the service in a row, and keeps the rest for later", async () => {
    await using place = await makePlace(40);
    place.store.reply = () => ({ ...SLOW_DOWN, isRetryable: false });
    const report = await place.run({ concurrency: 1 });
    expect(report).to.include({
      filesFailed: 16,
      filesFailedByService: 16,
      filesKept: 24,
      backlogFiles: 40,
    });
    expect(report.stoppedEarly).to.match(/^SlowDown: /);
    expect(place.store.requests).to.have.length(16);
    expect(place.observer.count("kept deferred")).to.equal(24);
    expect(await place.left()).to.have.length(40);
  });

  it("files that are refused, though they come first, do not keep the others from going", async () => {
    await using place = await makePlace(60);
    const denied = { ...SLOW_DOWN, code: "AccessDenied", isRetryable: false };
    for (let index = 0; index < 30; index += 1) {
      await rename(`${place.root}/f${index}`, `${place.root}/.f${index}`);
    }
    // The others have changed last: the sweep begins with those that are refused.
    await passTick(`${place.root}/.f29`, `${place.root}/f30`);
    for (let index = 30; index < 60; index += 1) {
      await utimes(`${place.root}/f${index}`, 1_000, 1_000);
    }
    place.store.reply = ({ key }) => (key.startsWith(".") ? denied : "store");
    const report = await place.run({ concurrency: 1 });
    expect(report).to.include({ filesRemoved: 30, filesFailed: 30, stoppedEarly: undefined });
  });

  it("goes on while something succeeds between, and while only files are to blame", async () => {
    await using place = await makePlace(48);
    const serviceFailure = { ...SLOW_DOWN, isRetryable: false };
    place.store.reply = (_, nth) => (nth % 16 === 0 ? "store" : serviceFailure);
    expect(await place.run({ concurrency: 1 })).to.include({
      filesRemoved: 3,
      filesFailed: 45,
      stoppedEarly: undefined,
    });
    place.store.reply = () => REFUSED;
    expect(await place.run({ concurrency: 1 })).to.include({
      filesFailed: 45,
      stoppedEarly: undefined,
    });
  });

  it("a dry run decides, tells and touches nothing", async () => {
    await using place = await makePlace(5);
    await writeFile(`${place.root}/.nfs1`, "");
    const report = await place.run({ isDryRun: true });
    expect(report).to.include({ filesRemoved: 0, backlogFiles: 5, filesIgnored: 1 });
    expect(place.observer.decisions.size).to.equal(6);
    expect(place.observer.outcomes.size).to.equal(0);
    expect(place.store.requests).to.have.length(0);
    expect(await place.left()).to.have.length(6);
  });

  it("told to stop: what is in flight ends, nothing else begins", async () => {
    await using place = await makePlace(30);
    const stop = new AbortController();
    place.store.onPut = (_, nth) => {
      if (nth === 5) stop.abort();
    };
    const report = await place.run({ stop: stop.signal, concurrency: 1 });
    expect(report).to.include({ filesRemoved: 5, filesFailed: 0, isInterrupted: true });
    expect(place.store.requests).to.have.length(5);
    expect(await place.left()).to.have.length(25);
  });

  it("cancelled: every file stays, and none counts as failed", async () => {
    await using place = await makePlace(10);
    const controller = new AbortController();
    place.store.onPut = () => controller.abort();
    const report = await place.run({ stop: controller.signal, cancel: controller.signal });
    expect(report).to.include({ filesRemoved: 0, filesFailed: 0, isInterrupted: true });
    expect(place.store.objects.size).to.equal(0);
    expect(await place.left()).to.have.length(10);
  });

  it("never has more files in flight than it may, and uses what it may", async () => {
    for (const concurrency of [1, 3, 8]) {
      await using place = await makePlace(40);
      // All wait for the last one that may come, so that all that may be in flight are.
      const full = Promise.withResolvers<void>();
      place.store.onPut = async (_, nth) => {
        if (nth === concurrency) full.resolve();
        await full.promise;
      };
      await place.run({ concurrency });
      expect(place.store.mostInFlight).to.equal(concurrency);
    }
  });

  it("an entry that vanished counts nowhere", async () => {
    await using place = await makePlace(2);
    const observer = new Listener();
    observer.onDecided = (entry) => {
      if (entry.path.toString() === "f0") execFileSync("rm", [`${place.root}/f0`]);
    };
    const report = await place.run({ observer });
    expect(report).to.include({ filesRemoved: 1, filesKept: 0, filesFailed: 0, backlogFiles: 0 });
    expect(observer.count("kept vanished")).to.equal(1);
  });

  it("no settle age is too long: what is young waits", async () => {
    await using place = await makePlace(3);
    const report = await place.run({ policy: { ...POLICY, settleMs: 3_700_000 } });
    expect(report).to.include({ filesWaiting: 3, backlogFiles: 0, oldestSettledAgeSeconds: 0 });
    expect(place.store.requests).to.have.length(0);
  });
});
