import { expect } from "chai";
import {
  ALL_HOSTS,
  heartbeatQuery,
  isCloned,
  partsOf,
  readHeartbeatRows,
} from "../../../../src/fleet/hosts/heartbeat-query.ts";
import { type InsightsEvent, runInsights } from "../../../../tools/cloudwatch/insights-language.ts";
import { heartbeatRecord, heartbeatRow, NOW } from "../../../support/heartbeats.ts";

const MINUTE_MS = 60_000;

const eventOf = (host: string, at: number, more = {}): InsightsEvent => ({
  timestamp: at,
  logStream: host,
  message: JSON.stringify(heartbeatRecord(host, at, more)),
});

/** What the query finds in these events, read back. */
const read = (events: readonly InsightsEvent[], part = ALL_HOSTS) =>
  readHeartbeatRows(runInsights(heartbeatQuery(part), events));

describe("the heartbeat query and its rows", () => {
  it("give each host its latest heartbeat as a whole: a refusal that is over is not told", () => {
    const hosts = read([
      eventOf("a", NOW - 10 * MINUTE_MS, {
        refusal: "bucket is wrong",
        desiredHash: "bbbbbbbbbbbb",
      }),
      eventOf("a", NOW - 5 * MINUTE_MS),
      eventOf("b", NOW - 6 * MINUTE_MS, { filesFailed: 3 }),
    ]);
    expect([...hosts.keys()]).to.have.members(["a", "b"]);
    expect(hosts.get("a")?.latest.refusal).to.equal(undefined);
    expect(hosts.get("a")?.heartbeatAt).to.equal(NOW - 5 * MINUTE_MS);
    expect(hosts.get("b")?.latest.filesFailed).to.equal(3);
  });

  it("take no other record, and none that is damaged", () => {
    const other = { ...eventOf("a", NOW), message: '{"event":"sweep.completed","host":"a"}' };
    expect(read([other, { ...other, message: "{" }]).size).to.equal(0);
    expect(readHeartbeatRows([{ ...heartbeatRow("a"), heartbeat: "{" }]).size).to.equal(0);
    expect(readHeartbeatRows([{ ...heartbeatRow("a"), lastAt: "" }]).size).to.equal(0);
  });

  it("read times as the service writes them, computed or not", () => {
    const row = { ...heartbeatRow("a"), lastAt: "2026-11-24 11:59:30.250", firstAt: "1.795E12" };
    const host = readHeartbeatRows([row]).get("a");
    expect(host?.heartbeatAt).to.equal(NOW - 29_750);
    expect(host?.machines[0]?.firstAt).to.equal(1_795_000_000_000);
  });

  const at = (minutes: number) => NOW - minutes * MINUTE_MS;
  for (const [what, spans, expected] of [
    ["one configuration all the time", [["a", 60, 1]], 60],
    [
      "another one before",
      [
        ["b", 60, 30],
        ["a", 25, 1],
      ],
      25,
    ],
    [
      "another one between: only the last heartbeat is sure",
      [
        ["a", 60, 1],
        ["b", 40, 30],
      ],
      1,
    ],
  ] as const) {
    it(`know since when a configuration is in effect: ${what}`, () => {
      const rows = spans.map(([configHash, first, last]) =>
        heartbeatRow("h", { configHash, firstAt: at(first), lastAt: at(last) }),
      );
      expect(readHeartbeatRows(rows).get("h")?.configSince).to.equal(at(expected));
    });
  }

  for (const [what, spans, expected] of [
    ["one machine", [["m1", 60, 1]], false],
    [
      "a machine that took another one's place",
      [
        ["m1", 60, 30],
        ["m2", 29, 1],
      ],
      false,
    ],
    [
      "the same, whichever row comes first",
      [
        ["m2", 29, 1],
        ["m1", 60, 30],
      ],
      false,
    ],
    [
      "two machines in turns",
      [
        ["m1", 60, 2],
        ["m2", 55, 1],
      ],
      true,
    ],
    [
      "a second machine for a while",
      [
        ["m1", 60, 1],
        ["m2", 40, 40],
      ],
      true,
    ],
    [
      "a machine with two configurations",
      [
        ["m1", 60, 30],
        ["m1", 31, 1],
      ],
      false,
    ],
  ] as const) {
    it(`see a cloned host by its machines: ${what}`, () => {
      const rows = spans.map(([machine, first, last], index) =>
        heartbeatRow("h", {
          machine,
          configHash: `${index}`,
          firstAt: at(first),
          lastAt: at(last),
        }),
      );
      const host = readHeartbeatRows(rows).get("h");
      expect(host === undefined ? undefined : isCloned(host)).to.equal(expected);
    });
  }

  it("divide into parts that hold every host exactly once, however it is named", () => {
    const names = ["i-0abc", "web-1", "web-12", "1", "f", "a.example.com", "HOST", "x_", "-", "f1"];
    const events = names.map((name) => eventOf(name, NOW));
    const hostsIn = (parts: readonly string[]) =>
      parts.flatMap((part) => [...read(events, part).keys()]);
    const parts = partsOf(ALL_HOSTS) ?? [];
    expect(hostsIn(parts)).to.have.length(names.length).and.to.have.members(names);
    for (const part of parts) {
      const smaller = partsOf(part) ?? [];
      expect(hostsIn(smaller), part).to.have.members(hostsIn([part]));
      expect(hostsIn(smaller)).to.have.length(hostsIn([part]).length);
    }
    expect(partsOf("^f")).to.equal(undefined);
  });
});
