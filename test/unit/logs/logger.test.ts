import { expect } from "chai";
import { EVENTS, type EventName, LEVELS } from "../../../src/logs/events.ts";
import { makeLogger } from "../../../src/logs/logger.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const NAMES = Object.keys(EVENTS) as EventName[];
const START = Date.UTC(2026, 10, 24, 12, 0, 0, 7);

function make() {
  const clock = new ManualClock(START);
  const state: { line: string; timestamp: number }[] = [];
  const files: typeof state = [];
  const sink = (to: typeof state) => ({
    write: (line: string, timestamp: number) => {
      to.push({ line, timestamp });
    },
  });
  const logger = makeLogger({
    clock,
    base: { host: "h1", version: "1" },
    state: [sink(state), sink(state)],
    files: [sink(files)],
  });
  const eventsOf = (of: typeof state) => of.map(({ line }) => JSON.parse(line).event as string);
  return { clock, logger, state, files, eventsOf };
}

describe("a record", () => {
  for (const name of NAMES) {
    it(`of ${name} is one line of JSON for every sink of its kind, and for no other`, () => {
      const { logger, state, files } = make();
      logger.setLevel("debug");
      logger.log(name, { path: "a\nb", count: 1 });
      const [to, other, sinks] = name.startsWith("file.") ? [files, state, 1] : [state, files, 2];
      expect([to.length, other.length]).to.deep.equal([sinks, 0]);
      const [{ line, timestamp } = { line: "", timestamp: 0 }] = to;
      expect(line).not.to.include("\n");
      expect(timestamp).to.equal(START);
      expect(JSON.parse(line)).to.deep.equal({
        level: EVENTS[name].level,
        time: "2026-11-24T12:00:00.007Z",
        host: "h1",
        version: "1",
        event: name,
        path: "a\nb",
        count: 1,
      });
    });
  }

  for (const least of LEVELS) {
    it(`is left out below the level ${least}, but for the metrics`, () => {
      const { logger, state, files, eventsOf } = make();
      logger.setLevel(least);
      for (const name of NAMES) logger.log(name);
      const wanted = NAMES.filter(
        (name) =>
          ["sweep.completed", "agent.heartbeat"].includes(name) ||
          LEVELS.indexOf(EVENTS[name].level) >= LEVELS.indexOf(least),
      );
      expect(new Set([...eventsOf(state), ...eventsOf(files)])).to.deep.equal(new Set(wanted));
    });
  }

  it("of a file that needs nobody is left out while file-events is failures, no other is", () => {
    const { logger, state, files, eventsOf } = make();
    logger.setLevel("debug");
    logger.setFileEvents("failures");
    for (const name of NAMES) logger.log(name);
    expect(eventsOf(files)).to.include.members(["file.failed", "file.kept"]);
    expect(eventsOf(files)).not.to.include.members(["file.removed"]);
    const ofStates = NAMES.filter((name) => !name.startsWith("file."));
    expect(new Set(eventsOf(state))).to.deep.equal(new Set(ofStates));
    files.length = 0;
    logger.setFileEvents("all");
    logger.log("file.removed");
    expect(eventsOf(files)).to.deep.equal(["file.removed"]);
  });

  it("tells the time of its writing, not of the logger's making", () => {
    const { clock, logger, state } = make();
    clock.setWallClock(START + 1_000);
    logger.log("agent.started");
    expect(state[0]?.timestamp).to.equal(START + 1_000);
  });
});
