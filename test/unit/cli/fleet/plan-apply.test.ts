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
