import { expect } from "chai";
import type { DaemonState } from "../../../src/agent/daemon-state.ts";
import type { LaneReport } from "../../../src/agent/lane.ts";
import { serviceStatus } from "../../../src/agent/service-status.ts";
import { lastSweepOf } from "../../../src/sweep/host-state.ts";
import { Tally } from "../../../src/sweep/report.ts";
import { goodConfig } from "../../support/parameter-sets.ts";

const NOW = Date.UTC(2026, 10, 24, 12);
const MINUTE = 60_000;

const found = new Tally(() => 0).report({
  startedAt: NOW - MINUTE,
  endedAt: NOW - MINUTE,
  durationMs: 0,
  isInterrupted: false,
});

function lane(changes: Partial<LaneReport> = {}, counts: Partial<typeof found> = {}): LaneReport {
  return {
    route: "default",
    directory: "/var/spool/s3-offload",
    nextSweepAt: NOW + 4 * MINUTE,
    isSweeping: false,
    lastSweep: lastSweepOf(
      { route: "default", directory: "/" },
      { ...found, ...counts },
      undefined,
    ),
    sinceSweepMs: MINUTE,
    isLate: false,
    failure: undefined,
    ...changes,
  };
}

const refresh: DaemonState["refresh"] = {
  desiredHash: "a",
  effectiveHash: "a",
  refusal: undefined,
  unreachable: undefined,
  answeredAt: NOW,
  nextPollAt: NOW + 20_000,
};
const unreachable = { message: "SSM does not answer.", since: NOW };

function state(changes: Partial<DaemonState> = {}): DaemonState {
  return {
    fleet: "web",
    host: "h",
    version: "1",
    pid: 1,
    stateDirectory: "/state",
    startedAt: NOW,
    now: NOW,
    machine: undefined,
    config: goodConfig({ fleet: { bucket: "data" } }),
    refresh,
    lanes: [lane()],
    credentials: { failure: undefined },
    logs: { waiting: 0, dropped: 0 },
    isStopping: false,
    ...changes,
  };
}

const sweeping = (filesDone: number, filesInFlight: number) =>
  lane({ isSweeping: true, underWay: { filesDone, filesInFlight } });

const CASES: readonly (readonly [string, Partial<DaemonState>])[] = [
  ["next sweep in 4 min, 0 files waiting", {}],
  ["next sweep in 4 min, 12 files waiting", { lanes: [lane({}, { filesWaiting: 12 })] }],
  ["next sweep in 20 s, 0 files waiting", { lanes: [lane({ nextSweepAt: NOW + 20_000 })] }],
  ["next sweep in 3 h, 0 files waiting", { lanes: [lane({ nextSweepAt: NOW + 180 * MINUTE })] }],
  [
    "next sweep in 3 days, 0 files waiting",
    { lanes: [lane({ nextSweepAt: NOW + 4_320 * MINUTE })] },
  ],
  ["next sweep now, 0 files waiting", { lanes: [lane({ nextSweepAt: NOW - 1 })] }],
  [
    "no sweep is due yet, 0 files waiting",
    { lanes: [lane({ nextSweepAt: undefined, lastSweep: undefined })] },
  ],
  ["no directory to sweep", { lanes: [] }],
  [
    "next sweep in 4 min, 1 file waiting, 7 in the backlog (2.0 KiB), 3 in quarantine, LATE",
    {
      lanes: [
        lane(
          { isLate: true },
          { filesWaiting: 1, backlogFiles: 7, backlogBytes: 2_048, filesInQuarantine: 3 },
        ),
      ],
    },
  ],
  ["sweeping: 1 file done, 3 in flight, 0 files waiting", { lanes: [sweeping(1, 3)] }],
  [
    "sweeping 1 of 2 routes: 120 files done, 8 in flight, 0 files waiting",
    { lanes: [sweeping(120, 8), lane({ route: "other" })] },
  ],
  // Two routes: the earliest sweep, the sum of what waits.
  [
    "next sweep in 2 min, 5 files waiting",
    {
      lanes: [
        lane({}, { filesWaiting: 2 }),
        lane({ route: "other", nextSweepAt: NOW + 2 * MINUTE }, { filesWaiting: 3 }),
      ],
    },
  ],
  // What is wrong comes first.
  [
    "the profile x is not there; next sweep in 4 min, 0 files waiting",
    { credentials: { failure: "the profile x is not there." } },
  ],
  [
    "/data is not there; next sweep in 4 min, 0 files waiting",
    { lanes: [lane({ failure: "/data is not there." })] },
  ],
  [
    "route logs: /data is not there; next sweep in 4 min, 0 files waiting",
    { lanes: [lane(), lane({ route: "logs", failure: "/data is not there." })] },
  ],
  [
    "configuration refused: schedule is wrong; next sweep in 4 min, 0 files waiting",
    { refresh: { ...refresh, refusal: "schedule is wrong" } },
  ],
  [
    "parameters cannot be read: SSM does not answer; next sweep in 4 min, 0 files waiting",
    { refresh: { ...refresh, unreachable } },
  ],
  [
    "no credentials; 2 more; next sweep in 4 min, 0 files waiting",
    {
      credentials: { failure: "no credentials" },
      refresh: { ...refresh, refusal: "schedule is wrong", unreachable },
    },
  ],
  // Nothing to work by yet.
  [
    "waiting for the first configuration: the Parameter Store is asked in 20 s",
    { config: undefined, lanes: [] },
  ],
  [
    "waiting for the first configuration: the Parameter Store is asked",
    { config: undefined, lanes: [], refresh: { ...refresh, nextPollAt: undefined } },
  ],
  [
    "waiting for the first configuration: SSM does not answer",
    { config: undefined, lanes: [], refresh: { ...refresh, unreachable } },
  ],
  [
    "waiting for the first configuration: no credentials",
    {
      config: undefined,
      lanes: [],
      credentials: { failure: "no credentials" },
      refresh: { ...refresh, unreachable },
    },
  ],
  [
    "waiting for the first configuration: bucket is missing",
    {
      config: undefined,
      lanes: [],
      credentials: { failure: "no credentials" },
      refresh: { ...refresh, refusal: "bucket is missing" },
    },
  ],
  // The end.
  ["stopping: 3 files in flight", { isStopping: true, lanes: [sweeping(9, 1), sweeping(9, 2)] }],
  ["stopping: 1 file in flight", { isStopping: true, lanes: [sweeping(9, 1)] }],
  ["stopping: a sweep ends", { isStopping: true, lanes: [sweeping(9, 0)] }],
  [
    "stopping: 40 log records to send",
    { isStopping: true, logs: { waiting: 40, dropped: 0 }, credentials: { failure: "none" } },
  ],
];

describe("the status that a service manager shows", () => {
  for (const [text, changes] of CASES) {
    it(text, () => {
      expect(serviceStatus(state(changes))).to.equal(text);
    });
  }

  it("shows of a long reason what fits, and always what the daemon does", () => {
    const refusal = `${"very ".repeat(100)}wrong`;
    const text = serviceStatus(state({ refresh: { ...refresh, refusal } }));
    expect(text).to.match(
      /^configuration refused: very .*…; next sweep in 4 min, 0 files waiting$/,
    );
    expect([...text]).to.have.length.below(200);
  });
});
