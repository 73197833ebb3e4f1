import { expect } from "chai";
import type { AgentRecord, FleetHost } from "../support/fleet-host.ts";
import { printTable } from "../support/table.ts";
import { makeTwentyAgents, type TwentyAgents } from "./twenty-agents.ts";
import { type Played, playTwentyAgents } from "./twenty-agents-story.ts";

/** It takes four minutes, and five more whenever a host was not ready for its heartbeat. */
const PATIENCE_MS = 15 * 60_000;

/** A change settles for so long (README, "How a change reaches a host"). */
const SETTLE_MS = 30_000;

/** What a test looks at of a host, as `fleet hosts --json` shows it. */
interface ShownHost {
  readonly host: string;
  readonly status: string;
  readonly problems: readonly { readonly kind: string; readonly text: string }[];
  readonly version?: string;
  readonly configHash?: string;
  readonly desiredHash?: string;
  readonly wantedHash: string;
}

/** One story of twenty agents, played once; each test looks at another side of it. */
describe("twenty agents, SSM, S3, CloudWatch Logs, and an operator", function () {
  this.timeout(PATIENCE_MS);
  const resources = new AsyncDisposableStack();
  let agents: TwentyAgents;
  let played: Played;
  let objects: ReadonlyMap<string, string>;
  /** All hosts, those that were expected included. */
  let shown: readonly ShownHost[] = [];

  before(async () => {
    const deadline = AbortSignal.timeout(PATIENCE_MS - 60_000);
    agents = await makeTwentyAgents(resources, deadline);
    played = await playTwentyAgents(agents);
    objects = await agents.objects();
    ({ shown } = await hostsJson("--expect", agents.expectedFile));
  });
  after(async () => {
    await resources.disposeAsync();
    if (shown.length > 0) printTable([HEADER, ...shown.map((host) => rowOf(host, agents))]);
  });

  const applied = ({ records }: FleetHost) =>
    records.filter(({ event }) => event === "config.applied");
  const hashesOf = (records: readonly AgentRecord[]) => records.map((one) => one["configHash"]);
  const hosts = async (...args: string[]) => {
    const { exitCode, stdout, stderr } = await agents.fleet.run(["hosts", ...args]);
    expect(stderr).to.equal("");
    return { exitCode, stdout };
  };
  const hostsJson = async (...args: string[]) => {
    const { exitCode, stdout } = await hosts(...args, "--json");
    const answer = JSON.parse(stdout);
    return { exitCode, counts: answer.counts, shown: answer.hosts as readonly ShownHost[] };
  };
  const statuses = (shown: readonly ShownHost[]) =>
    shown.map(({ host, status }) => `${host} ${status}`);

  it("store every file once, with its bytes, at the place that was right for its time", () => {
    const stored = new Map(objects);
    for (const { id, files } of agents.roles.all) {
      for (const { name, sha256, places } of files) {
        const found = places.filter((place) => stored.get(place) === sha256);
        expect(found, `${id} ${name}`).to.have.length(1);
        for (const place of found) stored.delete(place);
      }
    }
    expect([...stored.keys()], "what nobody wrote, or a second time").to.deep.equal([]);
  });

  it("leave nothing in their directories, and end with 0", () => {
    expect([...played.left.values()].flat()).to.deep.equal([]);
    expect(played.left.size).to.equal(20);
    expect(new Set(played.exitCodes)).to.deep.equal(new Set([0]));
  });

  it("try a change on the hosts that their ids choose, and on no others", () => {
    const { all, canaries } = agents.roles;
    expect(canaries).to.have.length(2);
    const tried = all.filter((host) => applied(host).some(({ cohort }) => cohort === "canary"));
    expect(tried.map(({ id }) => id)).to.have.members(canaries.map(({ id }) => id));
  });

  it("go from one configuration to the other, as a whole, and only once", () => {
    const { all, refusing, killed } = agents.roles;
    const { hashBefore, hashAfter } = played;
    for (const host of all) {
      const kept = host === refusing ? [hashBefore] : [hashBefore, hashAfter];
      // The last good one is in effect again before the parameters are read.
      const expected = host === killed ? [hashBefore, ...kept] : kept;
      expect(hashesOf(applied(host)), host.id).to.deep.equal(expected);
      for (const { configHash, routes } of applied(host)) {
        const place = configHash === hashAfter ? agents.after : agents.before;
        const [{ bucket = "", prefix = "" } = {}] = routes as { bucket: string; prefix: string }[];
        const written = `${bucket}/${prefix.replace("{host}", host.id)}x`;
        expect(written, host.id).to.equal(place(host, "x"));
      }
    }
  });

  it("take a change only when it has settled", async () => {
    const { stdout } = await agents.fleet.run(["history", "--json"]);
    const releases: { number: number; at: string }[] = JSON.parse(stdout).releases;
    const [first = 0, trial = 0, change = 0] = releases
      .toSorted((one, other) => one.number - other.number)
      .map(({ at }) => Date.parse(at));
    expect(releases).to.have.length(3);
    for (const host of agents.roles.all) {
      for (const { configHash, cohort, time } of applied(host)) {
        const isAfter = configHash === played.hashAfter;
        const released = !isAfter ? first : cohort === "canary" ? trial : change;
        expect(Date.parse(`${time}`), host.id).to.be.at.least(released + SETTLE_MS);
      }
    }
  });

  it("go on by what they have while SSM is out of reach, and follow when it is back", () => {
    const { cutOff } = agents.roles;
    const events = cutOff.records
      .filter(({ event, path }) => {
        return `${event}`.startsWith("config.") || path === "cut-off.csv" || path === "back.csv";
      })
      .map(({ event, path }) => path ?? event);
    expect(events.filter((event) => event !== "config.unsettled")).to.deep.equal([
      "config.applied",
      "config.unreachable",
      "cut-off.csv",
      "config.reachable",
      "config.applied",
      "back.csv",
    ]);
  });

  it("send one heartbeat in a slot, never two, started again or not", () => {
    for (const { id, records } of agents.roles.all) {
      const slots = records
        .filter(({ event }) => event === "agent.heartbeat")
        .map(({ slot }) => slot);
      expect(slots, id).to.deep.equal([...new Set(slots)]).and.not.to.be.empty;
    }
  });

  it("are shown to the operator, the broken ones first, each with its reason", async () => {
    const { refusing, uprooted } = agents.roles;
    const { stdout, exitCode } = await hosts();
    expect(exitCode).to.equal(0);
    const [, one = "", other = "", ...rest] = stdout.split("\n\n")[0]?.split("\n") ?? [];
    expect(one).to.match(new RegExp(`^${refusing.id} +refused .*/bucket .*allowedBuckets`));
    expect(other).to.match(new RegExp(`^${uprooted.id} +failing .*its sweep failed: .*watched`));
    expect(rest).to.have.length(18);
    for (const line of rest) expect(line).to.match(/^\S+ +ok /);
    expect(stdout).to.match(/^20 hosts: 18 ok, 1 refused, 1 failing$/m);
    expect(stdout).to.include(`19 ${played.hashAfter} (wanted), 1 ${played.hashBefore}`);
    expect(stdout).to.include("expected-hosts says 21; 20 sent a heartbeat");
  });

  it("are told apart for scripts", async () => {
    const { refusing, uprooted } = agents.roles;
    const { neverUp, expectedFile } = agents;
    const silent = await hostsJson("--silent", "--expect", expectedFile);
    expect(silent.exitCode).to.equal(1);
    expect(statuses(silent.shown)).to.deep.equal([`${neverUp} absent`]);
    expect(silent.counts).to.deep.equal({ ok: 18, absent: 1, refused: 1, failing: 1 });
    const behind = await hostsJson("--behind");
    expect(behind.exitCode).to.equal(1);
    expect(statuses(behind.shown)).to.deep.equal([`${refusing.id} refused`]);
    const errors = await hostsJson("--errors");
    expect(errors.exitCode).to.equal(1);
    expect(statuses(errors.shown)).to.deep.equal([
      `${refusing.id} refused`,
      `${uprooted.id} failing`,
    ]);
  });

  it("are known with the configuration that each has and should have", () => {
    const { neverUp, roles } = agents;
    expect(shown).to.have.length(21);
    for (const { host, configHash, desiredHash, wantedHash } of shown) {
      expect(wantedHash, host).to.equal(played.hashAfter);
      if (host === neverUp) continue;
      expect(desiredHash, host).to.equal(played.hashAfter);
      expect(configHash, host).to.equal(
        host === roles.refusing.id ? played.hashBefore : played.hashAfter,
      );
    }
  });
});

const HEADER = ["host", "version", "configuration", "files", "fleet hosts says", ""];

function rowOf(
  { host, status, problems, version = "-", configHash = "-" }: ShownHost,
  { roles }: TwentyAgents,
): string[] {
  const files = roles.all.find(({ id }) => id === host)?.files.length ?? 0;
  const [problem] = problems;
  return [host, version, configHash, `${files}`, status, problem?.text ?? ""];
}
