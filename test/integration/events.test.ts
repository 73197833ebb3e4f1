import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { makeHost } from "../support/host.ts";

/** What a daemon tells of that no other test brings about; every record is held against the tables. */
describe("records of a daemon", () => {
  let aws: LocalAws;

  before(async function () {
    // A cold start of moto on a busy machine; the local AWS has a limit of its own.
    this.timeout(60_000);
    aws = await startLocalAws();
  });
  after(() => aws.stop());

  const is =
    (name: string) =>
    ({ event }: Record<string, unknown>) =>
      event === name;

  it("name a parameter that is not known, a directory that cannot be read, and one that is gone", async () => {
    await using host = await makeHost(aws, {
      concurency: "3",
      schedule: "rate(1 seconds)",
    });
    const [before, after] = [join(host.watched, "before"), join(host.watched, "after")];
    await host.operator.setParameter("directory", before);
    // Deeper than any sweep goes.
    await mkdir(join(before, "d/".repeat(200)), { recursive: true });
    {
      await using agent = host.start();
      expect(await agent.next(is("config.unknown-parameter"))).to.include({
        parameter: `/s3-offload-agent/fleets/${host.fleet}/concurency`,
      });
      expect(await agent.next(is("directory.unreadable"))).to.include({ route: "default" });
      agent.kill("SIGKILL");
      await agent.ended();
    }
    await rename(before, `${before}.away`);
    await mkdir(after);
    await host.operator.setParameter("directory", after);
    await using agent = host.start();
    expect(await agent.next(is("directory.unfinished"))).to.have.property("directory", before);
  });

  it("tell of a host that has another id than before", async () => {
    await using host = await makeHost(aws);
    const sweep = (id: string) =>
      host.run(["sweep", "--json"], { env: { S3_OFFLOAD_HOST_ID: id } });
    expect((await sweep("one")).exitCode).to.equal(0);
    expect((await sweep("other")).stdout).to.include('"event":"host.renamed"');
  });
});
