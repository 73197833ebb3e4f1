import { expect } from "chai";
import { cohortOf } from "../../../../src/config/canary.ts";
import { configHash } from "../../../../src/config/config-hash.ts";
import type { LiveHost } from "../../../../src/fleet/live-hosts.ts";
import {
  FLEET_PATH,
  type FleetDesk,
  HOSTS_PATH,
  liveHost,
  makeDesk,
} from "../../../support/fleet-command.ts";

const FILE = "fleet: web\nsettings:\n  bucket: my-bucket\n  concurrency: 4\n";
const HOURS_MS = 3_600_000;

/** Hosts of both cohorts at 50 percent. */
const all = Array.from({ length: 80 }, (_, n) => `i-${n}`);
const canaries = all.filter((host) => cohortOf(host, 50) === "canary").slice(0, 20);
const others = all.filter((host) => cohortOf(host, 50) === "stable").slice(0, 20);

/** A fleet with a release, and a trial of `concurrency: 4` on half of the hosts. */
async function makeTrial(): Promise<FleetDesk> {
  const desk = await makeDesk();
  await desk.write("web.yaml", FILE.replace("4", "2"));
  await desk.run(["apply", "web.yaml", "-y"]);
  await desk.write("web.yaml", FILE);
  const { exitCode } = await desk.run(["apply", "web.yaml", "--canary", "50", "-y"]);
  expect(exitCode).to.equal(0);
  desk.live = wellHosts(desk);
  return desk;
}

/** Every host has what it should have, and has swept for hours. */
function wellHosts(desk: FleetDesk, about: Partial<LiveHost> = {}): LiveHost[] {
  const now = desk.ssm.clock.now();
  return [...canaries, ...others].map((host) => {
    const hash = hashOf(desk, host);
    return liveHost(host, {
      configHash: hash,
      desiredHash: hash,
      configSince: now,
      lastSweepAt: now + 2 * HOURS_MS,
      ...(canaries.includes(host) ? about : {}),
    });
  });
}

/** As a host makes it. */
function hashOf(desk: FleetDesk, host: string): string {
  const paths = { fleet: FLEET_PATH, host: `${HOSTS_PATH}/${host}` };
  const below = (path: string) => desk.ssm.all().filter(({ name }) => name.startsWith(`${path}/`));
  const cohort = canaries.includes(host) ? "canary" : "stable";
  return configHash({ fleet: below(paths.fleet), host: below(paths.host) }, paths, cohort);
}

describe("a canary", () => {
  it("has the changed settings beside the fleet's own, in one release", async () => {
    await using desk = await makeTrial();
    expect(desk.ssm.values()).to.eql({
      [`${FLEET_PATH}/bucket`]: "my-bucket",
      [`${FLEET_PATH}/concurrency`]: "2",
      [`${FLEET_PATH}/canary/concurrency`]: "4",
      [`${FLEET_PATH}/canary/percent`]: "50",
    });
    expect(desk.ssm.writes.slice(-3).map((name) => name.split("/").at(-1))).to.eql([
      "concurrency",
      "percent",
      "revision",
    ]);
    const plan = await desk.run(["plan", "web.yaml"]);
    expect(plan.stdout).to.include("Warning: A canary is under way, and the file says nothing");
  });

  it("that does well is promoted in one release, and the file in git is true then", async () => {
    await using desk = await makeTrial();
    const status = await desk.run(["canary", "status"]);
    expect(status.stdout).to.include("It may be promoted.");
    expect(status.exitCode).to.equal(0);
    const { exitCode, stdout } = await desk.run(["canary", "promote", "-y"]);
    expect(stdout).to.include("Hosts: 20 of 40 live hosts get another configuration.");
    expect(exitCode).to.equal(0);
    expect(desk.ssm.values()).to.eql({
      [`${FLEET_PATH}/bucket`]: "my-bucket",
      [`${FLEET_PATH}/concurrency`]: "4",
    });
    expect((await desk.run(["plan", "web.yaml"])).stdout).to.match(/^No changes\.$/m);
    expect((await desk.run(["history"])).stdout).to.match(/^3 .*canary promote: /m);
    expect((await desk.run(["canary", "status"])).stdout).to.equal("No canary is under way.\n");
  });

  it("that is aborted leaves nothing behind", async () => {
    await using desk = await makeTrial();
    expect((await desk.run(["canary", "abort", "-y"])).exitCode).to.equal(0);
    expect(desk.ssm.values()).to.eql({
      [`${FLEET_PATH}/bucket`]: "my-bucket",
      [`${FLEET_PATH}/concurrency`]: "2",
    });
  });

  const doubts: Readonly<Record<string, readonly [(desk: FleetDesk) => LiveHost[], string]>> = {
    "hosts that have not heard of it": [
      (desk) => wellHosts(desk, { configHash: "old", desiredHash: "old" }),
      "0 of 20 canary hosts have it: 95 % must",
    ],
    "two hosts of twenty that are behind": [
      (desk) =>
        wellHosts(desk).map((one) =>
          canaries.slice(0, 2).includes(one.host) ? { ...one, configHash: "old" } : one,
        ),
      "18 of 20 canary hosts have it: 95 % must",
    ],
    "one host that refuses it": [
      (desk) =>
        wellHosts(desk).map((one) =>
          one.host === canaries[0] ? { ...one, configHash: "old", refusal: "no such bucket" } : one,
        ),
      `1 of 20 canary hosts refuse it: ${canaries[0]}: no such bucket`,
    ],
    "a single sweep with it": [
      (desk) =>
        wellHosts(desk).map((one) => ({ ...one, lastSweepAt: (one.configSince ?? 0) + 600_001 })),
      "canary hosts have not swept twice with it",
    ],
    "no sweep at all": [
      (desk) => wellHosts(desk, { lastSweepAt: undefined }),
      "20 canary hosts have not swept twice with it",
    ],
    "sweeps that may have been before it": [
      (desk) =>
        wellHosts(desk).map(({ configSince = 0, ...one }) => ({
          ...one,
          lastSweepAt: configSince + 25 * 60_000,
        })),
      "canary hosts have not swept twice with it",
    ],
    "more failures than elsewhere": [
      (desk) =>
        wellHosts(desk).map((one) => (one.host === canaries[3] ? { ...one, failed: 1 } : one)),
      "1 of 20 canary hosts had failures in the last sweep, and 0 of 20 others",
    ],
    "nobody who tells": [() => [], "no canary host sends heartbeats"],
  };
  for (const [what, [make, told]] of Object.entries(doubts)) {
    it(`is not promoted with ${what}, unless that is overridden`, async () => {
      await using desk = await makeTrial();
      desk.live = make(desk);
      const status = await desk.run(["canary", "status"]);
      expect(status.stdout).to.include(told);
      expect(status.exitCode).to.equal(1);
      const refused = await desk.run(["canary", "promote", "-y"]);
      expect(refused.exitCode).to.equal(1);
      expect(refused.thrown?.message).to.include(told);
      const before = desk.ssm.writes.length;
      const forced = await desk.run(["canary", "promote", "-y", "--force"]);
      expect(forced.stdout).to.include("Warning: Overridden by --force: ");
      expect(forced.stdout).to.include(told);
      expect(forced.exitCode).to.equal(0);
      expect(desk.ssm.writes.length).to.be.above(before);
    });
  }

  it("is well with one host of twenty that is behind, and with failures that others have too", async () => {
    await using desk = await makeTrial();
    desk.live = wellHosts(desk).map((one) => {
      if (one.host === canaries[0]) return { ...one, configHash: "old" };
      return one.host === canaries[1] || one.host === others[0] ? { ...one, failed: 3 } : one;
    });
    expect((await desk.run(["canary", "status"])).exitCode).to.equal(0);
  });

  it("of routes that are swept a few times a day is ready after two sweeps, however long ago", async () => {
    await using desk = await makeDesk({ bucket: "my-bucket", schedule: "rate(6 hours)" });
    await desk.write("web.yaml", `${FILE}  schedule: rate(6 hours)\n`);
    await desk.run(["apply", "web.yaml", "--canary", "50", "-y"]);
    const beganAt = desk.ssm.clock.now();
    const statusAfter = async (hours: number) => {
      const heartbeatAt = beganAt + hours * HOURS_MS;
      desk.live = wellHosts(desk, {
        heartbeatAt,
        // The first heartbeat of those that are read has it already.
        configSince: heartbeatAt - 2 * HOURS_MS + 250_000,
        lastSweepAt: heartbeatAt - 300_000,
      });
      return (await desk.run(["canary", "status"])).exitCode;
    };
    expect(await statusAfter(5)).to.equal(1);
    expect(await statusAfter(13)).to.equal(0);
  });

  it("is judged with what hosts have of their own", async () => {
    await using desk = await makeTrial();
    const [first = ""] = canaries;
    desk.ssm.set(`${HOSTS_PATH}/${first}/prefix`, "own/");
    const behind = await desk.run(["canary", "status", "--json"]);
    expect(JSON.parse(behind.stdout).canary.counts).to.eql({ new: 19, behind: 1, refused: 0 });
    desk.live = wellHosts(desk);
    const after = await desk.run(["canary", "status", "--json"]);
    expect(JSON.parse(after.stdout).canary.counts).to.eql({ new: 20, behind: 0, refused: 0 });
  });

  it("of more hosts changes nothing but the share, and of other values replaces what was tried", async () => {
    await using desk = await makeTrial();
    const more = await desk.run(["apply", "web.yaml", "--canary", "100", "-y"]);
    expect(more.stdout).to.include("Plan: 0 to add, 1 to change, 0 to remove.");
    await desk.write("web.yaml", FILE.replace("concurrency: 4", "concurrency: 2\n  min-age: 1m"));
    await desk.run(["apply", "web.yaml", "--canary", "100", "-y"]);
    expect(desk.ssm.values()).to.eql({
      [`${FLEET_PATH}/bucket`]: "my-bucket",
      [`${FLEET_PATH}/concurrency`]: "2",
      [`${FLEET_PATH}/canary/min-age`]: "1m",
      [`${FLEET_PATH}/canary/percent`]: "100",
    });
  });

  for (const [what, file, args] of [
    ["nothing that changes", FILE.replace("4", "2"), []],
    ["a section of its own in the file", `${FILE}canary: {percent: 2}\n`, []],
    ["a removal", FILE, ["--prune"]],
  ] as const) {
    it(`is not begun with ${what}`, async () => {
      await using desk = await makeDesk({ bucket: "my-bucket", concurrency: "2" });
      await desk.write("web.yaml", file);
      const result = await desk.run(["apply", "web.yaml", "--canary", "1", "-y", ...args]);
      expect(result.exitCode).to.equal(2);
      expect(desk.ssm.writes).to.eql([]);
    });
  }

  it("does not try what is of single hosts, and says so", async () => {
    await using desk = await makeDesk({ bucket: "my-bucket" });
    await desk.write(
      "web.yaml",
      `${FILE}expected-hosts: 3\nhosts: {i-1: {settings: {prefix: a/}}}\n`,
    );
    const { stdout } = await desk.run(["plan", "web.yaml", "--canary", "1"]);
    expect(stdout).to.include("to be applied after it: expected-hosts, hosts/i-1/prefix.");
  });

  it("that is not there is neither promoted nor aborted", async () => {
    await using desk = await makeDesk({ bucket: "my-bucket" });
    for (const action of ["promote", "abort"]) {
      expect((await desk.run(["canary", action, "-y"])).exitCode).to.equal(2);
    }
  });

  it("wants a share above 0, up to 100", async () => {
    await using desk = await makeDesk();
    await desk.write("web.yaml", FILE);
    for (const percent of ["0", "101", "x", "-1"]) {
      const { exitCode } = await desk.run(["plan", "web.yaml", "--canary", percent]);
      expect(exitCode, percent).not.to.equal(0);
    }
  });
});
