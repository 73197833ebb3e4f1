import { expect } from "chai";
import { markedClock, Progress, QUIET_MS_MAX } from "../../../src/lib/progress.ts";
import { ManualClock, settle } from "../../support/manual-clock.ts";

const MINUTE = 60_000;

function place() {
  const clock = new ManualClock();
  const progress = new Progress(clock);
  return { clock, progress, names: () => progress.quiet().map(({ name }) => name) };
}

describe("progress", () => {
  it("idle is not hanging, however long", async () => {
    const { clock, names } = place();
    await clock.advance(100 * QUIET_MS_MAX);
    expect(names()).to.deep.equal([]);
  });

  it("work hangs after so long without a mark, and tells what it did last", async () => {
    const { clock, progress, names } = place();
    using task = progress.begin("a sweep");
    await clock.advance(QUIET_MS_MAX - 1);
    expect(names()).to.deep.equal([]);
    task.mark("read");
    await clock.advance(QUIET_MS_MAX - 1);
    expect(names()).to.deep.equal([]);
    await clock.advance(1);
    expect(progress.quiet()).to.deep.equal([
      { name: "a sweep", step: "read", quietMs: QUIET_MS_MAX },
    ]);
    task.mark("read");
    expect(names()).to.deep.equal([]);
  });

  it("work that has ended, well or not, hangs no longer", async () => {
    const { clock, progress, names } = place();
    progress.begin("one")[Symbol.dispose]();
    await progress.watch("two", async () => 2);
    await progress.watch("three", () => Promise.reject(new Error("no"))).catch(() => undefined);
    await clock.advance(2 * QUIET_MS_MAX);
    expect(names()).to.deep.equal([]);
  });

  it("one that hangs is not hidden by another that goes on", async () => {
    const { clock, progress, names } = place();
    using _hangs = progress.begin("one");
    using goes = progress.begin("two");
    for (let minute = 0; minute < 5; minute += 1) {
      await clock.advance(MINUTE);
      goes.mark("file");
    }
    expect(names()).to.deep.equal(["one"]);
  });

  it("one that waits for others is as much alive as they are, and no more", async () => {
    const { clock, progress, names } = place();
    const { promise, resolve } = Promise.withResolvers<void>();
    using waits = progress.begin("one");
    using other = progress.begin("two");
    const waiting = waits.waitFor(promise);
    for (let minute = 0; minute < 20; minute += 1) {
      await clock.advance(MINUTE);
      other.mark("bytes");
    }
    expect(names()).to.deep.equal([]);
    await clock.advance(QUIET_MS_MAX);
    expect(names()).to.have.members(["one", "two"]);
    resolve();
    await waiting;
    expect(names()).to.deep.equal(["two"]);
    for (let minute = 0; minute < 5; minute += 1) {
      await clock.advance(MINUTE);
      other.mark("bytes");
    }
    expect(names(), "it waits for nobody any more").to.deep.equal(["one"]);
  });

  it("a wait that fails is over too", async () => {
    const { clock, progress, names } = place();
    using task = progress.begin("one");
    await task.waitFor(Promise.reject(new Error("no"))).catch(() => undefined);
    await task.allow(10 * QUIET_MS_MAX, Promise.reject(new Error("no"))).catch(() => undefined);
    await clock.advance(QUIET_MS_MAX);
    expect(names()).to.deep.equal(["one"]);
  });

  it("what is known to be quiet for long has that long, and then hangs", async () => {
    const { clock, progress, names } = place();
    using task = progress.begin("one");
    void task.allow(3 * QUIET_MS_MAX, new Promise(() => {}));
    await clock.advance(3 * QUIET_MS_MAX - 1);
    expect(names()).to.deep.equal([]);
    await clock.advance(1);
    expect(names()).to.deep.equal(["one"]);
  });

  it("time in which the whole process stood still counts for nothing", async () => {
    const { clock, progress, names } = place();
    using _task = progress.begin("one");
    await clock.advance(MINUTE);
    await clock.advance(10 * MINUTE);
    progress.forgive(10 * MINUTE);
    expect(names()).to.deep.equal([]);
    await clock.advance(4 * MINUTE);
    expect(names()).to.deep.equal(["one"]);
  });

  it("a sleep is a mark at its beginning and at its end", async () => {
    const { clock, progress, names } = place();
    using task = progress.begin("one");
    const marked = markedClock(clock, task);
    await clock.advance(4 * MINUTE);
    const sleeping = marked.sleep(4 * MINUTE);
    await clock.advance(4 * MINUTE);
    await sleeping;
    await clock.advance(4 * MINUTE);
    await settle();
    expect(names()).to.deep.equal([]);
    expect([marked.now(), marked.monotonic(), marked.boottime()]).to.deep.equal([
      clock.now(),
      clock.monotonic(),
      clock.boottime(),
    ]);
  });
});
