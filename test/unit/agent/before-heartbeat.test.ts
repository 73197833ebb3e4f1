import { expect } from "chai";
import { askBeforeHeartbeat } from "../../../src/agent/before-heartbeat.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const never = <T>() => new Promise<T>(() => undefined);

function ask(
  changes: Partial<Parameters<typeof askBeforeHeartbeat>[0]> & { readonly clock: ManualClock },
) {
  return askBeforeHeartbeat({
    renewCredentials: async () => undefined,
    directories: ["/state", "/in"],
    stop: new AbortController().signal,
    freePercentOf: async (path) => (path === "/in" ? 12.5 : 80),
    ...changes,
  });
}

describe("before a heartbeat", () => {
  it("the lowest room of all directories is looked up, and the renewal awaited", async () => {
    const clock = new ManualClock();
    let isRenewed = false;
    const renewCredentials = async () => {
      await Promise.resolve();
      isRenewed = true;
    };
    expect(await ask({ clock, renewCredentials })).to.deep.equal({ freePercent: 12.5 });
    expect(isRenewed).to.equal(true);
    expect(clock.sleepers, "nothing waits any longer").to.equal(0);
  });

  it("nothing is known where no filesystem says anything", async () => {
    const clock = new ManualClock();
    const freePercentOf = async () => undefined;
    expect(await ask({ clock, freePercentOf })).to.deep.equal({ freePercent: undefined });
  });

  it("a real filesystem says a part of a hundred, and a directory that is not there nothing", async () => {
    const real = await askBeforeHeartbeat({
      renewCredentials: async () => undefined,
      directories: ["/", "/nonexistent"],
      clock: new ManualClock(),
      stop: new AbortController().signal,
    });
    expect(real.freePercent).to.be.within(0, 100);
  });

  it("a service or a disk that hangs does not hold it up, and hides no other disk", async () => {
    const clock = new ManualClock();
    const freePercentOf = (path: string) =>
      path === "/in" ? never<number>() : Promise.resolve(80);
    const asking = ask({ clock, renewCredentials: never, freePercentOf });
    await clock.advance(5_000);
    expect(await asking).to.deep.equal({ freePercent: 80 });
  });

  it("an agent that is told to stop waits for nothing", async () => {
    const stop = new AbortController();
    const asking = ask({ clock: new ManualClock(), renewCredentials: never, stop: stop.signal });
    stop.abort();
    expect(await asking).to.deep.equal({ freePercent: 12.5 });
  });
});
