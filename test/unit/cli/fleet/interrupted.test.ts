import { expect } from "chai";
import { FLEET_PATH, HOSTS_PATH, makeDesk } from "../../../support/fleet-command.ts";
import { refusal } from "../../../support/memory-ssm.ts";

const FILE = `fleet: web
settings: {bucket: my-bucket, concurrency: 4, schedule: rate(5 minutes)}
canary: {percent: 1, settings: {min-age: 50s}}
hosts: {i-1: {settings: {prefix: one/}}}
`;
const AFTER = {
  [`${FLEET_PATH}/bucket`]: "my-bucket",
  [`${FLEET_PATH}/canary/min-age`]: "50s",
  [`${FLEET_PATH}/canary/percent`]: "1",
  [`${FLEET_PATH}/concurrency`]: "4",
  [`${FLEET_PATH}/schedule`]: "rate(5 minutes)",
  [`${HOSTS_PATH}/i-1/prefix`]: "one/",
};
/** Six values, one request that removes, the revision. */
const REQUESTS = 8;
const BEFORE = { bucket: "old-bucket", "storage-class": "GLACIER", "log-level": "debug" };

describe("fleet apply that is disturbed", () => {
  it("never writes faster than SSM allows", async () => {
    await using desk = await makeDesk(BEFORE);
    await desk.write("web.yaml", FILE);
    await desk.run(["apply", "web.yaml", "-y", "--prune"]);
    expect(desk.ssm.values()).to.eql(AFTER);
    expect(desk.ssm.throttled).to.equal(0);
  });

  for (let n = 1; n <= REQUESTS; n += 1) {
    for (const [what, hook] of [
      ["is refused", "beforeWrite"],
      ["is done, and its answer is a refusal", "afterWrite"],
    ] as const) {
      it(`tells how far it came when request ${n} ${what}, and finishes when it runs again`, async () => {
        await using desk = await makeDesk(BEFORE);
        await desk.write("web.yaml", FILE);
        let requests = 0;
        desk.ssm[hook] = ({ nth }) => {
          requests = nth;
          if (nth === n) throw refusal("ValidationException");
        };
        const broken = await desk.run(["apply", "web.yaml", "-y", "--prune"]);
        expect(broken.exitCode).to.equal(3);
        expect(requests, "nothing comes after").to.equal(n);
        const revision = `${FLEET_PATH}/revision`;
        expect(broken.stderr).to.match(/^Written: .*\nRemoved: .*\nNot reached: .*revision\.$/m);
        if (hook === "beforeWrite") expect(desk.ssm.writes).not.to.include(revision);

        desk.ssm[hook] = () => {};
        const again = await desk.run(["apply", "web.yaml", "-y", "--prune"]);
        expect(again.exitCode).to.equal(0);
        expect(desk.ssm.values()).to.eql(AFTER);
        expect(desk.ssm.writes).to.include(revision);
        const last = await desk.run(["plan", "web.yaml", "--prune", "--detailed-exitcode"]);
        expect(last.stdout).to.match(/^No changes\.$/m);
      });
    }

    for (const hook of ["beforeWrite", "afterWrite"] as const) {
      it(`outlives a passing failure ${hook === "beforeWrite" ? "before" : "after"} request ${n}`, async () => {
        await using desk = await makeDesk(BEFORE);
        await desk.write("web.yaml", FILE);
        let isFirst = true;
        desk.ssm[hook] = ({ nth }) => {
          if (nth !== n || !isFirst) return;
          isFirst = false;
          throw refusal("ECONNRESET", { isPassing: true });
        };
        const { exitCode, stdout } = await desk.run(["apply", "web.yaml", "-y", "--prune"]);
        expect(exitCode).to.equal(0);
        expect(stdout).to.include("Release 1: 6 values written");
        expect(desk.ssm.values()).to.eql(AFTER);
        const versions = desk.ssm.all().map(({ name, version }) => [name, version]);
        const twice = versions.filter(([, version]) => Number(version) > 1);
        expect(twice, "nothing is written twice").to.eql([[`${FLEET_PATH}/bucket`, 2]]);
      });
    }
  }

  it("stops when somebody else writes the same parameter at the same moment, and names him", async () => {
    await using desk = await makeDesk({ bucket: "old-bucket" });
    await desk.write("web.yaml", "fleet: web\nsettings: {bucket: my-bucket, concurrency: 4}\n");
    desk.ssm.beforeWrite = ({ nth }) => {
      if (nth !== 1) return;
      desk.ssm.user = "arn:aws:iam::111122223333:user/bob";
      desk.ssm.set(`${FLEET_PATH}/bucket`, "bobs-bucket");
      desk.ssm.user = "arn:aws:iam::111122223333:user/alice";
    };
    const { exitCode, stderr } = await desk.run(["apply", "web.yaml", "-y"]);
    expect(exitCode).to.equal(1);
    expect(stderr).to.match(/user\/bob wrote version 2, "bobs-bucket", at 2026-/);
    expect(stderr).to.include("This command wrote version 3 over it");
    expect(stderr).to.match(/^Written: .*bucket \(version 3\)\.$/m);
    expect(desk.ssm.writes).to.eql([`${FLEET_PATH}/bucket`]);
  });

  it("writes nothing over a parameter that somebody else made at the same moment", async () => {
    await using desk = await makeDesk({ bucket: "my-bucket" });
    await desk.write("web.yaml", "fleet: web\nsettings: {bucket: my-bucket, concurrency: 4}\n");
    desk.ssm.beforeWrite = () => desk.ssm.set(`${FLEET_PATH}/concurrency`, "5");
    const { exitCode, stderr } = await desk.run(["apply", "web.yaml", "-y"]);
    expect(exitCode).to.equal(1);
    expect(stderr).to.include("Theirs stands.");
    expect(desk.ssm.values()[`${FLEET_PATH}/concurrency`]).to.equal("5");
  });

  it("of two who apply different files, the second is told, and the next plan knows of both", async () => {
    await using desk = await makeDesk();
    const file = "fleet: web\nsettings: {bucket: my-bucket}\n";
    await desk.write("web.yaml", file);
    await desk.run(["apply", "web.yaml", "-y"]);
    await desk.write("web.yaml", file.replace("}", ", concurrency: 4}"));
    desk.ssm.beforeWrite = () => {
      desk.ssm.beforeWrite = () => {};
      // All that another apply does, after this one has looked at the versions.
      const leaves = { bucket: "my-bucket", "expected-hosts": "7" };
      const release = { id: "theirs", by: "bob", spread: "1s", leaves };
      desk.ssm.set(`${FLEET_PATH}/expected-hosts`, "7");
      desk.ssm.set(`${FLEET_PATH}/revision`, JSON.stringify(release));
    };
    const { exitCode, stderr } = await desk.run(["apply", "web.yaml", "-y"]);
    expect(exitCode).to.equal(1);
    expect(stderr).to.include("revision was changed by two at the same moment.");
    const { stdout } = await desk.run(["plan", "web.yaml"]);
    expect(stdout).to.match(/outside of releases:\n {4}expected-hosts {2}\(absent\) -> "7"\n/);
  });

  it("refuses when a parameter was added, changed or removed while it asked", async () => {
    for (const disturb of ["add", "change", "remove"] as const) {
      await using desk = await makeDesk({ bucket: "old-bucket", concurrency: "4" });
      await desk.write("web.yaml", "fleet: web\nsettings: {bucket: my-bucket}\n");
      await desk.run(["plan", "web.yaml", "-o", "plan.json"]);
      if (disturb === "add") desk.ssm.set(`${FLEET_PATH}/min-age`, "40s");
      if (disturb === "change") desk.ssm.set(`${FLEET_PATH}/concurrency`, "5");
      if (disturb === "remove") desk.ssm.unset(`${FLEET_PATH}/concurrency`);
      const { exitCode, thrown } = await desk.run(["apply", "plan.json", "-y"]);
      expect(exitCode, disturb).to.equal(1);
      expect(thrown?.message).to.include("nothing was written");
      expect(desk.ssm.writes).to.eql([]);
    }
  });

  it("tells what is written when it is stopped", async () => {
    await using desk = await makeDesk(BEFORE);
    await desk.write("web.yaml", FILE);
    const stop = new AbortController();
    desk.ssm.afterWrite = ({ nth }) => {
      if (nth === 2) stop.abort(new Error("stopped by SIGINT"));
    };
    const { stderr } = await desk.run(["apply", "web.yaml", "-y"], { stop: stop.signal });
    expect(stderr).to.include("It ended in the middle: stopped by SIGINT");
    expect(stderr).to.match(/^Written: [^,]* \(version \d\), [^,]* \(version \d\)\.$/m);
    expect(stderr).to.include("The revision was not written");
    expect(desk.ssm.writes).to.have.length(2);
  });

  it("one JSON object tells the same", async () => {
    await using desk = await makeDesk();
    await desk.write("web.yaml", FILE);
    desk.ssm.beforeWrite = ({ nth }) => {
      if (nth === 3) throw refusal("AccessDeniedException", { deniedAction: "ssm:PutParameter" });
    };
    const { stdout, exitCode } = await desk.run(["apply", "web.yaml", "-y", "--json"]);
    const { applied } = JSON.parse(stdout);
    expect(exitCode).to.equal(3);
    expect(applied.written).to.have.length(2);
    expect(applied.left).to.have.length(5);
    expect(applied.failure.hint).to.include("Allow ssm:PutParameter");
  });
});
