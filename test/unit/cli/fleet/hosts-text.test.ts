import { expect } from "chai";
import { hostsJson, hostsText } from "../../../../src/cli/fleet/hosts-text.ts";
import type { DesiredConfigs } from "../../../../src/fleet/hosts/desired.ts";
import { parseExpectedHosts } from "../../../../src/fleet/hosts/expected-hosts.ts";
import { readHeartbeatRows } from "../../../../src/fleet/hosts/heartbeat-query.ts";
import { type Filter, judgeFleet, selectHosts } from "../../../../src/fleet/hosts/verdict.ts";
import { makePalette } from "../../../../src/lib/palette.ts";
import { heartbeatRow, NOW } from "../../../support/heartbeats.ts";

const plain = makePalette(false, {});
const refusal = "The configuration is refused: /x/concurrency must be a number.";
const desired = (refused?: string): DesiredConfigs => ({
  expectedHosts: 5,
  of: () => ({
    hash: "aaaaaaaaaaaa",
    cohort: "stable",
    refusal: refused,
    sweepIntervalMs: undefined,
  }),
});

const rows = [
  heartbeatRow("web-1"),
  heartbeatRow("web-2", {
    configHash: "bbbbbbbbbbbb",
    desiredHash: "bbbbbbbbbbbb",
    version: "0.0.9",
    cohort: "canary",
  }),
  heartbeatRow("web-3", { filesFailed: 2, backlogFiles: 3, backlogBytes: 2_048 }),
];

const reportOf = (
  more: { filters?: readonly Filter[]; rows?: typeof rows; refused?: string; inAll?: number } = {},
) => {
  const { filters = [] } = more;
  const verdicts = judgeFleet({
    heartbeats: readHeartbeatRows(more.rows ?? rows),
    desired: desired(more.refused),
    expected: undefined,
    now: NOW,
  });
  return {
    fleet: "web",
    group: "/s3-offload-agent/web",
    now: NOW,
    verdicts,
    shown: selectHosts(verdicts, filters),
    filters,
    hostsInAll: more.inAll,
    hostsHeard: 3,
    expectedHosts: 5,
    notes: ["something could not be read"],
  };
};

describe("fleet hosts for people", () => {
  it("is a table with what is wrong at the end of a line, and counts below", () => {
    expect(hostsText(reportOf(), plain)).to.equal(
      [
        "host   status   heartbeat  version  configuration        last sweep  waiting",
        "web-3  failing  1m ago     0.1.0    aaaaaaaaaaaa         3m ago      4 (2.0 KiB)  2 files failed",
        "web-2  behind   1m ago     0.0.9    bbbbbbbbbbbb canary  3m ago      1            has not read it yet: read 2m ago, looks every 10m",
        "web-1  ok       1m ago     0.1.0    aaaaaaaaaaaa         3m ago      1",
        "",
        "3 hosts: 1 failing, 1 behind, 1 ok",
        "expected-hosts says 5; 3 sent a heartbeat in the last 15 minutes",
        "versions: 2 0.1.0, 1 0.0.9",
        "configurations in effect: 2 aaaaaaaaaaaa (wanted), 1 bbbbbbbbbbbb",
        "note: something could not be read",
        "",
      ].join("\n"),
    );
  });

  it("says so when there is no such host, or none at all", () => {
    const none = hostsText(reportOf({ filters: ["silent"] }), plain);
    expect(none).to.match(/^No host of fleet web is silent\.\n3 hosts: /);
    const nobody = hostsText(reportOf({ rows: [] }), plain);
    expect(nobody).to.match(/^No host of fleet web has sent a heartbeat .*\/s3-offload-agent\/web/);
  });

  it("says how many of how many only when some are missing", () => {
    expect(hostsText(reportOf({ inAll: 250_000 }), plain)).to.match(/^3 of about 250000 shown/m);
    expect(hostsText(reportOf(), plain)).not.to.include("about");
  });

  it("says that what the parameters say is no good for any host", () => {
    const text = hostsText(reportOf({ refused: refusal }), plain);
    expect(text).to.include(`is no good for 3 hosts: ${refusal}`);
  });

  it("lets no host's words rule the terminal", () => {
    const evil = heartbeatRow("evil", {
      refusal: "\u001b[2J",
      configHash: "x",
      desiredHash: "aaaaaaaaaaaa",
    });
    expect(hostsText(reportOf({ rows: [evil] }), plain)).not.to.include("\u001b");
  });

  it("has colours where they are wanted, for the hosts that are not well", () => {
    const lines = hostsText(reportOf(), makePalette(true, {})).split("\n");
    expect(lines.map((line) => line.startsWith("\u001b["))).to.deep.equal([
      false,
      true,
      true,
      ...Array(lines.length - 3).fill(false),
    ]);
  });
});

describe("fleet hosts as JSON", () => {
  it("is one object with counts of all and the hosts that are shown", () => {
    const answer = JSON.parse(hostsJson(reportOf({ filters: ["errors"] })));
    expect(answer).to.deep.include({
      fleet: "web",
      isComplete: true,
      hostsInAll: 3,
      expectedHosts: 5,
      counts: { failing: 1, behind: 1, ok: 1 },
      versions: { "0.1.0": 2, "0.0.9": 1 },
    });
    expect(answer.hosts).to.have.length(1);
    expect(answer.hosts[0]).to.deep.include({
      host: "web-3",
      status: "failing",
      problems: [{ kind: "failing", text: "2 files failed" }],
      heartbeatAt: "2026-11-24T11:59:00.000Z",
      lastSweepAt: "2026-11-24T11:57:00.000Z",
      wantedHash: "aaaaaaaaaaaa",
    });
  });

  it("is a list that --expect takes", () => {
    const hosts = parseExpectedHosts(hostsJson(reportOf()), "hosts.json");
    expect(hosts.map(({ host }) => host)).to.have.members(["web-1", "web-2", "web-3"]);
  });
});
