import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { mkdtempDisposable, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { expect } from "chai";
import { changedAt } from "../../../src/sweep/decide.ts";
import { OPEN_FILES_MAX, sweep, WINDOW_MAX } from "../../../src/sweep/sweep.ts";
import { startShell } from "../../support/child.ts";
import { descriptorsBelow } from "../../support/descriptors.ts";
import { expectedOrder } from "../../support/expected-order.ts";
import { MemoryStore, POLICY, REFUSED, SLOW_DOWN } from "../../support/memory-store.ts";
import { Listener, makePlace } from "../../support/sweep-place.ts";
import { openContext } from "../../support/transfer-context.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe("sweep: a backlog", () => {
  it("of 10,000 files goes in the order of age as far as the window sees", async function () {
    this.timeout(60_000);
    // In memory: thousands of writes to a disk are not what this is about.
    await using memory = await mkdtempDisposable("/dev/shm/s3oa-backlog-");
    await using state = await mkdtempDisposable("/dev/shm/s3oa-state-");
    const count = 10_000;
    const base = Date.now();
    for (let n = 0; n < count; n += 1) {
      const path = `${memory.path}/f${n}`;
      await writeFile(path, "x");
      // Each another time, in an order that is none; 7,919 is prime.
      const at = new Date(base + MINUTE + ((n * 7_919) % count) * 10);
      await utimes(path, at, at);
    }
    const store = new MemoryStore();
    await using context = await openContext(memory.path, store, {}, state.path);
    const scanned = new Map<string, number>();
    const observer = new Listener();
    observer.onDecided = (entry) => {
      scanned.set(entry.path.toString(), changedAt(entry));
    };
    const report = await sweep({
      ...context,
      observer,
      concurrency: 1,
      quarantineAfter: 0,
      isDryRun: false,
      stop: new AbortController().signal,
    });
    expect(report, JSON.stringify(report)).to.include({
      filesRemoved: count,
      backlogFiles: 0,
      filesWaiting: 0,
    });
    const taken = store.requests.map(({ key }) => scanned.get(key));
    expect(taken).to.deep.equal(expectedOrder([...scanned.values()], WINDOW_MAX));
    expect(readdirSync(memory.path)).to.deep.equal([]);
  });

  it("never has more files open than a service may, and a place that comes free is no leave after a stop", async function () {
    this.timeout(60_000);
    await using place = await makePlace(OPEN_FILES_MAX + 50);
    const stop = new AbortController();
    const aside = Promise.withResolvers<void>();
    let most = 0;
    place.store.onPut = (_, nth) => {
      most = Math.max(most, descriptorsBelow(place.root));
      // The last one for which there is a place; those behind it wait for the first removal.
      if (nth === OPEN_FILES_MAX) setImmediate(() => stop.abort());
    };
    const before = descriptorsBelow(place.root);
    const clock = { ...place.clock, sleep: () => aside.promise };
    const waiting: Promise<unknown> = new Promise((resolve) => {
      stop.signal.addEventListener("abort", resolve);
    });
    const sweeping = place.run({ clock, stop: stop.signal, concurrency: 8 });
    await waiting;
    expect(place.store.requests).to.have.length(OPEN_FILES_MAX);
    aside.resolve();
    const report = await sweeping;
    expect(report).to.include({ filesRemoved: OPEN_FILES_MAX, isInterrupted: true });
    expect(place.store.requests).to.have.length(OPEN_FILES_MAX);
    // The files, and the few that a scan and the state hold.
    expect(most - before).to.be.within(OPEN_FILES_MAX - 10, OPEN_FILES_MAX + 10);
  });

  it("the destination found down while files wait for a place: none of them is tried", async function () {
    this.timeout(60_000);
    const rest = 60;
    await using place = await makePlace(OPEN_FILES_MAX + rest);
    const aside = Promise.withResolvers<void>();
    // All places but one are taken by files that stand aside; what fails takes turns in that one.
    place.store.reply = (_, nth) =>
      nth < OPEN_FILES_MAX ? "store" : { ...SLOW_DOWN, isRetryable: false };
    const { onOutcome } = place.observer;
    place.observer.onOutcome = (entry, outcome) => {
      onOutcome.call(place.observer, entry, outcome);
      if (outcome.kind === "kept") aside.resolve();
    };
    const clock = { ...place.clock, sleep: () => aside.promise };
    const concurrency = 8;
    const report = await place.run({ clock, concurrency });
    expect(report.stoppedEarly).to.match(/^SlowDown: /);
    // A success that was under way already when the first one failed begins the count anew.
    const failures = place.store.requests.length - (OPEN_FILES_MAX - 1);
    expect(failures).to.be.within(16, 16 + concurrency - 1);
    expect(place.observer.count("kept deferred")).to.equal(rest + 1 - failures);
  });
});

describe("sweep: files that are not due", () => {
  it("a file that failed is deferred, tried when it is due, and moved when it goes", async () => {
    await using place = await makePlace(2);
    place.store.reply = ({ key }) => (key === "f0" ? REFUSED : "store");
    expect(await place.run()).to.include({ filesRemoved: 1, filesFailed: 1, filesDeferred: 0 });
    // The next sweep tries once more, and only then there is a pause.
    expect(await place.run()).to.include({ filesFailed: 1, filesDeferred: 0 });
    for (let sweeps = 0; sweeps < 3; sweeps += 1) {
      await place.restart();
      const report = await place.run();
      expect(report).to.include({ filesFailed: 0, filesDeferred: 1, backlogFiles: 1 });
    }
    expect(place.store.requests).to.have.length(3);
    place.pass(MINUTE);
    place.store.reply = () => "store";
    expect(await place.run()).to.include({ filesRemoved: 1, filesDeferred: 0, backlogFiles: 0 });
    expect([...place.context().attempts.list()]).to.deep.equal([]);
  });

  it("a sweep that was stopped forgets none of those that it did not come to", async () => {
    await using place = await makePlace(20);
    place.store.reply = () => REFUSED;
    await place.run();
    expect(await place.run({ stop: AbortSignal.abort() })).to.include({ isInterrupted: true });
    await place.restart();
    expect([...place.context().attempts.list()]).to.have.length(20);
  });

  it("a failure of the service or the host is nobody's pause", async () => {
    await using place = await makePlace(1);
    place.store.reply = () => ({ ...SLOW_DOWN, isRetryable: false });
    await place.run();
    expect(await place.run()).to.include({ filesDeferred: 0, filesFailed: 1 });
    expect(place.store.requests).to.have.length(2);
  });

  it("one that has not settled after an hour is told of, in every sweep, after restarts too", async () => {
    await using place = await makePlace(0);
    const future = new Date(place.clock.now() + 100 * HOUR);
    await writeFile(`${place.root}/future`, "");
    await utimes(`${place.root}/future`, future, future);
    await writeFile(`${place.root}/busy`, "");
    await using writer = startShell('exec 3>>"$1"; echo open; read _', `${place.root}/busy`);
    expect(await writer.line()).to.equal("open");
    expect(await place.run()).to.include({ filesWaiting: 2, filesUnsettled: 0, backlogFiles: 0 });
    place.pass(HOUR + POLICY.settleMs - 1);
    await place.restart();
    expect(await place.run()).to.include({ filesWaiting: 2, filesUnsettled: 0 });
    expect(place.observer.notices).to.deep.equal([]);
    place.pass(1);
    expect(await place.run()).to.include({ filesWaiting: 2, filesUnsettled: 2 });
    const notice = { kind: "unsettled", sinceMs: HOUR + POLICY.settleMs };
    expect(place.observer.notices).to.have.deep.members([
      { path: "future", notice },
      { path: "busy", notice },
    ]);
    await place.restart();
    expect(await place.run()).to.include({ filesUnsettled: 2 });
    writer.say("end");
    await writer.ended();
    expect(await place.run()).to.include({ filesRemoved: 1, filesUnsettled: 1 });
  });

  it("a dry run knows nothing of how long a file has been there, and writes nothing down", async () => {
    await using place = await makePlace(1);
    const policy = { ...POLICY, settleMs: 2 * HOUR };
    expect(await place.run({ isDryRun: true, policy })).to.include({ filesWaiting: 1 });
    expect([...place.context().attempts.list()]).to.deep.equal([]);
  });
});

describe("sweep: what is no file", () => {
  it("is never opened: a FIFO's writer waits on, a socket and a device hear nothing", async () => {
    await using place = await makePlace(1);
    const fifo = `${place.root}/fifo`;
    execFileSync("mkfifo", [fifo]);
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) execFileSync("mknod", [`${place.root}/device`, "c", "1", "3"]);
    let connections = 0;
    const server = createServer(() => {
      connections += 1;
    });
    await new Promise<void>((resolve) => server.listen(`${place.root}/socket`, resolve));
    await using writer = startShell('echo waiting; echo through > "$1"; echo written', fifo);
    expect(await writer.line()).to.equal("waiting");

    const report = await place.run();
    expect(report).to.include({ filesRemoved: 1, filesIgnored: isRoot ? 3 : 2, filesFailed: 0 });
    const decision = { action: "ignore", reason: "not-regular" };
    expect(place.observer.decisions.get("fifo")).to.deep.equal(decision);
    expect(place.observer.decisions.get("socket")).to.deep.equal(decision);
    expect(connections).to.equal(0);
    // Whoever had opened it for reading would have let the writer write, and have his line.
    await using reader = startShell('exec cat "$1"', fifo);
    expect(await reader.line()).to.equal("through");
    expect(await writer.line()).to.equal("written");
    server.close();
  });
});
