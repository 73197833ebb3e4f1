import { expect } from "chai";
import { VirtualClock } from "./virtual-clock.ts";
import { VirtualTime } from "./virtual-time.ts";

const START = Date.UTC(2026, 10, 24);

function begin() {
  const time = new VirtualTime(START);
  const heard: string[] = [];
  const hear = (what: string) => heard.push(`${time.now() - START} ${what}`);
  return { time, clock: new VirtualClock(time), heard, hear };
}

describe("the virtual clock", () => {
  it("wakes everybody at their own moment, in order, those of one moment as they lay down", async () => {
    const { time, clock, heard, hear } = begin();
    for (const ms of [30, 10, 20.4, 10, 0, -5]) void clock.sleep(ms).then(() => hear(`${ms}`));
    await time.runUntil(START + 1_000);
    expect(heard).to.deep.equal(["0 0", "0 -5", "10 10", "10 10", "21 20.4", "30 30"]);
  });

  it("lets time pass for the smallest sleep, and refuses to stand still for ever", async () => {
    const { time, clock, heard, hear } = begin();
    void clock.sleep(1e-9).then(() => hear("slept"));
    await time.runUntil(START + 10);
    expect(heard).to.deep.equal(["1 slept"]);
    const stop = new AbortController();
    void (async () => {
      while (!stop.signal.aborted) await clock.sleep(0);
    })();
    const thrown = await time.runUntil(START + 20).catch((error: Error) => error.message);
    stop.abort();
    expect(thrown).to.equal("time stands still");
  });

  it("stands still until everything that waits for promises and ticks alone has been done", async () => {
    const { time, clock, heard, hear } = begin();
    void clock.sleep(2).then(() => hear("later"));
    void clock.sleep(1).then(async () => {
      for (let link = 0; link < 1_000; link += 1) await Promise.resolve();
      await new Promise<void>((resolve) => process.nextTick(resolve));
      for await (const item of [Promise.resolve("a")]) hear(item);
      hear("end of the chain");
      await clock.sleep(0.5);
      hear("slept again");
    });
    await time.runUntil(START + 10);
    expect(heard).to.deep.equal(["1 a", "1 end of the chain", "2 later", "2 slept again"]);
  });

  it("lets what lies down for this very moment still have it", async () => {
    const { time, clock, heard, hear } = begin();
    void clock.sleep(1).then(async () => {
      for (let count = 1; count <= 200; count += 1) await clock.sleep(0);
      hear("slept 200 times");
    });
    void clock.sleep(2).then(() => hear("next"));
    await time.runUntil(START + 10);
    expect(heard).to.deep.equal(["1 slept 200 times", "2 next"]);
  });

  it("goes to the end exactly, with what is due there, and no further", async () => {
    const { time, clock, heard, hear } = begin();
    for (const ms of [100, 101]) void clock.sleep(ms).then(() => hear(`${ms}`));
    await time.runUntil(START + 100);
    expect([time.now() - START, ...heard]).to.deep.equal([100, "100 100"]);
    await time.runUntil(START + 200);
    expect([time.now() - START, ...heard]).to.deep.equal([200, "100 100", "101 101"]);
  });

  it("ends a sleep with the signal's reason, at once, and keeps nothing of it", async () => {
    const { time, clock, heard, hear } = begin();
    const stop = new AbortController();
    const reason = new Error("stopping");
    for (const ms of [50, 60]) {
      void clock.sleep(ms, stop.signal).catch((error) => hear(`${ms} ${error === reason}`));
    }
    time.ringAt(START + 20, () => stop.abort(reason));
    await time.runUntil(START + 100);
    expect(heard).to.deep.equal(["20 50 true", "20 60 true"]);
    const late = await clock.sleep(1, stop.signal).catch((error) => error);
    expect(late).to.equal(reason);
  });

  it("hears the signal of every sleep, also when a loop changes between signals", async () => {
    const { time, clock, heard, hear } = begin();
    const [one, other] = [new AbortController(), new AbortController()];
    void clock.sleep(90, one.signal).catch(() => hear("one"));
    void clock.sleep(90, other.signal).catch(() => hear("other"));
    time.ringAt(START + 10, () => one.abort());
    time.ringAt(START + 20, () => other.abort());
    await time.runUntil(START + 100);
    expect(heard).to.deep.equal(["10 one", "20 other"]);
  });

  it("tells three clocks: the wall, since the start, since boot", async () => {
    const { time } = begin();
    const clock = new VirtualClock(time, START - 5_000);
    await time.runUntil(START + 1_000);
    expect([clock.now(), clock.monotonic(), clock.boottime()]).to.deep.equal([
      START + 1_000,
      1_000,
      6_000,
    ]);
  });

  it("gives back what an alarm throws", async () => {
    const { time } = begin();
    time.ringAt(START + 5, () => {
      throw new Error("wrong");
    });
    const thrown = await time.runUntil(START + 10).catch((error: Error) => error.message);
    expect(thrown).to.equal("wrong");
  });
});
