import { expect } from "chai";
import { FLEET_PATH, HOSTS_PATH, makeDesk } from "../../../support/fleet-command.ts";

const FILES = [
  "fleet: web\nsettings: {bucket: my-bucket, include: [a, b]}\nhosts: {i-1: {settings: {prefix: one/}}}\n",
  "fleet: web\nsettings: {bucket: other-bucket}\nroutes: {raw: {directory: /raw}}\n",
  "fleet: web\nsettings: {bucket: my-bucket, include: [c]}\nhosts: {i-2: {settings: {prefix: two/}}}\n",
] as const;

describe("fleet rollback", () => {
  it("makes the parameters exactly what each release made them, whatever went and came since", async () => {
    await using desk = await makeDesk();
    const states: Record<string, string>[] = [];
    for (const file of FILES) {
      await desk.write("web.yaml", file);
      await desk.run(["apply", "web.yaml", "--prune", "-y"]);
      states.push(desk.ssm.values());
    }
    for (const number of [1, 3, 2, 1, 2]) {
      const { exitCode } = await desk.run(["rollback", String(number), "-y"]);
      expect(exitCode).to.equal(0);
      expect(desk.ssm.values(), `release ${number}`).to.eql(states[number - 1]);
    }
    const { stdout } = await desk.run(["history"]);
    expect(stdout).to.match(/^8 .*release 2: ~bucket -hosts\/i-1\/prefix -include \+routes\/raw/m);
    const again = await desk.run(["rollback", "2"]);
    expect(again.stdout).to.match(/^No changes\.$/m);
  });

  it("does not depend on the histories of the parameters themselves", async () => {
    await using desk = await makeDesk();
    await desk.write("web.yaml", FILES[0]);
    await desk.run(["apply", "web.yaml", "-y"]);
    const before = desk.ssm.values();
    for (let n = 0; n < 120; n += 1) desk.ssm.set(`${FLEET_PATH}/bucket`, `bucket-${n}`);
    desk.ssm.unset(`${FLEET_PATH}/include`);
    desk.ssm.set(`${FLEET_PATH}/stray`, "x");
    await desk.run(["rollback", "1", "-y"]);
    expect(desk.ssm.values()).to.eql(before);
  });

  it("keeps what hosts have of their own that no release gave them", async () => {
    await using desk = await makeDesk();
    await desk.write("web.yaml", FILES[1]);
    await desk.run(["apply", "web.yaml", "-y"]);
    await desk.write("web.yaml", FILES[0]);
    await desk.run(["apply", "web.yaml", "-y"]);
    desk.ssm.set(`${HOSTS_PATH}/i-1/concurrency`, "3");
    desk.ssm.set(`${HOSTS_PATH}/i-9/concurrency`, "3");
    await desk.run(["rollback", "1", "-y"]);
    const own = Object.keys(desk.ssm.values()).filter((name) => name.startsWith(HOSTS_PATH));
    expect(own).to.eql([`${HOSTS_PATH}/i-1/concurrency`, `${HOSTS_PATH}/i-9/concurrency`]);
  });

  it("names the releases that there are, when there is none of that number any more", async () => {
    await using desk = await makeDesk({ bucket: "my-bucket" });
    expect((await desk.run(["history"])).stdout).to.include("No release is recorded");
    const none = await desk.run(["rollback", "1", "-y"]);
    expect(none.thrown?.message).to.equal("There is no release 1: none is recorded.");
    for (let n = 0; n < 120; n += 1) desk.ssm.set(`${FLEET_PATH}/revision`, "by hand");
    const gone = await desk.run(["rollback", "7", "-y"]);
    expect(gone.exitCode).to.equal(2);
    expect(gone.thrown?.message).to.include("SSM keeps the last 100, now 21 to 120");
  });

  it("shows the plan and asks", async () => {
    await using desk = await makeDesk();
    for (const file of FILES) {
      await desk.write("web.yaml", file);
      await desk.run(["apply", "web.yaml", "-y"]);
    }
    const writes = desk.ssm.writes.length;
    const { stdout, exitCode } = await desk.run(["rollback", "1"], { answer: "no" });
    expect(stdout).to.include('  ~ include               "c" -> "a,b"\n');
    expect(exitCode).to.equal(1);
    expect(desk.ssm.writes.length).to.equal(writes);
  });

  it("is refused if this version's hosts would refuse what was right then", async () => {
    await using desk = await makeDesk({ bucket: "my-bucket" });
    const leaves = { bucket: "B" };
    const value = JSON.stringify({ id: "r", by: "a", spread: "1s", leaves });
    desk.ssm.set(`${FLEET_PATH}/revision`, value);
    expect((await desk.run(["rollback", "1", "-y"])).exitCode).to.equal(2);
  });
});

describe("fleet host", () => {
  it("sets what one host has of its own, and its revision last", async () => {
    await using desk = await makeDesk({ bucket: "my-bucket", "routes/raw/directory": "/raw" });
    const set = ["host", "i-1", "set", "prefix=a=b/", "routes/raw/concurrency=2", "-y"];
    const { stdout, exitCode } = await desk.run(set);
    expect(exitCode).to.equal(0);
    expect(stdout).to.include("Plan: 2 to add, 0 to change, 0 to remove.");
    expect(desk.ssm.writes).to.eql([
      `${HOSTS_PATH}/i-1/prefix`,
      `${HOSTS_PATH}/i-1/routes/raw/concurrency`,
      `${HOSTS_PATH}/i-1/revision`,
    ]);
    const shown = await desk.run(["host", "i-1", "show"]);
    expect(shown.stdout).to.match(/^prefix +"a=b\/" +1 /m);
    expect(shown.stdout).not.to.include("revision");
    expect((await desk.run(set)).stdout).to.match(/^No changes\.$/m);

    await desk.run(["host", "i-1", "unset", "prefix", "-y"]);
    const left = Object.keys(desk.ssm.values()).filter((name) => name.startsWith(HOSTS_PATH));
    expect(left).to.eql([`${HOSTS_PATH}/i-1/routes/raw/concurrency`]);
    expect(desk.ssm.writes.at(-1)).to.equal(`${HOSTS_PATH}/i-1/revision`);
    const { parameters } = JSON.parse((await desk.run(["host", "i-1", "show", "--json"])).stdout);
    expect(parameters).to.have.length(1);
  });

  for (const [items, told] of [
    [["set", "concurency=3"], "concurency is not known: did you mean concurrency?"],
    [["set", "concurrency=999"], 'must be at most 256: value was "999" (host i-1)'],
    [["set", "canary/percent=3"], "means nothing below a host"],
    [["set", "revision=3"], "revision is written by these commands."],
    [["set", "prefix"], "prefix is no LEAF=VALUE."],
    [["set", "prefix="], "prefix= is no LEAF=VALUE."],
    [["set"], "`set` needs to be told what."],
    [["unset"], "`unset` needs to be told what."],
    [["unset", "revision"], "revision is written by these commands."],
    [["show", "prefix"], "`show` takes no more words."],
    [["unset", "bucket"], "bucket is required and not set"],
  ] as const) {
    it(`refuses ${items.join(" ")}`, async () => {
      await using desk = await makeDesk({ concurrency: "4" });
      desk.ssm.set(`${HOSTS_PATH}/i-1/bucket`, "my-bucket");
      const { exitCode, stdout, thrown } = await desk.run(["host", "i-1", ...items, "-y"]);
      expect(`${stdout}${thrown?.message}`).to.include(told);
      expect(exitCode).to.equal(2);
      expect(desk.ssm.writes).to.eql([]);
    });
  }

  it("can mend one host of a fleet whose other hosts have no right configuration", async () => {
    await using desk = await makeDesk({ concurrency: "4" });
    const { exitCode } = await desk.run(["host", "i-1", "set", "bucket=my-bucket", "-y"]);
    expect(exitCode).to.equal(0);
  });
});
