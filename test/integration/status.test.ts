import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { makeHost, type TestHost } from "../support/host.ts";
import { isRootOr } from "../support/not-run.ts";

const NOBODY = 65_534;

/** What `status --json` tells of a daemon. */
interface Told {
  readonly exitCode: number | null;
  readonly isWell: boolean;
  readonly needs: readonly string[];
  readonly filesProblem: string | null;
  readonly sweeps?: readonly unknown[];
  readonly daemon: {
    readonly isRunning: boolean | null;
    readonly isStopped?: boolean;
    readonly pid?: number;
    readonly configuration?: {
      readonly effectiveHash: string | null;
      readonly refusal: string | null;
    };
    readonly routes?: readonly { readonly route: string; readonly nextSweepAt: string | null }[];
    readonly credentials?: { readonly source: string | null };
  };
}

describe("status of a daemon", () => {
  let aws: LocalAws;

  before(async function () {
    // A cold start of moto on a busy machine; the local AWS has a limit of its own.
    this.timeout(60_000);
    aws = await startLocalAws();
  });
  after(() => aws.stop());

  async function ask(host: TestHost, options: Parameters<TestHost["run"]>[1] = {}): Promise<Told> {
    const { stdout, exitCode } = await host.run(["status", "--json"], options);
    return { exitCode, ...JSON.parse(stdout) };
  }

  /** The daemon writes down how it is a second after it has changed, at the latest. */
  async function until(
    host: TestHost,
    fits: (told: Told) => boolean,
    options: Parameters<TestHost["run"]>[1] = {},
  ): Promise<Told> {
    for (;;) {
      const told = await ask(host, options);
      if (fits(told)) return told;
    }
  }

  it("tells that it runs, its configuration, its next sweeps; then its refusal; then that it was stopped", async () => {
    await using host = await makeHost(aws);
    await using agent = host.start();
    await agent.next(({ event }) => event === "config.applied");
    const well = await until(host, ({ daemon }) => Boolean(daemon.configuration?.effectiveHash));
    expect(well).to.include({ exitCode: 0, isWell: true });
    expect(well.daemon).to.include({ isRunning: true });
    expect(well.daemon.credentials?.source).to.equal("environment");
    expect(well.daemon.routes?.map(({ route }) => route)).to.deep.equal(["default"]);
    expect(Date.parse(`${well.daemon.routes?.[0]?.nextSweepAt}`)).to.be.above(Date.now() - 1_000);
    const text = (await host.run(["status"])).stdout;
    expect(text)
      .to.match(/^daemon +running for .*process \d+/m)
      .and.match(/^next sweep +in /m);

    await host.operator.setParameter("min-age", "soon");
    agent.kill("SIGHUP");
    await agent.next(({ event }) => event === "config.refused");
    const refused = await until(host, ({ daemon }) => daemon.configuration?.refusal !== null);
    expect(refused).to.include({ exitCode: 1, isWell: false });
    expect(refused.needs.join()).to.include("min-age").and.to.include("config check");
    expect((await host.run(["status"])).stdout).to.match(/REFUSED: .*min-age/);

    agent.kill("SIGTERM");
    await agent.ended();
    const stopped = await ask(host);
    expect(stopped).to.include({ exitCode: 0, isWell: true });
    expect(stopped.daemon).to.include({ isRunning: false, isStopped: true });
  });

  it("one that was killed needs a person", async () => {
    await using host = await makeHost(aws);
    await using agent = host.start();
    await agent.next(({ event }) => event === "config.applied");
    await until(host, ({ daemon }) => daemon.isRunning === true);
    agent.kill("SIGKILL");
    await agent.ended();
    const killed = await ask(host);
    expect(killed).to.include({ exitCode: 1, isWell: false });
    expect(killed.needs.join()).to.include("nobody has stopped it");
  });

  it("who may not enter the state directory is told what everybody may know, and what is left out", async () => {
    if (!isRootOr("a state directory that others may not enter")) return;
    await using host = await makeHost(aws);
    const runtime = join(host.folder, "run");
    await mkdir(runtime);
    await chmod(host.folder, 0o755);
    const env = { RUNTIME_DIRECTORY: runtime };
    await using agent = host.start({ env });
    await agent.next(({ event }) => event === "config.applied");
    const options = { env, uid: NOBODY };
    const told = await until(host, ({ daemon }) => daemon.isRunning === true, options);
    expect(told).to.include({ exitCode: 0, isWell: true });
    expect(told.filesProblem).to.include("cannot be read: EACCES");
    expect(told.sweeps).to.equal(undefined);
    const text = (await host.run(["status"], options)).stdout;
    expect(text).to.include("left out: ").and.to.include("(sudo)");
    // Without a runtime directory there is nothing to tell.
    const nothing = await host.run(["status"], { uid: NOBODY });
    expect(nothing.exitCode).to.equal(2);
    expect(nothing.stderr).to.include("EACCES");
  });

  it("a daemon of another state directory that shares the runtime directory is not its own", async () => {
    await using host = await makeHost(aws);
    const runtime = join(host.folder, "run");
    await mkdir(runtime);
    const env = { RUNTIME_DIRECTORY: runtime };
    await using agent = host.start({ env });
    await agent.next(({ event }) => event === "config.applied");
    await until(host, ({ daemon }) => daemon.isRunning === true, { env });
    const elsewhere = join(host.folder, "elsewhere");
    await mkdir(elsewhere);
    const other = { ...env, S3_OFFLOAD_STATE_DIRECTORY: elsewhere };
    expect((await ask(host, { env: other })).daemon.isRunning).to.equal(null);
  });
});
