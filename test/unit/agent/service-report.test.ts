import { expect } from "chai";
import { RELOAD_MS_MAX, ServiceReport } from "../../../src/agent/service-report.ts";
import { Progress, QUIET_MS_MAX } from "../../../src/lib/progress.ts";
import { findServiceManager } from "../../../src/lib/service-manager.ts";
import { checkedLogger } from "../../support/checked-logger.ts";
import { ManualClock, settle } from "../../support/manual-clock.ts";

const WATCHDOG_MS = 30_000;
const STOP_MS_MAX = 50_000;

/** A report in a time that a test moves; `said` is all that the service manager heard. */
function place({
  env = { WATCHDOG_USEC: `${WATCHDOG_MS}000` },
}: {
  env?: Record<string, string>;
} = {}) {
  const clock = new ManualClock();
  const said: { readonly at: number; readonly text: string }[] = [];
  const logged: string[] = [];
  const stop = new AbortController();
  const open = () => ({
    send: (text: string) => void said.push({ at: clock.monotonic(), text }),
    [Symbol.dispose]() {},
  });
  const progress = new Progress(clock);
  const logger = checkedLogger(clock);
  const report = new ServiceReport({
    manager: findServiceManager({ NOTIFY_SOCKET: "/n", ...env }, { open, monotonicUs: () => 1n }),
    progress,
    logger: {
      ...logger,
      log: (event, fields) => {
        logged.push(event);
        logger.log(event, fields);
      },
    },
    clock,
    stop: stop.signal,
    stopMsMax: STOP_MS_MAX,
  });
  report.start();
  return {
    clock,
    progress,
    report,
    logged,
    stop,
    /** What was said since this was called last. */
    take: () => said.splice(0).map(({ text }) => text),
    timesOf: (text: string) => said.filter((one) => one.text === text).map(({ at }) => at),
  };
}

const isExtension = (text: string) => text.startsWith("EXTEND_TIMEOUT_USEC=");

describe("what the service manager hears", () => {
  it("feeds the watchdog at a third of its time while the agent is idle", async () => {
    const { clock, report, timesOf } = place();
    report.ready();
    await clock.advance(10 * 60_000);
    const times = timesOf("WATCHDOG=1");
    const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
    expect(times.length).to.be.at.least(60);
    expect(Math.max(...gaps)).to.be.at.most(WATCHDOG_MS / 3);
    await report.end("stopped");
  });

  it("feeds it while work gets on, and not while it hangs; says so once, and goes on when that does", async () => {
    const { clock, progress, report, take, logged } = place();
    report.ready();
    using task = progress.begin("the sweep of route a");
    for (let minute = 0; minute < 60; minute += 1) {
      await clock.advance(60_000);
      task.mark("file");
    }
    expect(take().filter((text) => text === "WATCHDOG=1")).to.have.length.at.least(360);
    await clock.advance(QUIET_MS_MAX + 10_000);
    take();
    await clock.advance(2 * 60_000);
    const [first, ...rest] = take();
    expect(first).to.match(
      /^STATUS=HANGS: the sweep of route a has not got on for \d min, since "file"$/,
    );
    expect(rest.filter((text) => text === "WATCHDOG=1")).to.deep.equal([]);
    expect(logged).to.deep.equal(["agent.stuck"]);
    task.mark("file");
    await clock.advance(10_000);
    expect(take()).to.include("WATCHDOG=1");
    await clock.advance(QUIET_MS_MAX);
    expect(logged).to.deep.equal(["agent.stuck", "agent.stuck"]);
    await report.end("stopped");
  });

  it("does not take a process that stood still as a whole for one that hangs", async () => {
    const { clock, progress, report, logged } = place();
    using _task = progress.begin("a sweep");
    // Nothing wakes: a frozen process sees its timers come late.
    const sleep = clock.sleep.bind(clock);
    clock.sleep = (ms, signal) => sleep(ms < 10_000 ? ms + 20 * 60_000 : ms, signal);
    await clock.advance(60 * 60_000);
    expect(logged).to.deep.equal([]);
    await report.end("stopped");
  });

  it("tells a status when it changes, at most once a second, and no more often than it changes", async () => {
    const { clock, report, take } = place();
    let files = 0;
    report.follow(() => `${files} files done`);
    await clock.advance(2_000);
    take();
    for (files = 1; files <= 100; files += 1) {
      report.changed();
      await clock.advance(100);
    }
    const statuses = take().filter((text) => text.startsWith("STATUS="));
    expect(statuses).to.have.length.within(5, 11);
    await clock.advance(11_000);
    take();
    await clock.advance(60_000);
    expect(take().filter((text) => text.startsWith("STATUS="))).to.deep.equal([]);
    await report.end("stopped");
    expect(take()).to.deep.equal(["STATUS=stopped"]);
  });

  it("sees a change that nobody tells of within ten seconds", async () => {
    const { clock, report, take } = place();
    let text = "one";
    report.follow(() => text);
    await clock.advance(20_000);
    take();
    text = "two";
    await clock.advance(10_000);
    expect(take()).to.include("STATUS=two");
    await report.end("stopped");
  });

  it("asks for more time until it is ready, and then no longer", async () => {
    const { clock, report, take } = place();
    await clock.advance(60_000);
    expect(take().filter(isExtension)).to.have.length.at.least(6);
    report.ready();
    await clock.advance(1_000);
    take();
    await clock.advance(60_000);
    expect(take().filter(isExtension)).to.deep.equal([]);
    await report.end("stopped");
  });

  it("asks for no time for a start that hangs", async () => {
    const { clock, progress, report, take } = place();
    using _task = progress.begin("the start");
    await clock.advance(QUIET_MS_MAX + 10_000);
    take();
    await clock.advance(60_000);
    expect(take().filter(isExtension)).to.deep.equal([]);
    await report.end("stopped");
  });

  it("says that it stops, and asks for time as long as a stop may take, not longer", async () => {
    const { clock, report, take, stop } = place();
    report.ready();
    await clock.advance(2_000);
    take();
    stop.abort();
    await settle();
    expect(take()[0]).to.equal("STOPPING=1");
    await clock.advance(STOP_MS_MAX - 10_000);
    const times = take().filter(isExtension);
    expect(times).to.have.length.at.least(4);
    for (const text of times) {
      expect(Number(text.split("=")[1])).to.be.within(WATCHDOG_MS * 333, STOP_MS_MAX * 1_000);
    }
    await clock.advance(12_000);
    take();
    await clock.advance(60_000);
    expect(take().filter(isExtension)).to.deep.equal([]);
    await report.end("stopped");
  });

  it("ends each reload when it is over, when it fails, and at the latest after a minute", async () => {
    const { clock, report, take } = place();
    report.ready();
    const states = () => take().filter((text) => /^(READY|RELOADING)/.test(text));
    states();
    const good = Promise.withResolvers<void>();
    const reloading = report.reloading(good.promise);
    expect(states()).to.deep.equal(["RELOADING=1\nMONOTONIC_USEC=1"]);
    await clock.advance(1_000);
    expect(states()).to.deep.equal([]);
    good.resolve();
    await reloading;
    expect(states()).to.deep.equal(["READY=1"]);
    await report.reloading(Promise.reject(new Error("no")));
    expect(states()).to.deep.equal(["RELOADING=1\nMONOTONIC_USEC=1", "READY=1"]);
    void report.reloading(new Promise(() => {}));
    await clock.advance(RELOAD_MS_MAX - 1);
    expect(states()).to.deep.equal(["RELOADING=1\nMONOTONIC_USEC=1"]);
    await clock.advance(1);
    expect(states()).to.deep.equal(["READY=1"]);
    await report.end("stopped");
  });

  it("is ready again when the last of several reloads is over", async () => {
    const { report, take } = place();
    report.ready();
    const [one, two] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const first = report.reloading(one.promise);
    const second = report.reloading(two.promise);
    take();
    one.resolve();
    await first;
    expect(take()).not.to.include("READY=1");
    two.resolve();
    await second;
    expect(take()).to.include("READY=1");
    await report.end("stopped");
  });

  it("is not ready by a reload that is over before it has started", async () => {
    const { report, take } = place();
    await report.reloading(Promise.resolve());
    expect(take()).not.to.include("READY=1");
    await report.end("stopped");
  });

  it("is not ready any more when it is asked to stop during a reload", async () => {
    const { report, take, stop } = place();
    report.ready();
    take();
    const one = Promise.withResolvers<void>();
    const reloading = report.reloading(one.promise);
    stop.abort();
    one.resolve();
    await reloading;
    expect(take()).to.include("STOPPING=1").and.not.to.include("READY=1");
    await report.end("stopped");
  });
});
