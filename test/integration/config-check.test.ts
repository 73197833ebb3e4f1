import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { makeHost, type TestHost } from "../support/host.ts";

describe("config check", () => {
  let aws: LocalAws;

  before(async function () {
    // A cold start of moto on a busy machine; the local AWS has a limit of its own.
    this.timeout(60_000);
    aws = await startLocalAws();
  });
  after(() => aws.stop());

  async function check(host: TestHost, args: readonly string[] = [], env = {}) {
    const { stdout, exitCode } = await host.run(["config", "check", ...args, "--json"], { env });
    return { exitCode, ...JSON.parse(stdout) };
  }

  /** A host whose daemon has worked by the parameters once. */
  async function swept(host: TestHost): Promise<void> {
    await using agent = host.start();
    await agent.next(({ event }) => event === "config.applied");
    agent.kill("SIGTERM");
    await agent.ended();
  }

  it("names what would change against what is in effect, and changes nothing itself", async () => {
    await using host = await makeHost(aws);
    expect(await check(host)).to.deep.include({ exitCode: 0, isValid: true, changes: null });
    await swept(host);
    expect((await check(host)).changes).to.deep.equal([]);
    await host.operator.setParameter("prefix", "new/{host}/");
    const found = await check(host);
    expect(found).to.include({ exitCode: 0, isValid: true });
    expect(found.effectiveHash).not.to.equal(found.configHash);
    expect(found.changes).to.deep.equal([
      {
        route: "default",
        setting: "prefix",
        from: "{host}/",
        to: "new/{host}/",
        parameter: `/s3-offload-agent/fleets/${host.fleet}/prefix`,
      },
    ]);
    const { stdout } = await host.run(["config", "check"]);
    expect(stdout).to.match(/default: prefix +\{host\}\/ +new\/\{host\}\/ +\/s3-offload-agent/);
    expect((await check(host)).effectiveHash).to.equal(found.effectiveHash);
  });

  it("names everything that is wrong, with exit code 2", async () => {
    await using host = await makeHost(aws, { "min-age": "soon", concurrency: "many", prefx: "x" });
    const found = await check(host);
    expect(found).to.include({ exitCode: 2, isValid: false });
    const names = found.problems.map(({ parameter }: { parameter: string }) => parameter);
    const below = `/s3-offload-agent/fleets/${host.fleet}`;
    expect(names).to.have.members([`${below}/min-age`, `${below}/concurrency`]);
    expect(found.unknown).to.have.length(1);
    const { stdout, exitCode } = await host.run(["config", "check"]);
    expect(exitCode).to.equal(2);
    expect(stdout).to.include("min-age").and.to.include("concurrency").and.to.include("prefx");
  });

  it("ends with 3 when the parameters are out of reach", async () => {
    await using host = await makeHost(aws);
    const env = { AWS_ENDPOINT_URL_SSM: "http://127.0.0.1:9" };
    expect((await host.run(["config", "check"], { env })).exitCode).to.equal(3);
  });

  describe("of a fleet file", () => {
    const write = async (host: TestHost, text: string) => {
      const file = join(host.folder, "fleet.yaml");
      await writeFile(file, `fleet: ${host.fleet}\n${text}`);
      return file;
    };

    it("lays it over what is there: for this host, its own values and those that stay", async () => {
      await using host = await makeHost(aws);
      await swept(host);
      const file = await write(
        host,
        "settings: {prefix: 'all/'}\nhosts:\n  host-1: {settings: {prefix: 'own/'}}\n  host-2: {settings: {prefix: 'theirs/', min-age: wrong}}\n",
      );
      const found = await check(host, [file]);
      expect(found).to.include({ exitCode: 0, isValid: true, alone: null });
      expect(found.changes).to.have.length(1);
      expect(found.changes[0]).to.include({ setting: "prefix", to: "own/" });
      // Nothing of it is in the Parameter Store.
      expect((await check(host)).changes).to.deep.equal([]);
    });

    it("names what is wrong by its line, with exit code 2", async () => {
      await using host = await makeHost(aws);
      const file = await write(host, "settings:\n  min-age: 1s\n  concurrency: many\n");
      await host.operator.setParameter("min-age", "0s");
      const { stdout, exitCode } = await host.run(["config", "check", file]);
      expect(exitCode).to.equal(2);
      expect(stdout).to.include(`${file}:4: concurrency`);
      const broken = await write(host, "setings: {}\n");
      const refused = await host.run(["config", "check", broken]);
      expect(refused.exitCode).to.equal(2);
      expect(refused.stderr).to.include("did you mean settings?");
    });

    it("what the host's bootstrap file forbids is wrong on this host", async () => {
      await using host = await makeHost(aws);
      const file = await write(host, "settings: {on-conflict: overwrite}\n");
      const found = await check(host, [file]);
      expect(found.exitCode).to.equal(2);
      expect(found.problems[0].reason).to.include("allowOverwrite");
    });

    it("is checked by itself, and says so, where the parameters are out of reach", async () => {
      await using host = await makeHost(aws);
      const file = await write(host, `settings: {bucket: ${host.bucket}, min-age: 0s}\n`);
      const env = { AWS_ENDPOINT_URL_SSM: "http://127.0.0.1:9" };
      const found = await check(host, [file], env);
      expect(found).to.include({ exitCode: 0, isValid: true });
      expect(found.alone).to.include("ECONNREFUSED");
    });

    it("of another fleet, or one that is not there, ends with 2", async () => {
      await using host = await makeHost(aws);
      await mkdir(join(host.folder, "files"));
      const file = join(host.folder, "files/other.yaml");
      await writeFile(file, "fleet: other\n");
      const other = await host.run(["config", "check", file]);
      expect(other.exitCode).to.equal(2);
      expect(other.stderr).to.include("is of the fleet other");
      const absent = await host.run(["config", "check", "nowhere.yaml"]);
      expect(absent.exitCode).to.equal(2);
      expect(absent.stderr).to.include("ENOENT");
    });
  });
});
