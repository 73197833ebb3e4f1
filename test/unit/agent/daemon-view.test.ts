import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { daemonStatus } from "../../../src/agent/daemon-state.ts";
import { parseDaemon, readDaemon } from "../../../src/agent/daemon-view.ts";

const NOW = Date.parse("2026-11-24T12:00:00.000Z");

const written = daemonStatus({
  fleet: "web",
  host: "host-1",
  version: "1.2.3",
  pid: 42,
  stateDirectory: "/state",
  startedAt: NOW - 60_000,
  now: NOW,
  machine: "0123456789ab",
  config: undefined,
  refresh: {
    desiredHash: "d",
    effectiveHash: "e",
    refusal: "no",
    unreachable: { message: "gone", since: NOW - 1_000 },
    answeredAt: NOW - 2_000,
    nextPollAt: NOW + 3_000,
  },
  lanes: [
    {
      route: "raw",
      directory: "/raw",
      nextSweepAt: NOW + 4_000,
      isSweeping: true,
      isLate: true,
      lastSweep: undefined,
      sinceSweepMs: undefined,
      failure: "EACCES",
    },
  ],
  credentials: { source: "environment", expiresAt: NOW + 5_000, failure: undefined },
  logs: { waiting: 1, dropped: 2 },
  isStopping: false,
});

describe("what a daemon says of itself", () => {
  it("is read as it was written", () => {
    expect(parseDaemon(JSON.stringify(written))).to.deep.equal({
      pid: 42,
      version: "1.2.3",
      fleet: "web",
      host: "host-1",
      stateDirectory: "/state",
      startedAt: NOW - 60_000,
      writtenAt: NOW,
      isStopping: false,
      configuration: {
        effectiveHash: "e",
        desiredHash: "d",
        cohort: undefined,
        refusal: "no",
        unreachable: "gone",
        unreachableSince: NOW - 1_000,
        readAt: undefined,
        answeredAt: NOW - 2_000,
        nextPollAt: NOW + 3_000,
      },
      routes: [
        {
          route: "raw",
          directory: "/raw",
          nextSweepAt: NOW + 4_000,
          isSweeping: true,
          isLate: true,
          failure: "EACCES",
          lastSweep: undefined,
        },
      ],
      credentials: { source: "environment", expiresAt: NOW + 5_000, failure: undefined },
      logs: { waiting: 1, dropped: 2 },
    });
  });

  for (const text of ["", "{", "null", "7", "[]", "{}", '{"pid":1}', '{"pid":"1","writtenAt":1}']) {
    it(`is nothing if it reads ${JSON.stringify(text)}`, () => {
      expect(parseDaemon(text)).to.equal(undefined);
    });
  }

  it("of another version keeps what is understood, whatever the rest is", () => {
    const writtenAt = "2026-11-24T12:00:00.000Z";
    for (const strange of [null, 7, "x", [], [null, 7, { route: 1 }], { a: 1 }]) {
      const members = ["configuration", "routes", "credentials", "logs", "startedAt", "version"];
      const all = Object.fromEntries(members.map((name) => [name, strange]));
      const read = parseDaemon(JSON.stringify({ ...all, pid: 1, writtenAt }));
      expect(read).to.include({ pid: 1, writtenAt: NOW });
      expect(read?.routes).to.deep.equal([]);
    }
  });

  it("is told apart from what is not there and what cannot be read", async () => {
    const folder = await mkdtemp(join(tmpdir(), "s3-offload-daemon-"));
    try {
      expect(await readDaemon(folder)).to.deep.equal({ kind: "none" });
      await writeFile(join(folder, "daemon.json"), "{");
      expect(await readDaemon(folder)).to.include({ kind: "unreadable" });
      await writeFile(join(folder, "daemon.json"), JSON.stringify(written));
      expect(await readDaemon(folder)).to.include({ kind: "found" });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
