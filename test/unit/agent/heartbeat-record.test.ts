import { expect } from "chai";
import fc from "fast-check";
import { type HeartbeatSource, heartbeatFields } from "../../../src/agent/heartbeat-record.ts";
import type { LaneReport } from "../../../src/agent/lane.ts";
import { NO_SWEEPS } from "../../../src/agent/sweep-counts.ts";
import { sweepFields } from "../../../src/agent/sweep-records.ts";
import { type LastSweep, lastSweepOf } from "../../../src/sweep/host-state.ts";
import { type SweepReport, Tally } from "../../../src/sweep/report.ts";
import { checkEmf } from "../../../tools/records/emf-rules.ts";
import { emfData, emfSum } from "../../support/emf-values.ts";
import { NOW } from "../../support/heartbeats.ts";
import { goodConfig } from "../../support/parameter-sets.ts";

const CONFIG = { ...goodConfig({ fleet: { bucket: "data" } }), readAt: NOW - 90_000 };
const SLOT_MS = 300_000;

const NOTHING = new Tally(() => 0).report({
  startedAt: NOW - 60_000,
  endedAt: NOW - 59_000,
  durationMs: 1_000,
  isInterrupted: false,
});

function sweepOf(counts: Partial<SweepReport> = {}): LastSweep {
  return lastSweepOf({ route: "main", directory: "/in" }, { ...NOTHING, ...counts }, undefined);
}

function laneOf(changes: Partial<LaneReport> = {}): LaneReport {
  return {
    route: "main",
    directory: "/in",
    nextSweepAt: NOW + 60_000,
    isSweeping: false,
    lastSweep: sweepOf(),
    sinceSweepMs: 59_000,
    isLate: false,
    failure: undefined,
    ...changes,
  };
}

/** A host that is well. @param changes what is not */
function heartbeatOf(changes: Partial<HeartbeatSource> = {}): Readonly<Record<string, unknown>> {
  const record = heartbeatFields({
    fleet: "web",
    host: "web-1",
    version: "0.1.0",
    pid: 1,
    stateDirectory: "/state",
    startedAt: NOW - 3_600_000,
    now: NOW,
    slotAt: NOW,
    machine: "0123456789ab",
    config: CONFIG,
    refresh: {
      desiredHash: "a",
      effectiveHash: "a",
      refusal: undefined,
      unreachable: undefined,
      answeredAt: NOW,
      nextPollAt: NOW,
    },
    lanes: [laneOf()],
    credentials: { source: "environment", failure: undefined },
    logs: { waiting: 0, dropped: 0 },
    isStopping: false,
    sweeps: NO_SWEEPS,
    freePercent: 50,
    ...changes,
  });
  return JSON.parse(JSON.stringify(record));
}

describe("the heartbeat's metrics", () => {
  it("keep the specification, and say nothing of what is not known", () => {
    for (const record of [heartbeatOf(), heartbeatOf({ config: undefined, lanes: [] })]) {
      expect(checkEmf(record)).to.deep.equal([]);
    }
    const record = heartbeatOf({ config: undefined, lanes: [], freePercent: undefined });
    expect(checkEmf(record)).to.deep.equal([]);
    const names = emfData(record).map(({ name }) => name);
    expect(names).not.to.include.members(["ExpectedHosts"]);
    for (const name of ["ConfigAgeSeconds", "CredentialsLifeSeconds", "FreePercent"] as const) {
      expect(names).not.to.include(name);
      expect(record).not.to.have.property(name);
    }
    expect(record).to.include({ HostsBehind: 1, HostsLate: 0, Heartbeats: 1 });
  });

  const well = { HostsLate: 0, HostsBehind: 0, HostsRefusing: 0, HostsCutOff: 0 };
  const refresh = { effectiveHash: "a", answeredAt: NOW, nextPollAt: NOW };
  const one = { desiredHash: "a", refusal: undefined, unreachable: undefined };
  const table: readonly (readonly [string, Partial<HeartbeatSource>, Record<string, unknown>])[] = [
    ["one that is well", {}, { ...well, HostsLosingCredentials: 0, ConfigAgeSeconds: 90 }],
    [
      "one of its routes is late",
      { lanes: [laneOf(), laneOf({ route: "raw", isLate: true })] },
      { ...well, HostsLate: 1, isLate: true },
    ],
    [
      "it refuses its configuration",
      { refresh: { ...refresh, ...one, desiredHash: "b", refusal: "bad" } },
      { ...well, HostsBehind: 1, HostsRefusing: 1 },
    ],
    [
      "it cannot read its parameters",
      { refresh: { ...refresh, ...one, unreachable: { message: "gone", since: NOW } } },
      { ...well, HostsCutOff: 1 },
    ],
    [
      "its credentials cannot be renewed",
      { credentials: { expiresAt: NOW + 240_000, failure: "denied" } },
      { HostsLosingCredentials: 1, CredentialsLifeSeconds: 240, credentialsLifeSeconds: 240 },
    ],
    [
      "its credentials have ended",
      { credentials: { expiresAt: NOW - 240_000, failure: "denied" } },
      { HostsLosingCredentials: 1, CredentialsLifeSeconds: 0 },
    ],
    [
      "how many hosts there should be",
      { config: { ...CONFIG, expectedHosts: 7 } },
      { ExpectedHosts: 7 },
    ],
    [
      "what became of its sweeps",
      { sweeps: { started: 5, completed: 4, failed: 3, overran: 2, missed: 9 } },
      {
        SweepsStarted: 5,
        SweepsCompleted: 4,
        SweepsFailed: 3,
        SweepsOverran: 2,
        SweepsMissed: 9,
      },
    ],
    ["log records wait", { logs: { waiting: 7, dropped: 0 } }, { LogEventsWaiting: 7 }],
    [
      "its oldest file grows older between sweeps, while there is a backlog",
      {
        lanes: [
          laneOf({
            lastSweep: sweepOf({ backlogFiles: 2, oldestSettledAgeSeconds: 100 }),
            sinceSweepMs: 59_000,
          }),
          laneOf({
            lastSweep: sweepOf({ backlogFiles: 1, oldestSettledAgeSeconds: 10 }),
            sinceSweepMs: 200_000,
          }),
        ],
      },
      { OldestSettledAgeSeconds: 210, oldestSettledAgeSeconds: 210, BacklogFiles: 3 },
    ],
    [
      "no backlog, however long ago",
      { lanes: [laneOf({ sinceSweepMs: 3_600_000 })] },
      { OldestSettledAgeSeconds: 0, BacklogFiles: 0 },
    ],
    [
      "files of all its routes",
      {
        lanes: [
          laneOf({ lastSweep: sweepOf({ filesInQuarantine: 2, filesUndeletable: 1 }) }),
          laneOf({ lastSweep: sweepOf({ filesInQuarantine: 1, filesWaiting: 4 }) }),
          laneOf({ lastSweep: undefined, sinceSweepMs: undefined }),
        ],
      },
      { FilesInQuarantine: 3, FilesUndeletable: 1, FilesWaiting: 4, filesInQuarantine: 3 },
    ],
  ];
  for (const [name, changes, members] of table) {
    it(name, () => {
      const record = heartbeatOf(changes);
      expect(record).to.deep.include(members);
      expect(checkEmf(record)).to.deep.equal([]);
    });
  }
});

describe("sums over a fleet", () => {
  const count = fc.nat(1_000);
  const anyReport: fc.Arbitrary<SweepReport> = fc
    .record({
      filesRemoved: count,
      bytesRemoved: fc.nat(),
      filesFailed: count,
      filesQuarantined: count,
      filesOpenedLate: count,
      filesWaiting: count,
      filesInQuarantine: count,
      filesUndeletable: count,
      backlogFiles: count,
      backlogBytes: fc.nat(),
      uploadLatencyMs: fc.array(count, { maxLength: 100 }),
    })
    .map((counts) => ({ ...NOTHING, ...counts }));
  /** Hosts, each with its routes, each with its sweeps of one slot. */
  const anyFleet = fc.array(
    fc.array(fc.array(anyReport, { maxLength: 4 }), { minLength: 1, maxLength: 3 }),
    { maxLength: 4 },
  );

  it("are what happened: every record counts, and nothing counts in two of them", () => {
    fc.assert(
      fc.property(anyFleet, (hosts) => {
        const records: Readonly<Record<string, unknown>>[] = [];
        for (const routes of hosts) {
          for (const [index, reports] of routes.entries()) {
            const about = { fleet: "web", route: `r${index}`, config: CONFIG, free: undefined };
            for (const report of reports)
              records.push({ ...sweepFields(report, { ...about, now: NOW }) });
          }
          const lanes = routes.map((reports) => {
            const last = reports.at(-1);
            return laneOf({
              lastSweep: last && lastSweepOf({ route: "r", directory: "/" }, last, undefined),
            });
          });
          const all = routes.flat().length;
          const sweeps = { ...NO_SWEEPS, started: all, completed: all };
          records.push(heartbeatOf({ lanes, sweeps, slotAt: NOW - (NOW % SLOT_MS) }));
        }
        const reports = hosts.flat(2);
        const last = hosts.flat().flatMap((of) => of.at(-1) ?? []);
        const sum = (of: readonly SweepReport[], value: (report: SweepReport) => number) =>
          of.reduce((total, report) => total + value(report), 0);
        const inFleet = (name: Parameters<typeof emfSum>[1]) =>
          emfSum(records, name, { Fleet: "web" });

        expect(inFleet("FilesRemoved")).to.equal(sum(reports, (one) => one.filesRemoved));
        expect(inFleet("BytesRemoved")).to.equal(sum(reports, (one) => one.bytesRemoved));
        expect(inFleet("FilesFailed")).to.equal(sum(reports, (one) => one.filesFailed));
        expect(inFleet("FilesQuarantined")).to.equal(sum(reports, (one) => one.filesQuarantined));
        expect(inFleet("FilesOpenedLate")).to.equal(sum(reports, (one) => one.filesOpenedLate));
        expect(inFleet("UploadLatencyMs")).to.equal(
          sum(reports, (one) => one.uploadLatencyMs.reduce((total, ms) => total + ms, 0)),
        );
        expect(inFleet("FilesWaiting")).to.equal(sum(last, (one) => one.filesWaiting));
        expect(inFleet("FilesInQuarantine")).to.equal(sum(last, (one) => one.filesInQuarantine));
        expect(inFleet("FilesUndeletable")).to.equal(sum(last, (one) => one.filesUndeletable));
        expect(inFleet("BacklogFiles")).to.equal(sum(last, (one) => one.backlogFiles));
        expect(inFleet("BacklogBytes")).to.equal(sum(last, (one) => one.backlogBytes));
        expect(inFleet("Heartbeats")).to.equal(hosts.length);
        expect(inFleet("SweepsCompleted")).to.equal(reports.length);

        const ofRoute = hosts.flatMap((routes) => routes[0] ?? []);
        const inRoute = emfSum(records, "FilesRemoved", { Fleet: "web", Route: "r0" });
        expect(inRoute).to.equal(sum(ofRoute, (one) => one.filesRemoved));
        for (const record of records) {
          const problems = checkEmf(JSON.parse(JSON.stringify(record)));
          expect(problems).to.deep.equal([]);
        }
        // A metric that two kinds of records carry for the fleet would be counted twice.
        const kinds = new Map<string, Set<boolean>>();
        for (const record of records) {
          for (const { name, dimensions } of emfData(record)) {
            if ("Route" in dimensions) continue;
            kinds.getOrInsertComputed(name, () => new Set()).add("slot" in record);
          }
        }
        for (const [name, of] of kinds) expect(of.size, name).to.equal(1);
      }),
      { numRuns: 60 },
    );
  });
});
