import { expect } from "chai";
import { type DaemonReport, daemonJson, daemonNeeds } from "../../../src/cli/daemon-status.ts";
import { daemonLines, nextSweepLines } from "../../../src/cli/daemon-text.ts";
import {
  configurationOf,
  gone,
  routeOf,
  running,
  WRITTEN_AT,
} from "../../support/daemon-report.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** What is said of a daemon that needs a person; undefined: it needs none. */
const CASES: readonly (readonly [
  what: string,
  report: DaemonReport,
  nowAfterMs: number,
  says: RegExp | undefined,
])[] = [
  ["is well", running(), MINUTE_MS, undefined],
  ["never told of itself", { ...gone(), view: undefined }, 0, undefined],
  ["was stopped", gone({ isStopping: true }), 1_000 * HOUR_MS, undefined],
  ["is gone, and nobody stopped it", gone(), 0, /process 42\) is not there, and nobody/],
  [
    "has another process in its place",
    { ...gone(), liveness: { kind: "held", by: 7 } },
    0,
    undefined,
  ],
  ["told of itself one heartbeat ago", running({ routes: [] }), 11 * MINUTE_MS, undefined],
  ["has told nothing for long", running(), 16 * MINUTE_MS, /nothing of itself for 16m/],
  [
    "refuses what is desired",
    running({ configuration: configurationOf({ refusal: "bucket is wrong." }) }),
    0,
    /not in effect: bucket is wrong\./,
  ],
  [
    "cannot read its parameters for some minutes",
    running({
      configuration: configurationOf({ unreachable: "gone.", unreachableSince: WRITTEN_AT }),
      routes: [],
    }),
    10 * MINUTE_MS,
    undefined,
  ],
  [
    "cannot read its parameters for hours",
    running({
      configuration: configurationOf({
        unreachable: "AccessDenied.",
        unreachableSince: WRITTEN_AT - 2 * HOUR_MS,
      }),
    }),
    0,
    /cannot be read for 2h: AccessDenied\./,
  ],
  [
    "has credentials that end while others are not to be had",
    running({
      credentials: { source: "x", expiresAt: WRITTEN_AT + MINUTE_MS, failure: "no answer." },
    }),
    0,
    undefined,
  ],
  [
    "has credentials that are over",
    running({
      credentials: { source: "x", expiresAt: WRITTEN_AT - MINUTE_MS, failure: "no answer." },
    }),
    0,
    /There are no credentials: no answer\./,
  ],
  [
    "has never had credentials",
    running({
      credentials: { source: undefined, expiresAt: undefined, failure: "none are there." },
    }),
    0,
    /There are no credentials: none are there\./,
  ],
  [
    "has credentials that nobody has needed since they ended",
    running({
      credentials: { source: "x", expiresAt: WRITTEN_AT - MINUTE_MS, failure: undefined },
    }),
    0,
    undefined,
  ],
  [
    "cannot sweep a route",
    running({ routes: [routeOf(), routeOf({ route: "raw", failure: "EACCES." })] }),
    0,
    /Route raw cannot be swept: EACCES\./,
  ],
  [
    "is late with a sweep by some minutes",
    running({ routes: [routeOf({ nextSweepAt: WRITTEN_AT - 5 * MINUTE_MS })] }),
    0,
    undefined,
  ],
  [
    "is late with a sweep by long",
    running({ routes: [routeOf({ route: "raw", nextSweepAt: WRITTEN_AT - 20 * MINUTE_MS })] }),
    0,
    /next sweep of route raw is overdue by 20m/,
  ],
  [
    "has been sweeping for long",
    running({
      routes: [routeOf({ isSweeping: true, nextSweepAt: WRITTEN_AT - 20 * MINUTE_MS })],
    }),
    0,
    undefined,
  ],
  [
    "has not completed a sweep for too long",
    running({ routes: [routeOf({ route: "raw", isSweeping: true, isLate: true })] }),
    0,
    /No sweep of route raw has been completed since .* due time, and one is under way still: /,
  ],
  [
    "is late because sweeps fail, which is told once",
    running({ routes: [routeOf({ isLate: true, failure: "EACCES" })] }),
    0,
    /^Route default cannot be swept: EACCES$/,
  ],
];

describe("status of a daemon", () => {
  for (const [what, report, afterMs, says] of CASES) {
    it(`that ${what} needs ${says === undefined ? "nobody" : "a person"}`, () => {
      const needs = daemonNeeds(report, WRITTEN_AT + afterMs);
      if (says === undefined) expect(needs).to.deep.equal([]);
      else expect(needs).to.have.length(1).and.to.have.property("0").that.matches(says);
    });
  }

  it("what one that is stopped said before counts no longer", () => {
    const routes = [routeOf({ failure: "EACCES." })];
    const configuration = configurationOf({ refusal: "no." });
    const report = gone({ isStopping: true, routes, configuration });
    expect(daemonNeeds(report, WRITTEN_AT + HOUR_MS)).to.deep.equal([]);
    const lines = daemonLines(report, WRITTEN_AT + HOUR_MS).join("\n");
    expect(lines).to.equal("daemon        stopped 1h ago");
  });

  it("tells people times as they are from now", () => {
    const report = running({
      credentials: { source: "profile x", expiresAt: WRITTEN_AT + 2 * HOUR_MS, failure: undefined },
      configuration: configurationOf({
        desiredHash: "bbbbbbbbbbbb",
        unreachable: "gone",
        unreachableSince: WRITTEN_AT - HOUR_MS,
      }),
      logs: { waiting: 3, dropped: 4 },
    });
    expect(daemonLines(report, WRITTEN_AT).map((line) => line.trim())).to.deep.equal([
      `daemon        running for 1h, process 42, version ${report.view?.version}`,
      "configuration aaaaaaaaaaaa in effect, cohort stable, last answer 1m ago, next poll in 1m",
      "desired: bbbbbbbbbbbb",
      "UNREACHABLE for 1h: gone",
      "credentials   profile x, 2h left",
      "log records   3 waiting, 4 dropped since its start",
    ]);
  });

  it("tells of a sweep when it comes, that it is under way, or that it is overdue", () => {
    const at = (changes: object) => nextSweepLines(routeOf(changes), WRITTEN_AT);
    expect(at({})).to.deep.equal(["next sweep    in 1m"]);
    expect(at({ isSweeping: true })).to.deep.equal(["next sweep    under way"]);
    expect(at({ nextSweepAt: WRITTEN_AT - 500 })).to.deep.equal(["next sweep    now"]);
    expect(at({ isSweeping: true, isLate: true })).to.deep.equal(["next sweep    under way, LATE"]);
    const late = { nextSweepAt: WRITTEN_AT - 5 * MINUTE_MS };
    expect(at(late)).to.deep.equal(["next sweep    OVERDUE by 5m"]);
  });

  it("in JSON has times in ISO 8601, and null for what is not known", () => {
    const routes = [routeOf({ nextSweepAt: WRITTEN_AT - 5_000 })];
    const read = JSON.parse(JSON.stringify(daemonJson(running({ routes }), WRITTEN_AT)));
    expect(read).to.include({ isRunning: true, pid: 42, writtenAt: "2026-11-24T12:00:00.000Z" });
    expect(read.routes[0]).to.include({
      overdueSeconds: 5,
      isLate: false,
      failure: null,
      lastSweep: null,
    });
    expect(read.credentials).to.deep.equal({
      source: "environment",
      expiresAt: null,
      failure: null,
    });
    const none = { ...running(), view: undefined, unreadable: "EACCES" };
    expect(daemonJson(none, WRITTEN_AT)).to.include({ isRunning: null, unreadable: "EACCES" });
  });
});
