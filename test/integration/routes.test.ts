import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { makeHost, recordsOf, type TestHost } from "../support/host.ts";
import { startProxy } from "../support/proxy.ts";

const EVERY_SECOND = { schedule: "rate(1 second)", "refresh-interval": "1h" };

type Fields = Record<string, unknown>;
const is = (event: string) => (record: Fields) => record["event"] === event;
const isRemoved = (path: string) => (record: Fields) =>
  record["event"] === "file.removed" && record["path"] === path;
const isOf = (event: string, route: string) => (record: Fields) =>
  record["event"] === event && record["route"] === route;

/** A host with the routes `one` and `two` in folders of its watched directory, and no other. */
async function twoRoutes(aws: LocalAws, more: Record<string, string> = {}): Promise<TestHost> {
  const host = await makeHost(aws, { directory: undefined, ...EVERY_SECOND });
  for (const name of ["one", "two"]) {
    await mkdir(join(host.watched, name));
    await host.operator.setParameter(`routes/${name}/directory`, join(host.watched, name));
    await host.operator.setParameter(`routes/${name}/prefix`, `${name}/`);
  }
  for (const [leaf, value] of Object.entries(more)) await host.operator.setParameter(leaf, value);
  return host;
}

describe("routes", () => {
  let aws: LocalAws;

  before(async function () {
    // A cold start of moto on a busy machine; the local AWS has a limit of its own.
    this.timeout(60_000);
    aws = await startLocalAws();
  });
  after(() => aws.stop());

  it("of any number are planned on one output, without a warning of Node's", async () => {
    await using host = await makeHost(aws, { directory: undefined });
    for (let nth = 0; nth < 12; nth += 1) {
      await mkdir(join(host.watched, `r${nth}`));
      await host.operator.setParameter(`routes/r${nth}/directory`, join(host.watched, `r${nth}`));
    }
    const { exitCode, stdout, stderr } = await host.run(["sweep", "--dry-run", "--json"]);
    expect([exitCode, stderr]).to.deep.equal([0, ""]);
    expect(recordsOf(stdout).filter(is("sweep.completed"))).to.have.length(12);
  });

  it("each have their directory and prefix; one daemon sweeps them all", async () => {
    await using host = await twoRoutes(aws);
    await using agent = host.start();
    const applied = await agent.next(is("config.applied"));
    expect((applied["routes"] as Fields[]).map(({ route }) => route)).to.deep.equal(["one", "two"]);
    await host.write("one/a.csv");
    await host.write("two/b.csv");
    // Side by side: either may be the first.
    expect(await agent.first(isRemoved("a.csv"))).to.include({ key: "one/a.csv", route: "one" });
    expect(await agent.first(isRemoved("b.csv"))).to.include({ key: "two/b.csv", route: "two" });
    const completed = await agent.first(isOf("sweep.completed", "two"));
    expect(completed).to.include({ Fleet: host.fleet, Route: "two" });
  });

  it("go on side by side: a file that takes long in one does not hold up the other", async () => {
    await using host = await twoRoutes(aws);
    await using s3 = await startProxy(aws.endpoint);
    await host.write("one/slow.csv");
    s3.hold();
    await using agent = host.start({ env: { AWS_ENDPOINT_URL_S3: s3.endpoint } });
    await s3.arrived(1);
    for (let sweeps = 0; sweeps < 3; sweeps += 1) {
      await agent.next(isOf("sweep.completed", "two"));
    }
    s3.release();
    await agent.next(isRemoved("slow.csv"));
  });

  it("change as one, when no sweep is under way: what is held up goes by the old configuration", async () => {
    await using host = await twoRoutes(aws);
    await using s3 = await startProxy(aws.endpoint);
    await host.write("one/slow.csv");
    s3.hold();
    await using agent = host.start({ env: { AWS_ENDPOINT_URL_S3: s3.endpoint } });
    await agent.next(is("config.applied"));
    await s3.arrived(1);
    await host.operator.setParameter("routes/one/prefix", "new-one/");
    await host.operator.setParameter("routes/two/prefix", "new-two/");
    await host.operator.setParameter("log-level", "debug");
    agent.kill("SIGHUP");
    // The other route's sweeps wait as well, so that no file of it goes by half a configuration.
    await agent.next(isOf("sweep.completed", "two"));
    await host.write("two/b.csv");
    s3.release();
    expect(await agent.next(isRemoved("slow.csv"))).to.include({ key: "one/slow.csv" });
    await agent.next(is("config.applied"));
    expect((await agent.first(isRemoved("b.csv")))["key"]).to.match(/^(new-)?two\/b\.csv$/);
    await host.write("one/c.csv");
    expect(await agent.next(isRemoved("c.csv"))).to.include({ key: "new-one/c.csv" });
  });

  it("are refused together when one of them cannot be used, and the old ones go on", async () => {
    await using host = await twoRoutes(aws);
    await using agent = host.start();
    await agent.next(is("config.applied"));
    await host.operator.setParameter("routes/one/prefix", "new-one/");
    await host.operator.setParameter("routes/three/directory", join(host.watched, "three"));
    agent.kill("SIGHUP");
    const refused = await agent.next(is("config.refused"));
    expect(refused["message"]).to.include(join(host.watched, "three"));
    expect(refused["desiredHash"]).not.to.equal(refused["configHash"]);
    await host.write("one/a.csv");
    expect(await agent.next(isRemoved("a.csv"))).to.include({ key: "one/a.csv" });
    // Nothing of the attempt is left: the directory can be taken by whoever comes.
    await mkdir(join(host.watched, "three"));
    agent.kill("SIGHUP");
    await agent.next(is("config.applied"));
    await host.write("one/b.csv");
    expect(await agent.next(isRemoved("b.csv"))).to.include({ key: "new-one/b.csv" });
  });

  it("may not lead to one place through links", async () => {
    await using host = await twoRoutes(aws);
    await rm(join(host.watched, "two"), { recursive: true });
    await symlink(join(host.watched, "one"), join(host.watched, "two"));
    await using agent = host.start();
    const refused = await agent.next(is("config.refused"));
    expect(refused["message"]).to.include("route two").and.include("route one");
  });

  it("are swept one after the other by `sweep`, or one alone with --route", async () => {
    await using host = await twoRoutes(aws);
    await host.write("one/a.csv");
    await host.write("two/b.csv");
    const only = await host.run(["sweep", "--route", "two", "--json"]);
    expect(only.exitCode).to.equal(0);
    expect(recordsOf(only.stdout).map(({ event }) => event)).to.deep.equal([
      "file.removed",
      "sweep.completed",
    ]);
    const all = await host.run(["sweep", "--json"]);
    const events = recordsOf(all.stdout);
    expect(events.filter(is("sweep.completed")).map(({ route }) => route)).to.deep.equal([
      "one",
      "two",
    ]);
    expect(events.at(-1)).to.include({ event: "sweep.completed" });
    const wrong = await host.run(["sweep", "--route", "tow"]);
    expect(wrong.exitCode).to.equal(2);
    expect(wrong.stderr).to.include("did you mean two?");
  });

  it("that cannot be used by `sweep` do not keep it from the others", async () => {
    await using host = await twoRoutes(aws);
    await rm(join(host.watched, "one"), { recursive: true });
    await host.write("two/b.csv");
    const { exitCode, stderr } = await host.run(["sweep"]);
    expect(exitCode).to.equal(2);
    expect(stderr).to.include(join(host.watched, "one"));
    expect(await readdir(join(host.watched, "two"))).to.deep.equal([]);
  });
});

describe("the last good configuration", () => {
  let aws: LocalAws;

  before(async function () {
    this.timeout(60_000);
    aws = await startLocalAws();
  });
  after(() => aws.stop());

  it("is what a daemon begins with when the Parameter Store is out of reach", async () => {
    await using host = await twoRoutes(aws);
    {
      await using agent = host.start();
      await agent.next(is("config.applied"));
      agent.kill("SIGTERM");
      await agent.ended();
    }
    await using agent = host.start({ env: { AWS_ENDPOINT_URL_SSM: "http://127.0.0.1:9" } });
    await agent.next(is("config.applied"));
    await host.write("one/a.csv");
    await agent.next(isRemoved("a.csv"));
    const sweep = await host.run(["config", "show"], {
      env: { AWS_ENDPOINT_URL_SSM: "http://127.0.0.1:9" },
    });
    expect(sweep.exitCode).to.equal(3);
  });

  it("is what `sweep` takes then, and says so", async () => {
    await using host = await twoRoutes(aws);
    {
      await using agent = host.start();
      await agent.next(is("config.applied"));
      agent.kill("SIGTERM");
      await agent.ended();
    }
    await host.write("one/a.csv");
    const env = { AWS_ENDPOINT_URL_SSM: "http://127.0.0.1:9" };
    const { exitCode, stderr } = await host.run(["sweep"], { env });
    expect(exitCode).to.equal(0);
    expect(stderr).to.include("The last good configuration of before is used");
    expect(await readdir(join(host.watched, "one"))).to.deep.equal([]);
  });

  it("of which one directory is gone lets the others go on, and it goes on when it is back", async () => {
    await using host = await twoRoutes(aws);
    {
      await using agent = host.start();
      await agent.next(is("config.applied"));
      agent.kill("SIGKILL");
      await agent.ended();
    }
    await rename(join(host.watched, "one"), join(host.folder, "away"));
    await using agent = host.start();
    expect(await agent.next(isOf("sweep.failed", "one"))).to.include({ level: "error" });
    await host.write("two/b.csv");
    await agent.next(isRemoved("b.csv"));
    await rename(join(host.folder, "away"), join(host.watched, "one"));
    await host.write("one/a.csv");
    await agent.next(isRemoved("a.csv"));
  });

  it("is refused by a bootstrap file that has become stricter", async () => {
    await using host = await twoRoutes(aws);
    {
      await using agent = host.start();
      await agent.next(is("config.applied"));
      agent.kill("SIGTERM");
      await agent.ended();
    }
    const strict = await readFile(host.bootstrap, "utf8");
    await writeFile(host.bootstrap, `${strict}allowedBuckets: [another-bucket]\n`);
    await using agent = host.start();
    const refused = await agent.next(is("config.refused"));
    expect(refused["message"]).to.include("allowedBuckets");
    await host.write("one/a.csv");
    agent.kill("SIGTERM");
    const { stdout } = await agent.ended();
    expect(recordsOf(stdout).some(is("config.applied"))).to.equal(false);
  });

  it("that is garbage on the disk is set aside, and read anew", async () => {
    await using host = await twoRoutes(aws);
    {
      await using agent = host.start();
      await agent.next(is("config.applied"));
      agent.kill("SIGKILL");
      await agent.ended();
    }
    await writeFile(join(host.folder, "state", "config"), "garbage\0\n{}\n");
    await using agent = host.start();
    await agent.next(is("state.set-aside"));
    await agent.next(is("config.applied"));
    await host.write("one/a.csv");
    await agent.next(isRemoved("a.csv"));
  });
});
