import { expect } from "chai";
import type { Desired } from "../../../../src/fleet/hosts/desired.ts";
import { readHeartbeatRows } from "../../../../src/fleet/hosts/heartbeat-query.ts";
import { judgeFleet, PROBLEM_KINDS, selectHosts } from "../../../../src/fleet/hosts/verdict.ts";
import { heartbeatRow, NOW } from "../../../support/heartbeats.ts";

const HOUR_MS = 3_600_000;
const at = (minutes: number) => new Date(NOW - minutes * 60_000).toISOString();

const WANTED: Desired = {
  hash: "aaaaaaaaaaaa",
  cohort: "stable",
  refusal: undefined,
  sweepIntervalMs: 600_000,
};

const judgeRows = (
  rows: readonly ReturnType<typeof heartbeatRow>[],
  more: {
    readonly wanted?: Partial<Desired>;
    readonly expected?: readonly { host: string; since?: number }[];
    readonly isUnknown?: boolean;
  } = {},
) =>
  judgeFleet({
    heartbeats: readHeartbeatRows(rows),
    desired: more.isUnknown
      ? undefined
      : { expectedHosts: undefined, of: () => ({ ...WANTED, ...more.wanted }) },
    expected: more.expected,
    now: NOW,
  });

const judgeOne = (record: object, wanted: Partial<Desired> = {}) => {
  const [verdict] = judgeRows([heartbeatRow("h", { ...record })], { wanted });
  return { status: verdict?.status, problems: verdict?.problems ?? [] };
};

describe("judgeFleet", () => {
  const cases: readonly (readonly [string, object, string, RegExp | undefined])[] = [
    ["a healthy host", {}, "ok", undefined],
    ["14:59 of silence", { lastAt: NOW - 899_000 }, "ok", undefined],
    ["15 minutes of silence", { lastAt: NOW - 900_000 }, "silent", /^no heartbeat for 15m$/],
    ["a failed sweep", { sweepFailure: "no such bucket" }, "failing", /^its sweep failed: no such/],
    ["failed files", { filesFailed: 2 }, "failing", /^2 files failed$/],
    ["quarantine", { filesInQuarantine: 1 }, "failing", /^1 files in quarantine$/],
    ["files that stay", { filesUndeletable: 4 }, "failing", /^4 files cannot be removed$/],
    ["no SSM", { unreachable: "ECONNREFUSED" }, "failing", /cannot read its parameters: ECONN/],
    ["no sweep for long", { lastSweepAt: at(90) }, "failing", /^no sweep completed for 1h 29m$/],
    ["a late sweep", { isLate: true }, "failing", /^no sweep completed since the last but one due/],
    ["no sweep yet", { lastSweepAt: undefined }, "ok", undefined],
    ["expired credentials", { credentialsExpireAt: at(5) }, "failing", /credentials have expired/],
    [
      "credentials without an heir",
      { credentialsFailure: "no file" },
      "failing",
      /^its credentials cannot be renewed: no file$/,
    ],
    ["credentials for later", { credentialsExpireAt: at(-5) }, "ok", undefined],
    ["a young backlog", { oldestSettledAgeSeconds: 3_599 }, "ok", undefined],
    [
      "an old one",
      { oldestSettledAgeSeconds: 3_600, backlogFiles: 7 },
      "backlog",
      /^7 files wait, the oldest for 1h$/,
    ],
  ];
  for (const [what, record, status, text] of cases) {
    it(`${what}: ${status}`, () => {
      const found = judgeOne(record);
      expect(found.status).to.equal(status);
      expect(found.problems).to.have.length(text === undefined ? 0 : 1);
      if (text !== undefined) expect(found.problems[0]?.text).to.match(text);
    });
  }

  it("measures what is old by the schedule: a daily sweep may leave files for a day", () => {
    const daily = { sweepIntervalMs: 24 * HOUR_MS };
    expect(
      judgeOne({ oldestSettledAgeSeconds: 40 * 3_600, lastSweepAt: at(40 * 60) }, daily).status,
    ).to.equal("ok");
    expect(judgeOne({ oldestSettledAgeSeconds: 48 * 3_600 }, daily).status).to.equal("backlog");
  });

  const hash = "bbbbbbbbbbbb";
  const behind: readonly (readonly [string, object, string, RegExp])[] = [
    [
      "not read",
      { configReadAt: at(4) },
      "behind",
      /^has not read it yet: read 4m ago, looks every 10m$/,
    ],
    ["read, not in effect", { desiredHash: hash }, "behind", /puts it into effect after its sweep/],
    ["refused", { desiredHash: hash, refusal: "bucket: no" }, "refused", /^bucket: no$/],
    [
      "refused an older one",
      { desiredHash: "cccccccccccc", refusal: "x" },
      "refused",
      /^has not read the latest change yet; refused the one before: x$/,
    ],
  ];
  for (const [why, record, status, text] of behind) {
    it(`tells why a host is behind: ${why}`, () => {
      const found = judgeOne(record, { hash });
      expect(found.status).to.equal(status);
      expect(found.problems[0]?.text).to.match(text);
    });
  }

  it("a host whose parameters are out of reach is failing and behind", () => {
    const { problems } = judgeOne({ unreachable: "ECONNREFUSED" }, { hash });
    expect(problems.map(({ kind }) => kind)).to.deep.equal(["failing", "behind"]);
  });

  it("a refusal of what has been taken back since is no problem", () => {
    expect(judgeOne({ desiredHash: hash, refusal: "bucket: no" }).status).to.equal("ok");
  });

  it("goes by what a host read last when nobody could read the parameters", () => {
    const rows = [heartbeatRow("a", { desiredHash: hash }), heartbeatRow("b")];
    const verdicts = judgeRows(rows, { isUnknown: true });
    expect(verdicts.map(({ status }) => status)).to.deep.equal(["behind", "ok"]);
  });

  it("misses expected hosts, lets new ones start, and lets others go", () => {
    const rows = [heartbeatRow("here"), heartbeatRow("old", { lastAt: NOW - 2_000_000 })];
    const expected = [
      { host: "here" },
      { host: "never" },
      { host: "late", since: NOW - 900_000 },
      { host: "new", since: NOW - 899_000 },
    ];
    const verdicts = judgeRows(rows, { expected });
    expect(verdicts.map(({ host, status }) => [host, status])).to.deep.equal([
      ["late", "absent"],
      ["never", "absent"],
      ["new", "starting"],
      ["old", "gone"],
      ["here", "ok"],
    ]);
    expect(verdicts[0]?.problems[0]?.text).to.match(/in two hours; it was made 15m ago$/);
    expect(verdicts.map(({ isExpected }) => isExpected)).to.deep.equal([
      true,
      true,
      true,
      false,
      true,
    ]);
  });

  /** A fleet with one host of each kind of problem. */
  const fleetOfAll = () => {
    const cloned = heartbeatRow("f-cloned", { machine: "ffffffffffff" });
    const rows = [
      heartbeatRow("a-ok"),
      heartbeatRow("b-behind", { configHash: hash }),
      heartbeatRow("c-backlog", { oldestSettledAgeSeconds: 9_000 }),
      cloned,
      { ...cloned, machine: "eeeeeeeeeeee" },
      heartbeatRow("g-failing", { filesFailed: 1 }),
      heartbeatRow("h-refused", { configHash: hash, refusal: "no" }),
      heartbeatRow("z-silent", { lastAt: NOW - 3_000_000, filesFailed: 1 }),
    ];
    const expected = [...rows.map(({ host = "" }) => ({ host })), { host: "i-absent" }];
    return judgeRows(rows, { expected });
  };

  it("puts the worst first, in the order of the kinds", () => {
    const statuses = fleetOfAll().map(({ status }) => status);
    expect(statuses).to.deep.equal([...PROBLEM_KINDS, "ok"]);
  });

  it("orders hosts of one kind as people count", () => {
    const rows = ["web-10", "web-9", "web-2"].map((host) => heartbeatRow(host));
    expect(judgeRows(rows).map(({ host }) => host)).to.deep.equal(["web-2", "web-9", "web-10"]);
  });

  for (const [filters, hosts] of [
    [["silent"], ["z-silent", "i-absent"]],
    [["behind"], ["h-refused", "b-behind"]],
    [["errors"], ["z-silent", "h-refused", "g-failing", "f-cloned", "c-backlog"]],
    [
      ["silent", "behind"],
      ["z-silent", "i-absent", "h-refused", "b-behind"],
    ],
  ] as const) {
    it(`selects by any problem a host has: ${filters.join(" ")}`, () => {
      const shown = selectHosts(fleetOfAll(), filters).map(({ host }) => host);
      expect(shown).to.deep.equal(hosts);
    });
  }

  it("judges a hundred thousand hosts, each once", () => {
    const rows = Array.from({ length: 100_000 }, (_, index) => ({
      ...heartbeatRow(`h${index}`, index % 1_000 === 0 ? { filesFailed: 1 } : {}),
    }));
    const verdicts = judgeRows(rows);
    expect(verdicts).to.have.length(100_000);
    expect(verdicts.slice(0, 101).map(({ status }) => status)).to.deep.equal([
      ...Array(100).fill("failing"),
      "ok",
    ]);
  });
});
