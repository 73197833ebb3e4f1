import { expect } from "chai";
import { ROWS_MAX } from "../../../../src/fleet/hosts/heartbeat-query.ts";
import {
  makeHeartbeatSource,
  readHeartbeats,
} from "../../../../src/fleet/hosts/heartbeat-source.ts";
import type { LogQuery, QueryRow } from "../../../../src/fleet/log-queries.ts";
import { systemClock } from "../../../../src/lib/clock.ts";
import { heartbeatRow, NOW } from "../../../support/heartbeats.ts";

/** A service that cuts at its limit and knows `host like /.../`. */
function serviceOf(rows: readonly QueryRow[], limit = ROWS_MAX) {
  const asked: LogQuery[] = [];
  return {
    asked,
    async run(query: LogQuery) {
      asked.push(query);
      if (query.text.includes("count_distinct(host)")) return [{ hosts: `${rows.length}` }];
      const pattern = new RegExp(/ host like \/(.+)\/ /.exec(`${query.text} `)?.[1] ?? "");
      return rows.filter(({ host = "" }) => pattern.test(host)).slice(0, limit);
    },
  };
}

const about = { group: "/s3-offload-agent/web", now: NOW, signal: new AbortController().signal };

describe("readHeartbeats", () => {
  it("asks once for the last two hours of the fleet's group", async () => {
    const queries = serviceOf([heartbeatRow("a")]);
    const { hosts, hostsInAll } = await readHeartbeats({ ...about, queries });
    expect([...hosts.keys()]).to.deep.equal(["a"]);
    expect(hostsInAll).to.equal(undefined);
    expect(queries.asked).to.have.length(1);
    const [query] = queries.asked;
    expect(query).to.include({ group: about.group, endAt: NOW, startAt: NOW - 7_200_000 });
  });

  it("asks for parts where one query cannot hold all, and misses no host", async () => {
    const row = heartbeatRow("x");
    const rows = Array.from({ length: ROWS_MAX + 1_000 }, (_, index) => ({
      ...row,
      host: `i-${index.toString(16).padStart(8, "0")}`,
    }));
    const queries = serviceOf(rows);
    const { hosts, hostsInAll } = await readHeartbeats({ ...about, queries });
    expect(hosts.size).to.equal(rows.length);
    expect(hostsInAll).to.equal(undefined);
    expect(queries.asked).to.have.length(1 + 17);
  });

  it("says about how many hosts there are when the rows of one host alone are too many", async () => {
    const row = heartbeatRow("f");
    const queries = serviceOf(Array.from({ length: ROWS_MAX + 5 }, () => row));
    const { hosts, hostsInAll } = await readHeartbeats({ ...about, queries });
    expect(hosts.size).to.equal(1);
    expect(hostsInAll).to.equal(ROWS_MAX + 5);
  });
});

describe("makeHeartbeatSource", () => {
  it("gives a fleet's live hosts", async () => {
    const queries = serviceOf([
      heartbeatRow("a", { refusal: "no", backlogFiles: 2, filesFailed: 3, cohort: "canary" }),
    ]);
    const source = makeHeartbeatSource({ queries, parameterRoot: "/p", clock: systemClock });
    expect(await source.liveHosts("web", about.signal)).to.deep.equal([
      {
        host: "a",
        version: "0.1.0",
        cohort: "canary",
        configHash: "aaaaaaaaaaaa",
        desiredHash: "aaaaaaaaaaaa",
        refusal: "no",
        heartbeatAt: NOW - 60_000,
        lastSweepAt: NOW - 180_000,
        waiting: 3,
        oldestSeconds: 0,
        failed: 3,
        refreshIntervalSeconds: 600,
        configSince: NOW - 3_600_000,
      },
    ]);
    expect(queries.asked[0]?.group).to.equal("/p/web");
  });
});
