import { expect } from "chai";
import { makePacer } from "../../../src/lib/pacer.ts";
import { SkippingClock } from "../../support/memory-ssm.ts";

describe("the pacer", () => {
  it("lets no more calls begin in any second than it was told", async () => {
    for (const perSecond of [1, 3, 7, 10]) {
      const clock = new SkippingClock();
      const pace = makePacer(clock, perSecond);
      const times: number[] = [];
      for (let n = 0; n < 4 * perSecond; n += 1) {
        await pace(new AbortController().signal);
        times.push(clock.monotonic());
        // What is called takes some time itself, now and then.
        if (n % 3 === 0) await clock.sleep(150);
      }
      for (const at of times) {
        const within = times.filter((other) => other > at - 1_000 && other <= at);
        expect(within.length).to.be.at.most(perSecond);
      }
    }
  });

  it("lets the first call begin at once, and none after it was stopped", async () => {
    const clock = new SkippingClock();
    const pace = makePacer(clock, 3);
    await pace(new AbortController().signal);
    expect(clock.monotonic()).to.equal(0);
    const stopped = AbortSignal.abort(new Error("stopped"));
    expect(await pace(stopped).catch((error: Error) => error.message)).to.equal("stopped");
  });
});
