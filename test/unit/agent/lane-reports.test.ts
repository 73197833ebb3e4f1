import { mkdir, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { NO_SWEEPS } from "../../../src/agent/sweep-counts.ts";
import type { Config } from "../../../src/config/config.ts";
import { lastSweepOf } from "../../../src/sweep/host-state.ts";
import { Tally } from "../../../src/sweep/report.ts";
import { LanesPlace } from "../../support/lanes-place.ts";
import { goodConfig } from "../../support/parameter-sets.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

let folder = "";
const at = (name: string) => join(folder, name);

/** One route, or a second one beside it; every ten minutes, at the full ones, or as it is said. */
function configOf(leaves: Readonly<Record<string, string>> = {}): Config {
  const fleet = {
    bucket: "data",
    schedule: "rate(10 minutes)",
    splay: "0s",
    "routes/one/directory": at("one"),
    "routes/one/prefix": "one/",
    ...leaves,
  };
  return goodConfig({ fleet });
}

const withTwo = () => configOf({ "routes/two/directory": at("two"), "routes/two/prefix": "two/" });

async function placeWith(config: Config): Promise<LanesPlace> {
  const place = new LanesPlace();
  await place.lanes.apply(config, { isKnownGood: true });
  return place;
}

function report(place: LanesPlace, route = "one") {
  const found = place.lanes.reports.find((one) => one.route === route);
  if (found === undefined) throw new Error(`there is no route ${route}`);
  return found;
}

/** Lets time pass and ends each sweep in the minute in which it begins. */
async function work(place: LanesPlace, ms: number, prefix?: string): Promise<void> {
  for (let minute = 0; minute < ms / MINUTE; minute += 1) {
    await place.clock.advance(MINUTE);
    await place.end(prefix);
  }
}

describe("what lanes tell of sweeps", () => {
  before(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), "lane-reports-")));
    for (const name of ["one", "two"]) await mkdir(at(name));
  });
  after(() => rm(folder, { recursive: true }));

  it("sweeps that come and go are counted once, and never late", async () => {
    const place = await placeWith(configOf());
    for (let hour = 0; hour < 5; hour += 1) {
      await work(place, HOUR);
      expect(report(place).isLate).to.equal(false);
      expect(place.lanes.takeCounts()).to.deep.equal({ ...NO_SWEEPS, started: 6, completed: 6 });
    }
    expect(place.lanes.takeCounts()).to.deep.equal(NO_SWEEPS);
    await place.close();
  });

  it("a host that has just started is late after two due times that nothing came of", async () => {
    const place = await placeWith(configOf());
    await place.clock.advance(20 * MINUTE - 1);
    expect(report(place)).to.include({ isSweeping: true, isLate: false, sinceSweepMs: undefined });
    await place.clock.advance(1);
    expect(report(place).isLate).to.equal(true);
    await place.end();
    expect(report(place)).to.include({ isSweeping: false, isLate: false, sinceSweepMs: 0 });
    await place.close();
  });

  it("an agent that dies in each of its sweeps is late, however often it is started", async () => {
    let waitedMs: number | undefined = 0;
    const seen: boolean[] = [];
    for (let start = 0; start < 3; start += 1) {
      const place = new LanesPlace({ waitedMs });
      await place.lanes.apply(configOf(), { isKnownGood: true });
      await place.clock.advance(7 * MINUTE);
      seen.push(report(place).isLate);
      waitedMs = place.lanes.waitedMs;
      await place.close();
    }
    expect(seen).to.deep.equal([false, false, true]);
    expect(waitedMs).to.equal(21 * MINUTE);
  });

  it("a sweep that lasts is late, and the due times it takes are counted as they pass, each once", async () => {
    const place = await placeWith(configOf());
    await place.clock.advance(10 * MINUTE);
    await place.end();
    await place.clock.advance(25 * MINUTE);
    expect(report(place)).to.include({ isSweeping: true, isLate: true });
    expect(place.lanes.takeCounts()).to.deep.equal({
      ...NO_SWEEPS,
      started: 2,
      completed: 1,
      missed: 1,
    });
    await place.clock.advance(30 * MINUTE);
    expect(place.lanes.takeCounts()).to.deep.equal({ ...NO_SWEEPS, missed: 3 });
    expect(place.events).not.to.include("sweep.overran");
    await place.end();
    expect(report(place).isLate).to.equal(false);
    expect(place.lanes.takeCounts()).to.deep.equal({ ...NO_SWEEPS, completed: 1, overran: 1 });
    expect(place.records.find(({ event }) => event === "sweep.overran")).to.deep.include({
      route: "one",
      dueAt: "2026-01-01T00:20:00.000Z",
      nextDueAt: "2026-01-01T00:30:00.000Z",
      missed: 4,
    });
    await place.close();
  });

  it("of several routes each has its own time, so one that stands still shows", async () => {
    const place = await placeWith(withTwo());
    await work(place, HOUR, "one/");
    expect(report(place, "one").isLate).to.equal(false);
    expect(report(place, "two").isLate).to.equal(true);
    await place.close();
  });

  it("a directory that is not there fails, and is late as one that is not swept", async () => {
    const place = new LanesPlace();
    place.broken.add(at("one"));
    await place.lanes.apply(withTwo(), { isKnownGood: true });
    await work(place, 25 * MINUTE);
    expect(report(place, "one")).to.include({ isLate: true, lastSweep: undefined });
    expect(report(place, "two").isLate).to.equal(false);
    expect(place.lanes.takeCounts()).to.deep.equal({
      ...NO_SWEEPS,
      started: 4,
      completed: 2,
      failed: 2,
    });
    place.broken.clear();
    await work(place, 10 * MINUTE);
    expect(report(place, "one").isLate).to.equal(false);
    await place.close();
  });

  it("a sweep that was cut for a configuration has not completed, and no configuration is a new start", async () => {
    const place = await placeWith(configOf());
    await place.clock.advance(15 * MINUTE);
    const applying = place.lanes.apply(configOf({ "min-age": "45s" }), { isKnownGood: false });
    await place.clock.advance(MINUTE);
    expect(place.told).to.deep.equal(["stop one/"]);
    await place.end();
    await applying;
    await place.clock.advance(3 * MINUTE);
    expect(report(place)).to.include({ isSweeping: true, isLate: false });
    await place.clock.advance(MINUTE);
    expect(report(place), "since the start, as before").to.include({ isLate: true });
    await place.close();
  });

  it("sweeps of another schedule are due by it from now on", async () => {
    const place = await placeWith(configOf({ schedule: "rate(1 hour)" }));
    await work(place, HOUR + 50 * MINUTE);
    await place.lanes.apply(configOf(), { isKnownGood: false });
    expect(report(place).isLate).to.equal(false);
    await place.clock.advance(20 * MINUTE);
    expect(report(place).isLate).to.equal(true);
    await place.close();
  });

  it("a clock that is set, or a machine that slept, misses nothing and is not late", async () => {
    for (const jump of [30 * 24 * HOUR, -30 * 24 * HOUR]) {
      const place = await placeWith(configOf());
      await work(place, 30 * MINUTE);
      place.lanes.takeCounts();
      place.clock.setWallClock(place.clock.now() + jump);
      expect(report(place), `idle ${jump}`).to.include({ isLate: false });
      await work(place, 10 * MINUTE);
      await place.clock.advance(9 * MINUTE);
      place.clock.setWallClock(place.clock.now() + jump);
      await work(place, 20 * MINUTE);
      expect(report(place), `again ${jump}`).to.include({ isLate: false });
      const { missed, overran } = place.lanes.takeCounts();
      expect({ missed, overran }).to.deep.equal({ missed: 0, overran: 0 });
      await place.close();
    }
  });

  it("a sweep during which the machine slept misses no due time of its sleep", async () => {
    const place = await placeWith(configOf());
    await place.clock.advance(11 * MINUTE);
    place.clock.setWallClock(place.clock.now() + 8 * HOUR);
    await place.clock.advance(10 * MINUTE);
    await place.end();
    expect(place.lanes.takeCounts()).to.include({ missed: 1, overran: 1 });
    await place.close();
  });

  it("a clock that was set back hides no route that stands still", async () => {
    const place = await placeWith(configOf());
    await work(place, 20 * MINUTE);
    place.clock.setWallClock(place.clock.now() - 24 * HOUR);
    await place.clock.advance(30 * MINUTE);
    expect(report(place).isLate).to.equal(true);
    await place.close();
  });

  it("the time since the last sweep grows, and after a restart it is that of the run before", async () => {
    const place = await placeWith(configOf());
    await work(place, 10 * MINUTE);
    await place.clock.advance(7 * MINUTE);
    expect(report(place).sinceSweepMs).to.equal(7 * MINUTE);
    await place.close();

    const after = new LanesPlace();
    const startedAt = after.clock.now() - HOUR;
    const found = new Tally(() => 0).report({
      startedAt,
      endedAt: startedAt,
      durationMs: 1_000,
      isInterrupted: false,
    });
    const counts = { ...found, filesInQuarantine: 3, backlogFiles: 2 };
    for (const route of ["one", "two"]) {
      const about = { route, directory: at(route === "one" ? "one" : "elsewhere") };
      after.kept.set(route, lastSweepOf(about, counts, undefined));
    }
    await after.lanes.apply(withTwo(), { isKnownGood: true });
    expect(report(after)).to.include({ sinceSweepMs: HOUR - 1_000, isLate: false });
    expect(report(after).lastSweep).to.include({ filesInQuarantine: 3, backlogFiles: 2 });
    expect(report(after, "two").lastSweep, "of another directory").to.equal(undefined);
    await after.close();
  });
});
