import { expect } from "chai";
import fc from "fast-check";
import { emfFields } from "../../../src/logs/emf.ts";
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
          ["sweep.completed", "agent.heartbeat", "logs.dropped", "logs.rejected"].includes(name) ||
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

/** What the specification of the embedded metric format demands of a record, beyond being JSON. */
function assertEmf(record: Record<string, unknown>): void {
  const { Timestamp, CloudWatchMetrics } = record["_aws"] as {
    Timestamp: unknown;
    CloudWatchMetrics: {
      Namespace: string;
      Dimensions: string[][];
      Metrics: { Name: string; Unit: string }[];
    }[];
  };
  expect(Timestamp).to.satisfy(Number.isSafeInteger);
  expect(CloudWatchMetrics).to.have.length.above(0);
  for (const { Namespace, Dimensions, Metrics } of CloudWatchMetrics) {
    expect(Namespace).to.match(/^[\w.\-/#:]{1,255}$/);
    expect(Dimensions).to.have.length.above(0);
    for (const set of Dimensions) {
      expect(set.length).to.be.at.most(30);
      for (const key of set) expect(record[key]).to.be.a("string").with.length.within(1, 1_024);
    }
    expect(Metrics.length).to.be.at.most(100);
    for (const { Name, Unit } of Metrics) {
      expect(record[Name], Name).to.be.a("number").that.satisfies(Number.isFinite);
      expect(Unit).to.be.oneOf(["Count", "Bytes", "Milliseconds", "Seconds"]);
    }
  }
}

describe("emfFields", () => {
  it("makes a record that keeps the specification, through the logger too", () => {
    const anyMetrics = fc.dictionary(
      fc.stringMatching(/^Files[A-Z][a-z]{1,20}$/),
      fc.tuple(fc.nat(), fc.constantFrom("Count" as const, "Bytes" as const, "Seconds" as const)),
      { maxKeys: 40 },
    );
    fc.assert(
      fc.property(anyMetrics, (metrics) => {
        const { logger, state } = make();
        const fields = emfFields(metrics, { Fleet: "web", Route: "main" }, START);
        logger.log("sweep.completed", fields);
        const record = JSON.parse(state[0]?.line ?? "");
        assertEmf(record);
        for (const [name, [value]] of Object.entries(metrics)) {
          expect(record[name]).to.equal(value);
        }
        const names = record._aws.CloudWatchMetrics.flatMap(
          ({ Metrics }: { Metrics: { Name: string }[] }) => Metrics.map(({ Name }) => Name),
        );
        expect(names).to.have.members(Object.keys(metrics));
      }),
    );
  });

  it("never has the host as a dimension, which would be a paid metric for every host", () => {
    const fields = emfFields({ Files: [1, "Count"] }, { Fleet: "web", Route: "main" }, START);
    expect(fields).to.include({ Fleet: "web", Route: "main" });
    const { CloudWatchMetrics } = fields["_aws"] as { CloudWatchMetrics: unknown[] };
    expect(CloudWatchMetrics).to.have.length(1);
    expect(CloudWatchMetrics[0]).to.have.deep.property("Dimensions", [
      ["Fleet"],
      ["Fleet", "Route"],
    ]);
  });
});
