import { execFile } from "node:child_process";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { makeOperator, type Operator } from "../../tools/demo/operator.ts";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { startProxy } from "../support/proxy.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A laptop with credentials and nothing else, for a fleet of its own. */
interface Laptop extends AsyncDisposable {
  readonly fleet: string;
  readonly operator: Operator;
  fleetRun(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ran>;
  /** Writes the fleet file `web.yaml`. */
  write(rest: string): Promise<void>;
  /** What is in the Parameter Store, by key. */
  values(): Promise<Record<string, string>>;
}

let laptops = 0;

async function makeLaptop(aws: LocalAws): Promise<Laptop> {
  laptops += 1;
  const fleet = `laptop-${process.pid}-${laptops}`;
  const host = `host-of-${fleet}`;
  const temporary = await mkdtempDisposable(join(tmpdir(), "s3-offload-laptop-"));
  const cwd = temporary.path;
  const fleetRun = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    new Promise<Ran>((resolve) => {
      const all = ["fleet", ...args, "--fleet", fleet];
      const options = { cwd, env: { ...aws.environment(), HOME: cwd, USER: "alice", ...env } };
      execFile(process.execPath, [MAIN, ...all], options, (error, stdout, stderr) => {
        resolve({ exitCode: error === null ? 0 : Number(error.code), stdout, stderr });
      });
    });
  return {
    fleet,
    operator: makeOperator({ ...aws, fleet, host, bucket: fleet }),
    fleetRun,
    write: (rest) => writeFile(join(cwd, "web.yaml"), `fleet: ${fleet}\n${rest}`),
    async values() {
      const { stdout } = await fleetRun(["pull", "--json", "--host", host]);
      return JSON.parse(stdout).values;
    },
    [Symbol.asyncDispose]: () => temporary.remove(),
  };
}

describe("the operator's fleet commands", function () {
  // Each test starts the program some ten times, on a machine that may be busy.
  this.timeout(120_000);
  let aws: LocalAws;

  before(async () => {
    aws = await startLocalAws();
  });
  after(() => aws.stop());

  it("take a fleet that was made by hand from SSM to a file and back, with a history", async () => {
    await using laptop = await makeLaptop(aws);
    const { operator, fleetRun, fleet } = laptop;
    await operator.setParameter("bucket", "my-bucket");
    await operator.setParameter("include", "a.csv, b.{log,txt}");
    await operator.setHostParameter("prefix", "special/");
    const host = `host-of-${fleet}`;
    await fleetRun(["pull", "-o", "web.yaml", "--host", host]);
    const plan = await fleetRun(["plan", "web.yaml", "--detailed-exitcode"]);
    expect(plan.stdout).to.match(/^No changes\./m);
    expect(plan.exitCode).to.equal(0);
    const nobody = await fleetRun(["apply", "web.yaml"]);
    expect(nobody.exitCode).to.equal(2);
    expect(nobody.stderr).to.include("add --yes");
    expect((await fleetRun(["apply", "web.yaml", "-y", "-m", "taken over"])).exitCode).to.equal(0);
    const first = await laptop.values();

    // More than a page of them, and more than one request removes at once.
    const routes = Array.from(
      { length: 6 },
      (_, n) => `  r${n}: {directory: /r${n}, prefix: r${n}/}\n`,
    );
    await laptop.write(`settings: {bucket: other-bucket}\nroutes:\n${routes.join("")}`);
    const applied = await fleetRun(["apply", "web.yaml", "--prune", "-y"]);
    expect(applied.stdout).to.include("Plan: 12 to add, 1 to change, 2 to remove.");
    expect(applied.stdout).to.include("Release 2: 13 values written, 2 removed.");
    expect((await fleetRun(["plan", "web.yaml", "--prune"])).stdout).to.match(/^No changes\.$/m);

    const back = await fleetRun(["rollback", "1", "-y"]);
    expect(back.stdout).to.include("Plan: 2 to add, 1 to change, 12 to remove.");
    expect(await laptop.values()).to.eql(first);
    const { releases } = JSON.parse((await fleetRun(["history", "--json"])).stdout);
    expect(releases.map(({ number }: { number: number }) => number)).to.eql([3, 2, 1]);
    expect(releases[2]).to.include({ note: "taken over" });
    expect(releases[0].by).to.match(/^alice@/);
  });

  it("refuse a saved plan after somebody else's change", async () => {
    await using laptop = await makeLaptop(aws);
    const { operator, fleetRun } = laptop;
    await operator.setParameter("bucket", "my-bucket");
    await laptop.write("settings: {bucket: other-bucket}\n");
    await fleetRun(["plan", "web.yaml", "-o", "plan.json"]);
    await operator.setParameter("concurrency", "3");
    const { exitCode, stderr } = await fleetRun(["apply", "plan.json", "-y"]);
    expect(stderr).to.include("/concurrency (absent, now version 1)");
    expect(exitCode).to.equal(1);
    expect(await laptop.values()).to.eql({ bucket: "my-bucket", concurrency: "3" });
  });

  // Every request once, before it and after it, is in test/unit/cli/fleet/interrupted.test.ts.
  for (const [how, n] of [
    ["denied", 2],
    ["lost", 1],
    ["lost", 3],
  ] as const) {
    it(`write all in the end when the answer to write ${n} of 3 is ${how}`, async () => {
      await using laptop = await makeLaptop(aws);
      const { operator, fleetRun } = laptop;
      await operator.setParameter("bucket", "my-bucket");
      await laptop.write("settings: {bucket: other-bucket, concurrency: 3}\n");
      await using proxy = await startProxy(aws.endpoint);
      proxy.disturb("PutParameter", n, how);
      const env = { AWS_ENDPOINT_URL_SSM: proxy.endpoint };
      const broken = await fleetRun(["apply", "web.yaml", "-y"], env);
      if (how === "lost") {
        expect(broken.exitCode).to.equal(0);
      } else {
        expect(broken.exitCode).to.equal(3);
        expect(broken.stderr).to.include("Allow ssm:PutParameter");
        expect(broken.stderr).to.include("The revision was not written");
        expect((await fleetRun(["apply", "web.yaml", "-y"], env)).exitCode).to.equal(0);
      }
      expect(await laptop.values()).to.eql({ bucket: "other-bucket", concurrency: "3" });
      expect((await fleetRun(["plan", "web.yaml"])).stdout).to.match(/^No changes\.$/m);
      const { releases } = JSON.parse((await fleetRun(["history", "--json"])).stdout);
      expect(releases).to.have.length(1);
    });
  }

  it("begin and end a canary, and set what is a host's own", async () => {
    await using laptop = await makeLaptop(aws);
    const { fleetRun } = laptop;
    await laptop.write("settings: {bucket: my-bucket}\n");
    await fleetRun(["apply", "web.yaml", "-y"]);
    await laptop.write("settings: {bucket: my-bucket, concurrency: 3}\n");
    expect((await fleetRun(["apply", "web.yaml", "--canary", "5", "-y"])).exitCode).to.equal(0);
    expect(await laptop.values()).to.eql({
      bucket: "my-bucket",
      "canary/concurrency": "3",
      "canary/percent": "5",
    });
    const early = await fleetRun(["canary", "promote", "-y"]);
    expect(early.exitCode).to.equal(1);
    expect(early.stderr).to.include("no canary host sends heartbeats");
    expect((await fleetRun(["canary", "promote", "-y", "--force"])).exitCode).to.equal(0);
    expect(await laptop.values()).to.eql({ bucket: "my-bucket", concurrency: "3" });

    const host = `host-of-${laptop.fleet}`;
    expect((await fleetRun(["host", host, "set", "prefix=x/", "-y"])).exitCode).to.equal(0);
    expect((await fleetRun(["host", host, "show"])).stdout).to.match(/^prefix +"x\/" +1 /m);
    expect((await fleetRun(["host", host, "unset", "prefix", "-y"])).exitCode).to.equal(0);
    expect(await laptop.values()).to.eql({ bucket: "my-bucket", concurrency: "3" });
  });

  it("explain themselves without credentials, region or bootstrap file", async () => {
    await using laptop = await makeLaptop(aws);
    for (const command of [
      "",
      "pull",
      "plan",
      "apply",
      "history",
      "rollback",
      "host",
      "canary promote",
    ]) {
      const { stdout, exitCode } = await laptop.fleetRun(
        [...command.split(" ").filter(Boolean), "--help"],
        {
          AWS_REGION: "",
          AWS_DEFAULT_REGION: "",
          AWS_ACCESS_KEY_ID: "",
        },
      );
      expect(exitCode, command).to.equal(0);
      expect(stdout).to.match(/^Usage: s3-offload-agent fleet/);
    }
  });
});
