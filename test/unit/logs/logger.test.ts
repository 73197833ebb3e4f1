import { expect } from "chai";
import { EVENT_NAMES, EVENTS, type EventName, LEVELS } from "../../../src/logs/events.ts";
import { makeLogger } from "../../../src/logs/logger.ts";
import { SAMPLE_FLEET, sampleFields } from "../../../tools/records/record-rules.ts";
import { ManualClock } from "../../support/manual-clock.ts";

/** Those that no setting turns off. */
const METRICS = ["sweep.completed", "agent.heartbeat", "logs.dropped", "logs.rejected"];

/** What is as it should be with a file. */
const SUCCESSES: readonly EventName[] = ["file.removed", "file.waiting", "file.ignored"];
const START = Date.UTC(2026, 10, 24, 12, 0, 0, 7);

function make() {
  const clock = new ManualClock(START);
  const local: { line: string; timestamp: number }[] = [];
  const state: typeof local = [];
  const files: typeof local = [];
  const sink = (to: typeof state) => ({
    write: (line: string, timestamp: number) => {
      to.push({ line, timestamp });
    },
  });
  const logger = makeLogger({
    clock,
    random: () => 0.5,
    base: { fleet: SAMPLE_FLEET, host: "h1", version: "1" },
    local: [sink(local)],
    state: [sink(state), sink(state)],
    files: [sink(files)],
  });
  const eventsOf = (of: typeof state) => of.map(({ line }) => JSON.parse(line).event as string);
  const log = (name: EventName) => logger.log(name, sampleFields(name));
  return { clock, logger, log, local, state, files, eventsOf };
}

describe("a record", () => {
  for (const name of EVENT_NAMES) {
    it(`of ${name} is one line of JSON for every sink of its kind, and for no other`, () => {
      const { logger, local, state, files } = make();
      logger.setLevel("debug");
      const fields = { ...sampleFields(name), path: "a\nb" };
      logger.log(name, fields);
      const [to, other, sinks] = name.startsWith("file.") ? [files, state, 1] : [state, files, 2];
      expect([local.length, to.length, other.length]).to.deep.equal([1, sinks, 0]);
      expect(local[0]).to.deep.equal(to[0]);
      const [{ line, timestamp } = { line: "", timestamp: 0 }] = to;
      expect(line).not.to.include("\n");
      expect(timestamp).to.equal(START);
      expect(JSON.parse(line)).to.deep.equal({
        level: EVENTS[name].level,
        time: "2026-11-24T12:00:00.007Z",
        fleet: SAMPLE_FLEET,
        host: "h1",
        version: "1",
        id: "i0000000-1",
        event: name,
        ...fields,
      });
    });
  }

  for (const least of LEVELS) {
    it(`is left out below the level ${least}, but for the metrics`, () => {
      const { logger, log, local, state, files, eventsOf } = make();
      logger.setLevel(least);
      for (const name of EVENT_NAMES) log(name);
      const wanted = EVENT_NAMES.filter(
        (name) =>
          METRICS.includes(name) || LEVELS.indexOf(EVENTS[name].level) >= LEVELS.indexOf(least),
      );
      expect(eventsOf(local)).to.deep.equal(wanted);
      expect(new Set([...eventsOf(state), ...eventsOf(files)])).to.deep.equal(new Set(wanted));
    });
  }

  for (const choice of [
    { which: "failures", percent: 100 },
    { which: "all", percent: 0 },
    { which: "failures", percent: 0 },
  ] as const) {
    it(`of a file that needs nobody stays here with ${choice.which}, ${choice.percent} %, no other does`, () => {
      const { logger, log, local, state, files, eventsOf } = make();
      logger.setLevel("debug");
      logger.setFileEvents(choice);
      for (const name of EVENT_NAMES) log(name);
      expect(eventsOf(local)).to.deep.equal(EVENT_NAMES);
      const ofFiles = EVENT_NAMES.filter((name) => name.startsWith("file."));
      const trouble = ofFiles.filter((name) => !SUCCESSES.includes(name));
      expect(eventsOf(files)).to.deep.equal(trouble);
      const ofStates = EVENT_NAMES.filter((name) => !name.startsWith("file."));
      expect(new Set(eventsOf(state))).to.deep.equal(new Set(ofStates));
      files.length = 0;
      logger.setFileEvents({ which: "all", percent: 100 });
      log("file.removed");
      expect(eventsOf(files)).to.deep.equal(["file.removed"]);
      expect(JSON.parse(files[0]?.line ?? "")).not.to.have.property("sampledPercent");
    });
  }

  it("of a sampled file goes with all others of that file, at any host and again later", () => {
    const pathsOf = (percent: number) => {
      const { logger, local, files } = make();
      logger.setLevel("debug");
      logger.setFileEvents({ which: "all", percent });
      for (let index = 0; index < 1_000; index += 1) {
        const path = `${index}.log`;
        for (const name of SUCCESSES) logger.log(name, { ...sampleFields(name), path });
      }
      expect(local).to.have.length(3_000);
      const records = files.map(({ line }) => JSON.parse(line));
      expect(records.every(({ sampledPercent }) => sampledPercent === percent)).to.equal(true);
      return records.map(({ path }) => path as string);
    };
    const chosen = pathsOf(20);
    expect(new Set(chosen).size).to.be.within(150, 250);
    expect(chosen).to.have.length(3 * new Set(chosen).size);
    expect(pathsOf(20)).to.deep.equal(chosen);
    // Who asks for more keeps what he had.
    expect(pathsOf(40)).to.include.members(chosen);
  });

  it("has an id that no other has, of this logger or another one", () => {
    const ids = new Set<string>();
    const sink = { write: (line: string) => ids.add(JSON.parse(line).id) };
    const base = { fleet: SAMPLE_FLEET, host: "h1", version: "1" };
    for (const random of [0, 2 ** -40, 0.999_999_999_999]) {
      const from = { clock: new ManualClock(START), random: () => random, base };
      const logger = makeLogger({ ...from, local: [sink], state: [], files: [] });
      for (let count = 0; count < 100; count += 1) logger.log("agent.stopped", {});
    }
    expect(ids.size).to.equal(300);
    expect([...ids].every((id) => /^[0-9a-z]{8}-[0-9a-z]+$/.test(id))).to.equal(true);
  });

  it("tells the time of its writing, not of the logger's making", () => {
    const { clock, log, state } = make();
    clock.setWallClock(START + 1_000);
    log("agent.started");
    expect(state[0]?.timestamp).to.equal(START + 1_000);
  });
});
