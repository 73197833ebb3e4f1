import { expect } from "chai";
import { FLEET_PATH, HOSTS_PATH, liveHost, makeDesk } from "../../../support/fleet-command.ts";

const FILE = "fleet: web\nsettings:\n  bucket: my-bucket\n  concurrency: 4\n";

describe("what a fleet plan says of the hosts", () => {
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
});
