import { expect } from "chai";
import { nextRun, parseSchedule } from "../../../src/schedule/schedule.ts";
import { Scheduler } from "../../../src/schedule/scheduler.ts";
import { ManualClock, settle } from "../../support/manual-clock.ts";

const START = Date.UTC(2026, 10, 24, 12);
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** A scheduler at work, whose sweeps last as long as the test says. */
function startScheduler(options: { readonly rate?: string; readonly sweepMs?: number } = {}) {
  const clock = new ManualClock(START);
  const scheduler = new Scheduler(clock);
  const stop = new AbortController();
  const state = {
    clock,
    scheduler,
    stop,
    schedule: parseSchedule(options.rate ?? "rate(10 minutes)", { timezone: "UTC", splayMs: 0 }),
    sweepMs: options.sweepMs ?? 0,
    asked: 0,
    /** When each sweep began, in minutes after the start by the wall clock. */
    begun: [] as number[],
    ended: 0,
    running: 0,
    mostRunning: 0,
    isOver: false,
  };
  const next = async () => {
    state.asked += 1;
    return nextRun(state.schedule, clock.now(), 0);
  };
  const sweep = async () => {
    state.begun.push((clock.now() - START) / MINUTE_MS);
    state.running += 1;
    state.mostRunning = Math.max(state.mostRunning, state.running);
    if (state.sweepMs > 0) await clock.sleep(state.sweepMs);
    state.running -= 1;
    state.ended += 1;
  };
  void scheduler.run(next, sweep, stop.signal).then(() => {
    state.isOver = true;
  });
  return state;
}

describe("Scheduler", () => {
  it("sweeps when a time comes, and not before", async () => {
    const state = startScheduler();
    await state.clock.advance(10 * MINUTE_MS - 1);
    expect(state.begun).to.deep.equal([]);
    await state.clock.advance(1);
    expect(state.begun).to.deep.equal([10]);
    await state.clock.advance(20 * MINUTE_MS);
    expect(state.begun).to.deep.equal([10, 20, 30]);
    state.stop.abort();
  });

  it("leaves out the times of a long sweep, and never runs two at once", async () => {
    const state = startScheduler({ sweepMs: 25 * MINUTE_MS });
    await state.clock.advance(80 * MINUTE_MS);
    expect(state.begun).to.deep.equal([10, 40, 70]);
    expect(state.mostRunning).to.equal(1);
    state.stop.abort();
  });

  it("takes a changed schedule at once when woken while waiting", async () => {
    const state = startScheduler();
    await state.clock.advance(MINUTE_MS);
    state.schedule = parseSchedule("rate(2 minutes)", { timezone: "UTC", splayMs: 0 });
    state.scheduler.wake();
    await state.clock.advance(3 * MINUTE_MS);
    expect(state.begun).to.deep.equal([2, 4]);
    state.stop.abort();
  });

  it("asks again after the sweep, not during it, when woken while sweeping", async () => {
    const state = startScheduler({ sweepMs: 5 * MINUTE_MS });
    await state.clock.advance(11 * MINUTE_MS);
    const asked = state.asked;
    state.schedule = parseSchedule("rate(2 minutes)", { timezone: "UTC", splayMs: 0 });
    state.scheduler.wake();
    await settle();
    expect([state.asked, state.running]).to.deep.equal([asked, 1]);
    await state.clock.advance(5 * MINUTE_MS);
    expect(state.begun).to.deep.equal([10, 16]);
    state.stop.abort();
  });

  it("does not stand still when the clock is set back an hour", async () => {
    const state = startScheduler();
    await state.clock.advance(5 * MINUTE_MS);
    const asked = state.asked;
    state.clock.setWallClock(state.clock.now() - HOUR_MS);
    await state.clock.advance(MINUTE_MS);
    expect(state.asked).to.equal(asked + 1);
    await state.clock.advance(9 * MINUTE_MS);
    expect(state.begun).to.deep.equal([-50]);
    state.stop.abort();
  });

  it("does not ask again for a clock that is slewed by little", async () => {
    const state = startScheduler();
    await state.clock.advance(MINUTE_MS);
    const asked = state.asked;
    state.clock.setWallClock(state.clock.now() - 3_000);
    await state.clock.advance(MINUTE_MS);
    expect(state.asked).to.equal(asked);
    state.stop.abort();
  });

  it("sweeps once, soon and not many times, when the clock is set forward", async () => {
    const state = startScheduler();
    await state.clock.advance(MINUTE_MS);
    state.clock.setWallClock(START + 10 * HOUR_MS + MINUTE_MS);
    await state.clock.advance(MINUTE_MS);
    expect(state.begun).to.have.length(1);
    await state.clock.advance(9 * MINUTE_MS);
    expect(state.begun).to.have.length(2);
    expect(state.begun[1]).to.equal(610);
    state.stop.abort();
  });

  it("ends at once when stopped while waiting", async () => {
    const state = startScheduler();
    await state.clock.advance(MINUTE_MS);
    expect(state.isOver).to.equal(false);
    state.stop.abort();
    await settle();
    expect([state.isOver, state.begun.length, state.clock.sleepers]).to.deep.equal([true, 0, 0]);
  });

  it("waits for the sweep when stopped while sweeping, and begins no other", async () => {
    const state = startScheduler({ sweepMs: 15 * MINUTE_MS });
    await state.clock.advance(11 * MINUTE_MS);
    state.stop.abort();
    await settle();
    expect([state.isOver, state.ended]).to.deep.equal([false, 0]);
    await state.clock.advance(HOUR_MS);
    expect([state.isOver, state.ended, state.begun.length]).to.deep.equal([true, 1, 1]);
  });

  it("does nothing when it is stopped before it begins", async () => {
    const clock = new ManualClock(START);
    const never = () => Promise.reject(new Error("must not be called"));
    await new Scheduler(clock).run(never, never, AbortSignal.abort());
    expect(clock.sleepers).to.equal(0);
  });
});
