import { expect } from "chai";
import { heartbeatFields } from "../../../../src/agent/heartbeat-record.ts";
import { NO_SWEEPS } from "../../../../src/agent/sweep-counts.ts";
import { parseHeartbeat } from "../../../../src/fleet/hosts/heartbeat.ts";
import { NOW } from "../../../support/heartbeats.ts";

describe("parseHeartbeat", () => {
  it("reads what the agent of this version writes, name by name", () => {
    const record = heartbeatFields({
      fleet: "web",
      host: "web-1",
      version: "0.1.0",
      pid: 1,
      stateDirectory: "/state",
      startedAt: NOW - 60_000,
      now: NOW,
      slotAt: NOW,
      machine: "0123456789ab",
      config: undefined,
      refresh: {
        desiredHash: "bbbbbbbbbbbb",
        effectiveHash: "aaaaaaaaaaaa",
        refusal: "bucket must be a name",
        unreachable: { message: "ECONNREFUSED", since: NOW - 1_000 },
        answeredAt: undefined,
        nextPollAt: undefined,
      },
      lanes: [
        {
          route: "default",
          directory: "/x",
          nextSweepAt: undefined,
          isSweeping: false,
          isLate: true,
          lastSweep: undefined,
          sinceSweepMs: undefined,
          failure: "the directory is gone",
        },
      ],
      credentials: { source: "environment", expiresAt: NOW + 1_000, failure: "no file" },
      logs: { waiting: 0, dropped: 0 },
      isStopping: false,
      sweeps: NO_SWEEPS,
      freePercent: 50,
    });
    const heartbeat = parseHeartbeat(JSON.stringify({ version: "0.1.0", ...record }));
    expect(heartbeat).to.deep.equal({
      version: "0.1.0",
      cohort: "stable",
      configHash: "aaaaaaaaaaaa",
      desiredHash: "bbbbbbbbbbbb",
      refusal: "bucket must be a name",
      configReadAt: undefined,
      unreachable: "ECONNREFUSED",
      lastSweepAt: undefined,
      isLate: true,
      sweepFailure: "the directory is gone",
      filesWaiting: 0,
      filesFailed: 0,
      filesQuarantined: 0,
      filesInQuarantine: 0,
      filesUndeletable: 0,
      backlogFiles: 0,
      backlogBytes: 0,
      oldestSettledAgeSeconds: 0,
      refreshIntervalSeconds: undefined,
      credentialsSource: "environment",
      credentialsExpireAt: NOW + 1_000,
      credentialsFailure: "no file",
    });
    // Whatever it is that a sweep or a configuration puts in, its name is known here.
    const counts = Object.keys(record).filter((name) => /^(files|backlog|oldest)/.test(name));
    expect(Object.keys(heartbeat ?? {})).to.include.members(counts);
    expect(Object.keys(record)).to.include.members(["lastSweepAt", "configReadAt", "cohort"]);
  });

  for (const text of ["", "{", "null", "[]", "3", '"x"']) {
    it(`is nothing of ${JSON.stringify(text)}`, () => {
      expect(parseHeartbeat(text)).to.equal(undefined);
    });
  }

  it("takes members of a wrong type as missing", () => {
    const wrong = { configHash: 3, filesFailed: "many", lastSweepAt: "yesterday", refusal: {} };
    expect(parseHeartbeat(JSON.stringify(wrong))).to.include({
      configHash: "",
      filesFailed: 0,
      lastSweepAt: undefined,
      refusal: undefined,
    });
  });
});
