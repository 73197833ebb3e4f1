import { expect } from "chai";
import { makeOperator } from "../../tools/demo/operator.ts";
import { is, openWorld, SPOOL, UNIT } from "../support/hosts/agent-host.ts";
import { install, NEW, OLD, packageState } from "../support/hosts/apt-host.ts";
import { addEnvironment, liveOn, STATE } from "../support/hosts/lived-host.ts";
import { shareHostByApt } from "../support/hosts/shared-hosts.ts";
import { SystemdHost } from "../support/hosts/systemd-host.ts";

describe("an upgrade and a downgrade by apt", () => {
  const shared = shareHostByApt(OLD, NEW);

  it("hand over ledger, attempts, half an upload, configuration, identity and unsent records", async () => {
    await using world = await openWorld(shared().aws);
    await using host = await SystemdHost.make(shared().base);
    const sent = (key: string, part?: number) =>
      world.s3.requests.filter(
        (request) =>
          request.key.endsWith(key) &&
          request.answer === 200 &&
          (part === undefined || request.query.includes(`partNumber=${part}&`)),
      ).length;
    {
      await using _held = await liveOn(host, world);
      const identity = await host.read(`${STATE}/identity.json`);
      const known = await undeletable(host);
      expect(known.map(({ path }) => path)).to.deep.equal(["stays.csv"]);
      // From here on there is no other configuration than the one that was kept.
      await addEnvironment(host, { AWS_ENDPOINT_URL_SSM: "http://127.0.0.1:9" });

      for (const version of [NEW, OLD]) {
        host.skip();
        await host.must(install(version));
        expect(await packageState(host)).to.equal(`install ok installed ${version}-1`);
        await host.next(is("agent.started", { version }));
        expect(await undeletable(host)).to.deep.equal(known);
        await world.produce(host, `${SPOOL}/${version}.csv`, `for ${version}`);
        await host.next(is("file.removed", { path: `${version}.csv`, version }));
        expect(await host.read(`${STATE}/identity.json`)).to.equal(identity);
        expect([sent("stays.csv"), sent("large.csv", 1)]).to.deep.equal([1, 1]);
      }
    }
    // All is well again: what was begun is brought to its end, and nothing is done twice.
    world.s3.onPut(undefined);
    await world.configure(host);
    await host.must(["systemctl", "restart", UNIT]);
    await host.must("set -a; . /etc/default/s3-offload-agent; s3-offload-agent retry");
    await host.first(is("file.removed", { path: "stays.csv" }));
    await host.first(is("file.removed", { path: "large.csv" }));
    expect([sent("stays.csv"), sent("large.csv", 1)]).to.deep.equal([1, 1]);
    expect(await world.verify(host, SPOOL)).to.deep.include({
      ...{ lost: [], foreign: [], touched: [], duplicates: 0, files: 4, onDisk: 0 },
    });
    const operator = makeOperator({ ...shared().aws, ...world, host: host.name });
    // The records of a time in which none could be sent, whoever wrote them.
    await host.until("the records arrive", async () => {
      const records = await operator.readRecords(`/s3-offload-agent/${world.fleet}`);
      const started = records.filter(({ event }) => event === "agent.started");
      return started.map(({ version }) => version).join() === [OLD, NEW, OLD, OLD].join();
    });
  });
});

/** What the agent knows of files that are in the bucket and cannot be removed. */
async function undeletable(host: SystemdHost): Promise<{ path: string; firstSeenAt: string }[]> {
  const status = JSON.parse((await host.run("s3-offload-agent status --json")).stdout);
  const known: { path: string; firstSeenAt: string }[] = status.undeletable;
  return known.map(({ path, firstSeenAt }) => ({ path, firstSeenAt }));
}
