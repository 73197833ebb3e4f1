import { expect } from "chai";
import { writeRelease } from "../../../../src/fleet/release.ts";
import {
  FLEET_PATH,
  type FleetDesk,
  HOSTS_PATH,
  liveHost,
  makeDesk,
} from "../../../support/fleet-command.ts";

const FILE = "fleet: web\nsettings:\n  bucket: my-bucket\n  concurrency: 4\n";

describe("fleet pull, plan and apply", () => {
  it("what was pulled changes nothing, lists, hosts and unknown parameters included", async () => {
    await using desk = await makeDesk({
      bucket: "my-bucket",
      include: "*.csv, *.{log,txt}",
      "routes/raw/directory": "/var/raw",
      "canary/percent": "1",
      "canary/concurrency": "2",
      "expected-hosts": "10",
      bukcet: "what is this",
    });
    desk.ssm.set(`${FLEET_PATH}/exclude`, "*.tmp,*.part", "StringList");
    desk.ssm.set(`${HOSTS_PATH}/i-1/prefix`, "one/");
    desk.ssm.set(`${HOSTS_PATH}/i-2/prefix`, "another fleet's");
    desk.live = [liveHost("i-1")];
    const pulled = await desk.run(["pull", "-o", "web.yaml"]);
    expect(pulled.stderr).to.match(/^Left out: 1 hosts .*: i-2\./);
    const text = await desk.read("web.yaml");
    expect(text).to.match(/include:\n {4}- "\*\.csv"\n {4}- "\*\.\{log,txt\}"\n/);
    expect(text).to.match(/i-1:\n {4}settings:\n {6}prefix: one\/\n/);
    const { exitCode, stdout } = await desk.run(["plan", "web.yaml", "--detailed-exitcode"]);
    expect(stdout).to.match(/^No changes\./m);
    expect(stdout).to.match(/bukcet is not known: did you mean bucket\?/);
    expect(exitCode).to.equal(0);
    expect((await desk.run(["pull", "-o", "web.yaml"])).thrown?.message).to.include("exists");
    const all = JSON.parse((await desk.run(["pull", "--json", "--all-hosts"])).stdout);
    expect(all.values["hosts/i-2/prefix"]).to.equal("another fleet's");
  });

  it("a plan tells what comes, changes and goes, and changes nothing", async () => {
    await using desk = await makeDesk({ bucket: "old-bucket", "min-age": "40s", stray: "x" });
    await desk.write("web.yaml", FILE);
    const kept = await desk.run(["plan", "web.yaml", "--detailed-exitcode"]);
    expect(kept.stdout).to.include('  ~ bucket       "old-bucket" -> "my-bucket"\n');
    expect(kept.stdout).to.include('  + concurrency  "4"\n');
    expect(kept.stdout).to.match(/not in the file, and kept.*\n {4}min-age {2}"40s"\n {4}stray /);
    expect(kept.stdout).to.include("\nPlan: 1 to add, 1 to change, 0 to remove.\n");
    expect(kept.exitCode).to.equal(1);
    const pruned = await desk.run(["plan", "web.yaml", "--prune"]);
    expect(pruned.stdout).to.include('  - min-age      "40s"\n');
    expect(pruned.stdout).to.include("\nPlan: 1 to add, 1 to change, 2 to remove.\n");
    expect(pruned.exitCode).to.equal(0);
    expect(desk.ssm.writes).to.eql([]);
  });

  it("apply writes values, then removes, then the revision, and leaves nothing to do", async () => {
    await using desk = await makeDesk({ bucket: "old-bucket", "min-age": "40s" });
    await desk.write("web.yaml", FILE);
    const { exitCode, stdout } = await desk.run(["apply", "web.yaml", "--prune", "--yes"]);
    expect(stdout).to.include("Release 1: 2 values written, 1 removed.\n");
    expect(exitCode).to.equal(0);
    expect(desk.ssm.writes.map((name) => name.slice(FLEET_PATH.length + 1))).to.eql([
      "bucket",
      "concurrency",
      "min-age",
      "revision",
    ]);
    expect(desk.ssm.values()).to.eql({
      [`${FLEET_PATH}/bucket`]: "my-bucket",
      [`${FLEET_PATH}/concurrency`]: "4",
    });
    const again = await desk.run(["apply", "web.yaml", "--prune"]);
    expect(again.stdout).to.include("\nNo changes.\n");
    expect(again.exitCode).to.equal(0);
    expect(desk.ssm.writes).to.have.length(4);
  });

  for (const [answer, exitCode, writes] of [
    ["yes", 0, 3],
    ["y", 1, 0],
    ["", 1, 0],
  ] as const) {
    it(`apply asks, and takes "${answer}" for ${writes > 0 ? "yes" : "no"}`, async () => {
      await using desk = await makeDesk();
      await desk.write("web.yaml", FILE);
      const result = await desk.run(["apply", "web.yaml"], { answer });
      expect(result.exitCode).to.equal(exitCode);
      expect(desk.ssm.writes).to.have.length(writes);
    });
  }

  it("apply without a terminal needs --yes", async () => {
    await using desk = await makeDesk();
    await desk.write("web.yaml", FILE);
    const { exitCode, thrown } = await desk.run(["apply", "web.yaml"]);
    expect(exitCode).to.equal(2);
    expect(thrown?.hint).to.include("--yes");
    expect(desk.ssm.writes).to.eql([]);
  });

  it("a saved plan is applied as it is, once, and not after somebody's change", async () => {
    await using desk = await makeDesk({ bucket: "my-bucket" });
    await desk.write("web.yaml", FILE);
    await desk.run(["plan", "web.yaml", "-o", "plan.json", "-m", "why not"]);
    await desk.write("web.yaml", "fleet: web\n");
    desk.ssm.set(`${FLEET_PATH}/bucket`, "other");
    const moved = await desk.run(["apply", "plan.json", "-y"]);
    expect(moved.exitCode).to.equal(1);
    expect(moved.thrown?.message).to.include(`${FLEET_PATH}/bucket (version 1, now version 2)`);
    expect(desk.ssm.writes).to.eql([]);

    await desk.write("web.yaml", FILE);
    await desk.run(["plan", "web.yaml", "-o", "plan.json", "-m", "why not"]);
    expect((await desk.run(["apply", "plan.json", "-y"])).exitCode).to.equal(0);
    expect(desk.ssm.values()[`${FLEET_PATH}/concurrency`]).to.equal("4");
    expect((await desk.run(["history"])).stdout).to.include("why not: ");
    expect((await desk.run(["apply", "plan.json", "-y"])).exitCode).to.equal(1);
  });

  it("a saved plan that would write elsewhere, or is cut short, is refused", async () => {
    await using desk = await makeDesk();
    await desk.write("web.yaml", FILE);
    await desk.run(["plan", "web.yaml", "-o", "plan.json"]);
    const text = await desk.read("plan.json");
    for (const bad of [text.slice(0, -20), text.replace(`${FLEET_PATH}/bucket`, "/other/bucket")]) {
      await desk.write("bad.json", bad);
      expect((await desk.run(["apply", "bad.json", "-y"])).exitCode).to.equal(2);
    }
    const region = text.replace('"eu-central-1"', '"us-east-1"');
    await desk.write("bad.json", region);
    expect((await desk.run(["apply", "bad.json", "-y"])).thrown?.hint).to.include("us-east-1");
    expect(desk.ssm.writes).to.eql([]);
  });

  it("a change by hand is told, and recorded by the next apply", async () => {
    await using desk = await makeDesk();
    await desk.write("web.yaml", FILE);
    await desk.run(["apply", "web.yaml", "-y"]);
    desk.ssm.set(`${FLEET_PATH}/concurrency`, "9");
    await desk.write("web.yaml", FILE.replace("4", "9"));
    const { stdout, exitCode } = await desk.run(["plan", "web.yaml", "--detailed-exitcode"]);
    expect(stdout).to.include('concurrency  "4" -> "9"');
    expect(stdout).to.include("\nNo changes. Applying this records what is there as a release.\n");
    expect(exitCode).to.equal(1);
    await desk.run(["apply", "web.yaml", "-y"]);
    expect((await desk.run(["history"])).stdout).to.match(/^2 .*~concurrency$/m);
  });

  const refused: Readonly<Record<string, readonly [file: string, told: string]>> = {
    "a stable host": [
      "fleet: web\nsettings:\n  bucket: B\n",
      "web.yaml:3: bucket must be a bucket name",
    ],
    "no bucket": ["fleet: web\n", `${FLEET_PATH}/bucket is required`],
    "a canary": [
      `${FILE}canary:\n  percent: 1\n  settings: {concurrency: 999}\n`,
      'web.yaml:7: canary/concurrency must be at most 256: value was "999" (the canary hosts)',
    ],
    "the share of canaries": [
      `${FILE}canary: {percent: 101}\n`,
      "web.yaml:5: canary/percent must be a number from 0 to 100",
    ],
    "one host": [
      `${FILE}hosts:\n  i-1:\n    settings: {splay: 1x}\n`,
      "web.yaml:7: hosts/i-1/splay must be auto or",
    ],
    "one host as a canary": [
      `${FILE}canary:\n  percent: 1\n  routes: {raw: {directory: /a}}\nhosts: {i-1: {routes: {two: {directory: /a/b}}}}\n`,
      "(host i-1 as a canary)",
    ],
    "two routes in one directory": [
      `${FILE}routes: {a: {directory: /d}, b: {directory: /d/e}}\n`,
      "must not be the directory of another route",
    ],
    "a value that is too long": [
      `${FILE}  tags: [a=${"x".repeat(4_200)}]\n`,
      "tags has 4202 bytes: SSM takes 4096",
    ],
    "what SSM takes for a reference": [`${FILE}  prefix: "{{a}}/"\n`, "has {{ in it"],
  };
  for (const [what, [file, told]] of Object.entries(refused)) {
    it(`what hosts or SSM would refuse is not applied: ${what}`, async () => {
      await using desk = await makeDesk();
      await desk.write("web.yaml", file);
      const { exitCode, stdout } = await desk.run(["apply", "web.yaml", "-y"]);
      expect(stdout).to.include(told);
      expect(exitCode).to.equal(2);
      expect((await desk.run(["plan", "web.yaml", "-o", "p.json"])).exitCode).to.equal(2);
      expect(desk.ssm.writes).to.eql([]);
    });
  }

  it("a live host's own parameter that would be refused is found without the file", async () => {
    await using desk = await makeDesk({ bucket: "my-bucket", concurrency: "4" });
    await desk.write("web.yaml", FILE);
    desk.ssm.set(`${HOSTS_PATH}/i-1/concurrency`, "none");
    expect((await desk.run(["plan", "web.yaml"])).exitCode).to.equal(0);
    desk.live = [liveHost("i-1")];
    const { exitCode, stdout } = await desk.run(["plan", "web.yaml"]);
    expect(exitCode).to.equal(2);
    expect(stdout).to.include(`${HOSTS_PATH}/i-1/concurrency must be`);
  });

  it("a plan warns of what hosts may refuse and of directories that are no longer swept", async () => {
    await using desk = await makeDesk({
      bucket: "my-bucket",
      "routes/a/directory": "/a",
      "routes/b/directory": "/b",
    });
    await desk.write(
      "web.yaml",
      `${FILE}  min-age: 5s\n  on-conflict: overwrite\nroutes:\n  b: {directory: /var/spool/s3-offload/b}\n`,
    );
    const { stdout } = await desk.run(["plan", "web.yaml", "--prune"]);
    expect(stdout).to.include("Warning: Route a ends: files in /a stay where they are.");
    expect(stdout).to.include("Warning: Route b leaves /b for /var/spool/s3-offload/b:");
    expect(stdout).to.include(
      "Warning: The implied route default ends: files in /var/spool/s3-offload ",
    );
    expect(stdout).to.include("Warning: min-age of route b is below 30s");
    expect(stdout).to.include("Warning: on-conflict of route b is overwrite");
  });

  it("a plan counts the hosts, spreads the change over them, and wants an interval for them", async () => {
    await using desk = await makeDesk({ bucket: "my-bucket" });
    desk.live = Array.from({ length: 12_000 }, (_, n) => liveHost(`i-${n}`));
    await desk.write(
      "web.yaml",
      `${FILE}expected-hosts: 20000\nhosts: {i-7: {settings: {concurrency: 4}}}\n`,
    );
    const { stdout } = await desk.run(["plan", "web.yaml"]);
    expect(stdout).to.include("Hosts: 12000 of 12000 live hosts get another configuration.\n");
    // 2 pages for 20,000 hosts at 10 requests a second.
    expect(stdout).to.include("at its own place within 1h 6m.\n");
    expect(stdout).to.include(
      "Warning: refresh-interval is 10m, too short for 20000 hosts: set it to 34m,",
    );
    await desk.write("web.yaml", `${FILE}  refresh-interval: 34m\nexpected-hosts: 20000\n`);
    expect((await desk.run(["plan", "web.yaml"])).stdout).not.to.include("too short");
  });

  for (const [what, live, expected, spread] of [
    ["nobody counts the hosts", undefined, "", undefined],
    ["no host is live", [], "", undefined],
    ["one host is live", [liveHost("i-1")], "", "1s"],
    ["nobody counts them and the file does", undefined, "expected-hosts: 3000\n", "10m"],
    ["most of them are down", [liveHost("i-1")], "expected-hosts: 3000\n", "10m"],
  ] as const) {
    it(`a large fleet never reads all at once: ${what}`, async () => {
      await using desk = await makeDesk();
      desk.live = live;
      await desk.write("web.yaml", `${FILE}${expected}`);
      await desk.run(["apply", "web.yaml", "-y"]);
      const revision = desk.ssm.all().find(({ name }) => name.endsWith("/revision"));
      // Without a spread, hosts take their refresh interval for it.
      expect(JSON.parse(revision?.value ?? "").spread).to.equal(spread);
    });
  }

  it("a host of the file that is not there is told, as it may be mistyped", async () => {
    await using desk = await makeDesk();
    await desk.write("web.yaml", `${FILE}hosts: {i-1: {}, i-2: {}}\n`);
    expect((await desk.run(["plan", "web.yaml"])).stdout).not.to.include("no heartbeats");
    desk.live = [liveHost("i-1")];
    const { stdout } = await desk.run(["plan", "web.yaml"]);
    expect(stdout).to.include("Hosts of the file that send no heartbeats for this fleet: i-2.\n");
  });

  it("a host that the file names no more goes with --prune, if a release gave it its parameters", async () => {
    await using desk = await makeDesk();
    await desk.write("web.yaml", `${FILE}hosts: {i-1: {settings: {prefix: one/}}}\n`);
    await desk.run(["apply", "web.yaml", "-y"]);
    desk.ssm.set(`${HOSTS_PATH}/i-1/concurrency`, "3");
    desk.ssm.set(`${HOSTS_PATH}/i-2/concurrency`, "3");
    await desk.write("web.yaml", FILE);
    const { stdout } = await desk.run(["plan", "web.yaml", "--prune"]);
    expect(stdout).to.include('  - hosts/i-1/prefix  "one/"\n');
    expect(stdout).to.include("Plan: 0 to add, 0 to change, 1 to remove.");
  });

  it("a list that SSM keeps as a StringList stays one, and takes no comma in braces", async () => {
    await using desk = await makeDesk({ bucket: "my-bucket", concurrency: "4" });
    desk.ssm.set(`${FLEET_PATH}/include`, "a,b", "StringList");
    await desk.write("web.yaml", `${FILE}  include: [a, c]\n`);
    expect((await desk.run(["apply", "web.yaml", "-y"])).exitCode).to.equal(0);
    expect(desk.ssm.all().find(({ name }) => name.endsWith("include"))).to.include({
      type: "StringList",
      value: "a,c",
    });
    await desk.write("web.yaml", `${FILE}  include: ["{a,c}"]\n`);
    const { exitCode, stdout } = await desk.run(["apply", "web.yaml", "-y"]);
    expect(stdout).to.include("is a StringList in SSM");
    expect(exitCode).to.equal(2);
  });

  it("a release of a thousand hosts with parameters of their own is recorded and had back", async () => {
    await using desk = await makeDesk();
    const fileOf = (count: number) => {
      const hosts = Array.from({ length: count }, (_, n) => {
        return `  h${(n * 2_654_435_761) % 2 ** 32}: {settings: {prefix: p${n}/}}\n`;
      });
      return `${FILE}hosts:\n${hosts.join("")}`;
    };
    await desk.write("web.yaml", fileOf(1_000));
    expect((await desk.run(["apply", "web.yaml", "-y"])).exitCode).to.equal(0);
    const parts = desk.ssm.all().filter(({ name }) => name.includes("/releases/web/"));
    expect(parts.length).to.be.above(1);
    const states = [fleetValues(desk)];
    expect((await desk.run(["plan", "web.yaml"])).stdout).to.match(/^No changes\.$/m);
    for (const count of [1_010, 3]) {
      await desk.write("web.yaml", fileOf(count));
      expect((await desk.run(["apply", "web.yaml", "--prune", "-y"])).exitCode).to.equal(0);
      states.push(fleetValues(desk));
    }
    for (const number of [2, 1, 3]) {
      expect((await desk.run(["rollback", String(number), "-y"])).exitCode).to.equal(0);
      expect(fleetValues(desk), `release ${number}`).to.eql(states[number - 1]);
    }
    expect((await desk.run(["history"])).stdout).to.match(/^2 .* \+hosts.* and 4 more$/m);
  });

  it("one JSON object is all that --json writes, and it tells everything", async () => {
    await using desk = await makeDesk();
    await desk.write("web.yaml", FILE);
    const plan = JSON.parse((await desk.run(["plan", "web.yaml", "--json"])).stdout);
    expect(plan.changes).to.have.length(2);
    const { stdout, stderr } = await desk.run(["apply", "web.yaml", "--json", "-y"]);
    const { applied } = JSON.parse(stdout);
    expect(applied.release).to.equal(1);
    expect(applied.written).to.have.length(3);
    expect(stderr).to.include("Plan: 2 to add");
  });

  it("an action that is not allowed is named, with all others that the command takes", async () => {
    await using desk = await makeDesk();
    await desk.write("web.yaml", FILE);
    desk.ssm.denied.add("ssm:GetParametersByPath");
    const read = await desk.run(["plan", "web.yaml"]);
    expect(read.exitCode).to.equal(3);
    expect(read.thrown?.hint).to.include(
      "Allow ssm:GetParametersByPath to your own credentials. `fleet plan` takes ssm:GetParametersByPath on arn:aws:ssm:eu-central-1:*:parameter/s3-offload-agent/fleets/web, arn:aws:ssm:eu-central-1:*:parameter/s3-offload-agent/hosts, arn:aws:ssm:eu-central-1:*:parameter/s3-offload-agent/releases/web; logs:StartQuery on arn:aws:logs:eu-central-1:*:log-group:/s3-offload-agent/web*; ",
    );
    desk.ssm.denied.clear();
    desk.ssm.denied.add("ssm:PutParameter");
    const write = await desk.run(["apply", "web.yaml", "-y"]);
    expect(write.exitCode).to.equal(3);
    expect(write.stderr).to.include("Allow ssm:PutParameter");
    expect(write.stderr).to.match(
      /`fleet apply` takes .*ssm:DeleteParameters, ssm:GetParameterHistory on/,
    );
  });

  it("a revision that somebody wrote by hand is no release, and is followed by one", async () => {
    await using desk = await makeDesk({ bucket: "my-bucket", concurrency: "4", revision: "go" });
    await desk.write("web.yaml", FILE);
    expect((await desk.run(["plan", "web.yaml"])).stdout).to.include("No release is recorded yet");
    await desk.run(["apply", "web.yaml", "-y"]);
    expect((await desk.run(["history"])).stdout).to.match(/^2 .*\n1 .*written by hand$/m);
    const rollback = await desk.run(["rollback", "1", "-y"]);
    expect(rollback.thrown?.message).to.include("written by hand");
  });

  it("colours are for terminals", async () => {
    await using desk = await makeDesk({ bucket: "my-bucket" });
    await desk.write("web.yaml", FILE);
    const { stdout } = await desk.run(["plan", "web.yaml"]);
    expect(stdout).not.to.include("\u001b");
  });

  it("a release takes any remark, as far as there is room for it", async () => {
    await using desk = await makeDesk();
    await desk.write("web.yaml", FILE);
    const remark = `{{{why}}} ${"语".repeat(5_000)}`;
    expect((await desk.run(["apply", "web.yaml", "-y", "-m", remark])).exitCode).to.equal(0);
    const { releases } = JSON.parse((await desk.run(["history", "--json"])).stdout);
    expect(releases[0].note).to.match(/^\{ \{ \{why\}\}\} 语+$/);
  });

  it("a fleet that the file does not name, or none, is refused", async () => {
    await using desk = await makeDesk();
    await desk.write("web.yaml", FILE);
    expect((await desk.run(["plan", "web.yaml", "--fleet", "api"])).exitCode).to.equal(2);
    const none = await desk.run(["pull"], { env: { S3_OFFLOAD_FLEET: "" } });
    expect(none.thrown?.hint).to.include("--fleet NAME");
    expect((await desk.run(["plan", "absent.yaml"])).thrown?.hint).to.include("fleet pull");
    expect((await desk.run(["pull", "--parameter-root", "x/"])).exitCode).to.equal(2);
  });

  it("a release of another version of this program, with more in it, is read", async () => {
    await using desk = await makeDesk({ bucket: "my-bucket", concurrency: "4" });
    const leaves = new Map([
      ["bucket", "my-bucket"],
      ["concurrency", "4"],
    ]);
    const about = { id: "i", by: "b", note: undefined, spreadMs: 0 };
    const { revision } = writeRelease({ ...about, leaves }, () => undefined);
    desk.ssm.set(`${FLEET_PATH}/revision`, revision.replace("{", '{"later":[1],'));
    await desk.write("web.yaml", FILE);
    expect((await desk.run(["plan", "web.yaml"])).stdout).to.match(/^No changes\.$/m);
  });
});

/** All values but what releases are kept in. */
function fleetValues({ ssm }: FleetDesk): Record<string, string> {
  const values = Object.entries(ssm.values()).filter(([name]) => !name.includes("/releases/"));
  return Object.fromEntries(values);
}
