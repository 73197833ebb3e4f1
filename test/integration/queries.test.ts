import { expect } from "chai";
import {
  fillIn,
  type InsightsEvent,
  type InsightsRow,
  runInsights,
} from "../../tools/cloudwatch/insights-language.ts";
import { fleetResources } from "../../tools/infra/fleet-resources.ts";
import type { ResolvedResource } from "../../tools/infra/resolve.ts";
import { type ToldFleet, toldFleet } from "../support/told-fleet.ts";

/** A saved query as the stack has it. */
interface SavedQuery {
  readonly text: string;
  readonly groups: readonly string[];
  readonly parameters: readonly string[];
}

describe("the saved queries", function () {
  // The agents live for half a minute, and a heartbeat may be five minutes away.
  this.timeout(420_000);
  let told: ToldFleet;
  let queries: ReadonlyMap<string, SavedQuery>;
  /** The records of files, one of them delivered twice. */
  let files: readonly InsightsEvent[];

  before(async () => {
    told = await toldFleet();
    const twice = told.files.filter(({ message }) => message.includes('"path":"a.csv"'));
    files = [...told.files, ...twice];
    const resources = await fleetResources({ Fleet: told.fleet });
    queries = new Map(resources.flatMap(savedQuery));
  });

  /** The answer of a query, by its name. @param now wall-clock milliseconds */
  const ask = (
    name: string,
    parameters: Readonly<Record<string, string>> = {},
    now = told.endedAt,
  ): readonly InsightsRow[] => {
    const query = queries.get(`s3-offload-agent/${told.fleet}/${name}`);
    if (query === undefined) throw new Error(`no query ${name}`);
    expect(Object.keys(parameters)).to.deep.equal(query.parameters);
    const group = `/s3-offload-agent/${told.fleet}`;
    expect(query.groups).to.have.length(1);
    const isOfFiles = query.groups[0] === `${group}/files`;
    if (!isOfFiles) expect(query.groups[0]).to.equal(group);
    return runInsights(fillIn(query.text, parameters), isOfFiles ? files : told.state, now);
  };
  const recordsOf = (events: readonly InsightsEvent[], event: string) =>
    events
      .map(({ message }) => JSON.parse(message) as Readonly<Record<string, unknown>>)
      .filter((record) => record["event"] === event);
  const column = (rows: readonly InsightsRow[], name: string) => rows.map((row) => row[name]);

  it("are all asked here", () => {
    const names = [...queries.keys()].map((name) => name.split("/").at(-1));
    expect(names.toSorted()).to.deep.equal([
      "backlog-over-time",
      "bytes-per-hour",
      "credentials",
      "disk-space",
      "duplicates",
      "failures-by-reason",
      "file-story",
      "host-last-day",
      "hosts-by-configuration",
      "hosts-by-version",
      "log-losses",
      "quarantined-files",
      "refused-configurations",
      "silent-hosts",
      "slowest-uploads",
      "sweeps-late",
      "undeletable-files",
    ]);
  });

  it("file-story: all of one file by its name or its key, nothing twice", () => {
    for (const file of ["a.csv", `${told.ids.well}/a.csv`]) {
      const rows = ask("file-story", { file });
      expect(rows).to.have.length(1);
      expect(rows[0]).to.include({ host: told.ids.well, event: "file.removed", bytes: "1000" });
      expect(rows[0]?.["sha256"]).to.match(/^[0-9a-f]{64}$/);
    }
    const bad = ask("file-story", { file: "bad.csv" });
    expect(column(bad, "event")).to.deep.equal(["file.failed", "file.quarantined"]);
    expect(bad[0]).to.include({ reason: "unreadable", host: told.ids.ill });
  });

  it("host-last-day: what one host did, without what is quiet", () => {
    const uprooted = ask("host-last-day", { host: told.ids.uprooted });
    expect(column(uprooted, "event").slice(0, 4)).to.deep.equal([
      "agent.started",
      "config.applied",
      "sweep.completed",
      "sweep.failed",
    ]);
    expect(uprooted[2]).to.include({ filesRemoved: "1", bytesRemoved: "12", route: "default" });
    expect(uprooted[3]?.["message"]).to.include("does not exist");
    expect(uprooted.at(-1)).to.include({ event: "agent.stopped", level: "info" });
    const sweeps = ask("host-last-day", { host: told.ids.well }).filter(
      ({ event }) => event === "sweep.completed",
    );
    expect(column(sweeps, "filesRemoved")).to.deep.equal(["2", "1"]);
  });

  it("failures-by-reason: how often, on how many files and hosts, with an example", () => {
    const rows = ask("failures-by-reason");
    const stuck = rows.find(({ reason }) => reason === "not-removable");
    const bad = rows.find(({ reason }) => reason === "unreadable");
    expect(rows).to.have.length(2);
    const { ill } = told.ids;
    expect(stuck).to.include({
      files: "1",
      hosts: "1",
      example: `${ill} default/locked/stuck.csv`,
    });
    expect(Number(stuck?.["failures"])).to.be.at.least(2);
    expect(bad).to.include({ failures: "1", files: "1", scope: "file" });
    expect(bad?.["says"]).to.include("EACCES");
  });

  it("slowest-uploads: the slowest first, each once", () => {
    const rows = ask("slowest-uploads");
    const paths = recordsOf(told.files, "file.removed").map(({ path }) => path);
    expect(rows[0]).to.include({ path: "held-up.csv", host: told.ids.well, bytes: "100" });
    expect(Number(rows[0]?.["uploadMs"])).to.be.at.least(2_900);
    expect(Number(rows[0]?.["bytesPerSecond"])).to.be.within(1, 35);
    expect(column(rows, "path")).to.have.members(paths);
  });

  it("hosts-by-version and hosts-by-configuration: how many, with an example", () => {
    expect(column(ask("hosts-by-version"), "hosts")).to.deep.equal(["4"]);
    expect(ask("hosts-by-version")[0]?.["runs"]).to.match(/^\d+\.\d+\.\d+/);
    const rows = ask("hosts-by-configuration");
    // The talker has a configuration of its own, and the ill one should have one.
    expect(column(rows, "hosts")).to.deep.equal(["2", "1", "1"]);
    const other = rows.filter(({ works, wanted }) => works !== wanted);
    expect(column(other, "example")).to.deep.equal([told.ids.ill]);
    expect(new Set(column(rows, "part"))).to.deep.equal(new Set(["stable"]));
  });

  it("refused-configurations: what is refused, why, by how many, and the way out", () => {
    const rows = ask("refused-configurations");
    expect(rows).to.have.length(1);
    const [heartbeat] = recordsOf(told.state, "agent.heartbeat").filter(
      ({ host }) => host === told.ids.ill,
    );
    expect(rows[0]).to.include({
      hosts: "1",
      example: told.ids.ill,
      desiredHash: heartbeat?.["desiredHash"],
      stays: heartbeat?.["configHash"],
    });
    expect(rows[0]?.["message"]).to.include("concurrency must be a whole number");
    expect(rows[0]?.["wayOut"]).to.be.a("string");
  });

  it("silent-hosts: nobody who has just spoken, and everybody who has not for long", () => {
    expect(ask("silent-hosts")).to.deep.equal([]);
    const late = ask("silent-hosts", {}, told.endedAt + 30 * 60_000);
    expect(column(late, "host")).to.have.members(Object.values(told.ids));
    for (const row of late) {
      // Within the seconds that the agents took to stop.
      expect(Number(row["minutesSilent"])).to.be.within(29, 31);
      expect(row["lastSweep"], "lastSweep").to.match(/^\d{4}-/);
      expect(row["ran"]).to.match(/^\d/);
    }
  });

  it("backlog-over-time: the fleet's for each five minutes", () => {
    const rows = ask("backlog-over-time");
    const heartbeats = recordsOf(told.state, "agent.heartbeat");
    const sum = (name: string) => heartbeats.reduce((all, one) => all + Number(one[name]), 0);
    const shown = (name: string) => rows.reduce((all, row) => all + Number(row[name]), 0);
    expect(shown("backlog")).to.equal(sum("backlogFiles")).and.to.be.above(0);
    expect(shown("backlogSize")).to.equal(sum("backlogBytes"));
    expect(shown("hosts")).to.equal(heartbeats.length);
    const slots = new Set(heartbeats.map(({ slot }) => slot));
    expect(new Set(column(rows, "slot"))).to.deep.equal(slots);
  });

  it("bytes-per-hour: each sweep once, however often its record came", () => {
    const again = told.state.filter(({ message }) => message.includes('"event":"sweep.completed"'));
    const query = queries.get(`s3-offload-agent/${told.fleet}/bytes-per-hour`);
    const rows = runInsights(query?.text ?? "", [...told.state, ...again]);
    const sum = (name: string) => rows.reduce((all, row) => all + Number(row[name]), 0);
    expect(sum("removed")).to.equal(5);
    expect(sum("bytes")).to.equal(1_000 + 500 + 100 + "the last one".length + "good".length);
    expect(sum("sweeps")).to.equal(again.length);
    expect(rows[0]?.["hour"]).to.match(/^\d{4}-\d\d-\d\d \d\d:00:00\.000$/);
  });

  it("duplicates: a record that came twice is told from a key that was used twice", () => {
    expect(ask("duplicates")).to.have.length(1);
    expect(ask("duplicates")[0]).to.include({
      key: `${told.ids.well}/a.csv`,
      deliveries: "2",
      removals: "1",
      hosts: "1",
      contents: "1",
    });
  });

  it("undeletable-files and quarantined-files: those that still are, and why", () => {
    const stuck = ask("undeletable-files");
    expect(stuck).to.have.length(1);
    const { ill } = told.ids;
    expect(stuck[0]).to.include({ host: ill, path: "locked/stuck.csv", route: "default" });
    expect(stuck[0]?.["inBucketAs"]).to.equal(`${ill}/locked/stuck.csv`);
    expect(stuck[0]?.["says"]).to.include("EACCES");
    const aside = ask("quarantined-files");
    expect(aside).to.have.length(1);
    expect(aside[0]).to.include({ host: ill, path: "bad.csv", tries: "1", why: "unreadable" });
    expect(aside[0]?.["place"]).to.include("quarantine/bad.csv");
  });

  it("sweeps-late: which hosts, and what is in their way", () => {
    const rows = ask("sweeps-late");
    const failed = rows.find(({ event }) => event === "sweep.failed");
    expect(failed).to.include({ host: told.ids.uprooted, route: "default" });
    expect(failed?.["says"]).to.include("does not exist");
    const overran = rows.filter(({ event }) => event === "sweep.overran");
    expect(column(overran, "host")).to.include(told.ids.well);
    for (const row of overran) expect(Number(row["missedLast"])).to.be.at.least(1);
    // A heartbeat that says late is counted by host, too.
    const late = told.state.map((event) => ({
      ...event,
      message: event.message.replace('"HostsLate":0', '"HostsLate":1'),
    }));
    const text = queries.get(`s3-offload-agent/${told.fleet}/sweeps-late`)?.text ?? "";
    const hosts = runInsights(text, late).filter(({ event }) => event === "agent.heartbeat");
    expect(column(hosts, "host")).to.have.members(Object.values(told.ids));
    for (const row of hosts) expect(row["lastSweep"]).to.match(/^\d{4}-/);
  });

  it("log-losses: how many records, of which group, and why", () => {
    const rows = ask("log-losses");
    expect(new Set(column(rows, "host"))).to.deep.equal(new Set([told.ids.talker]));
    const lost = recordsOf(told.state, "logs.dropped");
    const dropped = rows.filter(({ event }) => event === "logs.dropped");
    const sum = (values: readonly unknown[]) => values.reduce<number>((a, b) => a + Number(b), 0);
    const told1 = sum(lost.map(({ records }) => records));
    expect(sum(column(dropped, "recordsLost")))
      .to.equal(told1)
      .and.to.be.above(0);
    expect(new Set(column(dropped, "reason"))).to.deep.equal(new Set(["full"]));
    const rejected = rows.find(({ event }) => event === "logs.rejected");
    expect(rejected).to.include({ recordsLost: "1", times: "1" });
    expect(rejected?.["destination"]).to.match(/^\/s3-offload-agent\//);
  });

  it("credentials: how long they last, where they are from", () => {
    const rows = ask("credentials");
    expect(column(rows, "host")).to.have.members(Object.values(told.ids));
    const [first, ...others] = rows;
    // The shortest life comes first.
    expect(first).to.include({ host: told.ids.uprooted, isFailing: "1" });
    expect(Number(first?.["minutesLeft"])).to.be.at.most(4);
    expect(first?.["says"]).to.be.a("string");
    for (const row of others) {
      expect(Number(row["minutesLeft"])).to.be.within(50, 60);
      expect(row).to.include({ origin: "process cat", isFailing: "0" });
      expect(row["endsAt"]).to.match(/^\d{4}-/);
    }
  });

  it("disk-space: of each host as a whole, and of each route", () => {
    const rows = ask("disk-space");
    const places = rows.map(({ host, route = "" }) => `${host} ${route}`);
    const hosts = Object.values(told.ids);
    expect(places).to.have.members(hosts.flatMap((host) => [`${host} `, `${host} default`]));
    for (const { free, lowest, bytesFree, route } of rows) {
      expect(Number(free)).to.be.within(0, 100);
      expect(Number(lowest)).to.be.at.most(Number(free));
      if (route !== undefined) expect(Number(bytesFree)).to.be.above(0);
    }
  });
});

function savedQuery({ type, properties }: ResolvedResource): [string, SavedQuery][] {
  if (type !== "AWS::Logs::QueryDefinition") return [];
  const { Name, QueryString, LogGroupNames, Parameters = [] } = properties;
  const parameters = (Parameters as readonly { readonly Name: string }[]).map((one) => one.Name);
  const groups = (LogGroupNames as readonly string[]).map(String);
  return [[String(Name), { text: String(QueryString), groups, parameters }]];
}
