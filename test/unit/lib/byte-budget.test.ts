import { expect } from "chai";
import { ByteBudget } from "../../../src/lib/byte-budget.ts";
import { settle } from "../../support/manual-clock.ts";

const NEVER = new AbortController().signal;

/** Asks for bytes and writes down when it gets them. */
function ask(budget: ByteBudget, bytes: number, signal = NEVER) {
  const asked = { release: undefined as (() => void) | undefined, error: undefined as unknown };
  budget.acquire(bytes, signal).then(
    (release) => {
      asked.release = release;
    },
    (error: unknown) => {
      asked.error = error;
    },
  );
  return asked;
}

describe("a byte budget", () => {
  it("grants what is free and lets the rest wait, in the order of asking", async () => {
    const budget = new ByteBudget(10);
    const [first, second, large, small] = [6, 4, 7, 1].map((bytes) => ask(budget, bytes));
    await settle();
    expect([first, second, large, small].map((one) => one?.release !== undefined)).to.deep.equal([
      true,
      true,
      false,
      false,
    ]);
    second?.release?.();
    await settle();
    // The small one would fit, but then the large one might wait for ever.
    expect(small?.release).to.equal(undefined);
    first?.release?.();
    await settle();
    expect(large?.release).to.be.a("function");
    expect(small?.release).to.be.a("function");
    expect(budget).to.include({ held: 8, mostHeld: 10 });
  });

  it("takes back once what was granted once", async () => {
    const budget = new ByteBudget(10);
    await budget.acquire(6, NEVER);
    const release = await budget.acquire(4, NEVER);
    release();
    release();
    expect(budget.held).to.equal(6);
  });

  it("grants more than the whole when nothing else is held", async () => {
    const budget = new ByteBudget(10);
    const small = ask(budget, 1);
    const huge = ask(budget, 100);
    await settle();
    expect(huge.release).to.equal(undefined);
    small.release?.();
    await settle();
    expect(huge.release).to.be.a("function");
    expect(budget.mostHeld).to.equal(10);
  });

  it("gives up with the signal's reason, and nobody waits for who gave up", async () => {
    const budget = new ByteBudget(10);
    const controller = new AbortController();
    await budget.acquire(6, NEVER);
    const large = ask(budget, 7, controller.signal);
    const small = ask(budget, 4);
    controller.abort(new Error("stop"));
    await settle();
    expect(large.error).to.equal(controller.signal.reason);
    expect(small.release).to.be.a("function");
    expect(budget.held).to.equal(10);
    expect(await budget.acquire(1, controller.signal).catch((error: unknown) => error)).to.equal(
      controller.signal.reason,
    );
  });
});
