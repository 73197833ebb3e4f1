import { expect } from "chai";
import {
  EVENT_NAMES,
  EVENTS,
  type EventName,
  type EventRule,
} from "../../../../src/logs/events.ts";
import { COMMON_FIELDS, FIELDS, fieldRule } from "../../../../src/logs/fields.ts";
import { makeLogger } from "../../../../src/logs/logger.ts";
import { METRICS } from "../../../../src/logs/metrics.ts";
import {
  checkRecord,
  isRecord,
  SAMPLE_FLEET,
  sampleFields,
} from "../../../../tools/records/record-rules.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

/** The metrics of a sweep's record, by hand. */
const EMF = {
  Fleet: "web",
  Route: "main",
  FilesRemoved: 3,
  FilesWaiting: 1,
  _aws: {
    Timestamp: Date.UTC(2026, 10, 24),
    CloudWatchMetrics: [
      {
        Namespace: "S3OffloadAgent",
        Dimensions: [["Fleet"], ["Fleet", "Route"]],
        Metrics: [{ Name: "FilesRemoved", Unit: "Count" }],
      },
      {
        Namespace: "S3OffloadAgent",
        Dimensions: [["Fleet", "Route"]],
        Metrics: [{ Name: "FilesWaiting", Unit: "Count" }],
      },
    ],
  },
};

/** A record as the logger writes it. */
function recordOf(event: EventName, more: object = {}): Record<string, unknown> {
  const lines: string[] = [];
  const logger = makeLogger({
    clock: new ManualClock(Date.UTC(2026, 10, 24)),
    random: () => 0.1,
    base: { fleet: SAMPLE_FLEET, host: "h1", version: "1" },
    local: [{ write: (line) => lines.push(line) }],
    state: [],
    files: [],
  });
  logger.setLevel("debug");
  logger.log(event, { ...sampleFields(event), ...more });
  return JSON.parse(lines[0] ?? "");
}

const problemsOf = (record: object) => checkRecord(JSON.stringify(record));

describe("checkRecord", () => {
  for (const event of EVENT_NAMES.filter(
    (name) => !/completed|heartbeat|dropped|rejected/.test(name),
  )) {
    it(`takes ${event} as the logger writes it, and not without one of its fields`, () => {
      const record = recordOf(event);
      expect(problemsOf(record)).to.deep.equal([]);
      for (const name of [...COMMON_FIELDS, ...Object.keys(sampleFields(event))]) {
        const { [name]: _, ...rest } = record;
        expect(problemsOf(rest), name).not.to.deep.equal([]);
      }
    });
  }

  it("takes a sweep with its metrics, and a dry run without", () => {
    expect(problemsOf(recordOf("sweep.completed", EMF))).to.deep.equal([]);
    expect(problemsOf(recordOf("sweep.completed", { isDryRun: true }))).to.deep.equal([]);
    expect(problemsOf(recordOf("sweep.completed"))).to.deep.equal([
      "sweep.completed: metrics are missing",
    ]);
  });

  const removed = recordOf("file.removed");
  const sweep = recordOf("sweep.completed", EMF);
  const [both, route] = EMF._aws.CloudWatchMetrics;
  const applied = recordOf("config.applied");
  const wrong: readonly (readonly [string, object, string])[] = [
    ["an event that there is not", { ...removed, event: "file.gone" }, "no event file.gone"],
    ["an event of Object.prototype", { ...removed, event: "toString" }, "no event toString"],
    ["another level", { ...removed, level: "warn" }, "level is not info"],
    ["an unknown field", { ...removed, size: 1 }, "size is none of its fields"],
    ["another event's field", { ...removed, message: "m" }, "message is none of its fields"],
    ["a text for a number", { ...removed, bytes: "1" }, "bytes is no number"],
    ["null for a number", { ...removed, bytes: null }, "bytes is no number"],
    ["a number for a text", { ...removed, key: 1 }, "key is no text"],
    ["a text for a boolean", { ...removed, wasStored: "no" }, "wasStored is no boolean"],
    ["a time with an offset", { ...removed, time: "2026-11-24T12:00:00.000+01:00" }, "no time"],
    ["a time without milliseconds", { ...removed, time: "2026-11-24T12:00:00Z" }, "no time"],
    ["a day that there is not", { ...removed, time: "2026-13-24T12:00:00.000Z" }, "no time"],
    ["milliseconds for a time", { ...removed, time: 1 }, "no time"],
    ["an id of another form", { ...removed, id: "abc-1" }, "id is none"],
    ["an id without a count", { ...removed, id: "abcdefgh-" }, "id is none"],
    ["a word that is none of them", { ...applied, cohort: "blue" }, "none of stable, canary"],
    ["no list", { ...applied, routes: 1 }, "routes is no list"],
    ["another list", { ...applied, routes: [{ route: "a" }] }, "routes has other members"],
    [
      "metrics where there are none",
      { ...removed, _aws: EMF._aws },
      "FilesRemoved is none of its metrics",
    ],
    [
      "a metric in another unit",
      {
        ...sweep,
        _aws: {
          CloudWatchMetrics: [{ ...both, Metrics: [{ Name: "FilesRemoved", Unit: "Bytes" }] }],
        },
      },
      "FilesRemoved is in Bytes",
    ],
    [
      "a metric by other dimensions",
      {
        ...sweep,
        _aws: { CloudWatchMetrics: [{ ...both, Dimensions: [["Fleet"]] }, route] },
      },
      'FilesRemoved is kept by [["Fleet"]]',
    ],
    ["what the embedded metric format forbids", { ...sweep, FilesRemoved: "3" }, "FilesRemoved"],
    [
      "a member that only looks like a metric",
      { ...sweep, FilesKept: 1 },
      "FilesKept is none of its fields",
    ],
  ];
  for (const [what, record, says] of wrong) {
    it(`tells of ${what}`, () => {
      expect(problemsOf(record).join("\n")).to.include(says);
    });
  }

  it("tells of what is no record", () => {
    for (const line of ["", "[]", "null", '"a"', "{", "{}"]) {
      expect(checkRecord(line)).to.have.length(1);
      expect(isRecord(line)).to.equal(false);
    }
    expect(isRecord(JSON.stringify(removed))).to.equal(true);
  });
});

describe("the tables of records", () => {
  it("have no field that no event has, and no metric that no event carries", () => {
    const rules = EVENT_NAMES.map((name) => EVENTS[name] as EventRule);
    const fields = rules.flatMap(({ required, optional }) => [...required, ...optional]);
    const members = fields.flatMap((name) => fieldRule(name)?.members ?? []);
    const used = new Set<string>([...COMMON_FIELDS, ...fields, ...members]);
    expect(Object.keys(FIELDS).filter((name) => !used.has(name))).to.deep.equal([]);
    const metrics = new Set(
      rules.flatMap(({ metrics = [] }) => metrics).flatMap(({ names }) => names),
    );
    expect(new Set(Object.keys(METRICS))).to.deep.equal(metrics);
  });

  it("name each field of an event once", () => {
    for (const name of EVENT_NAMES) {
      const { required, optional } = EVENTS[name];
      const all = [...COMMON_FIELDS, ...required, ...optional];
      expect(new Set(all).size, name).to.equal(all.length);
    }
  });

  it("tell units by the ends of names, as the house does", () => {
    for (const [name, { type, unit }] of Object.entries(FIELDS).map(
      ([name]) => [name, fieldRule(name) ?? { type: "text" as const, unit: undefined }] as const,
    )) {
      const end = /(Ms|Seconds|Percent|[bB]ytes)$/.exec(name)?.[1]?.toLowerCase();
      const units = { ms: "milliseconds", seconds: "seconds", percent: "percent", bytes: "bytes" };
      const expected = name === "bytesRemoved" ? "bytes" : units[end as keyof typeof units];
      expect(unit, name).to.equal(expected);
      expect(type === "time", name).to.equal(/At$|^time$|^slot$/.test(name));
    }
  });
});
