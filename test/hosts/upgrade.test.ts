import { expect } from "chai";
import { is, openWorld, SPOOL, UNIT, untilAllTaken } from "../support/hosts/agent-host.ts";
import {
  countStarts,
  hostByApt,
  install,
  NEW,
  OLD,
  packageState,
  startedVersions,
} from "../support/hosts/apt-host.ts";
import type { ImageName } from "../support/hosts/images.ts";
import { refresh } from "../support/hosts/lived-host.ts";
import { shareHostByApt } from "../support/hosts/shared-hosts.ts";
import { SystemdHost } from "../support/hosts/systemd-host.ts";
import { expectStatesKept } from "../support/hosts/unit-states.ts";

describe("an upgrade by apt", () => {
  const shared = shareHostByApt(OLD, NEW);

  it("asks nobody, keeps an edited bootstrap file, and restarts the agent once", async () => {
    await using world = await openWorld(shared().aws);
    await using host = await SystemdHost.make(shared().base);
    await world.configure(host);
    await host.boot();
    await refresh(host);
    await host.first(is("config.applied", { version: OLD }));
    const file = "/etc/s3-offload-agent/agent.yaml";
    const [edited, before] = [await host.read(file), await host.unit(UNIT, "MainPID")];

    await host.must("apt-get -y upgrade <&-", { env: { DEBIAN_FRONTEND: "noninteractive" } });
    const after = await host.unit(UNIT, "MainPID", "NRestarts", "ActiveState");
    expect(await packageState(host)).to.equal(`install ok installed ${NEW}-1`);
    expect(after).to.include({ NRestarts: "0", ActiveState: "active" });
    expect(after["MainPID"]).to.not.equal(before["MainPID"]);
    expect(await startedVersions(host)).to.deep.equal([OLD, NEW]);
    expect(await countStarts(host)).to.equal(2);
    expect(await host.read(file)).to.equal(edited);
    expect(await host.files("/etc/s3-offload-agent")).to.deep.equal(["agent.yaml"]);
    await host.first(is("config.applied", { version: NEW }));
  });

  it("in mid-sweep waits for the files in flight, and the new agent takes the rest", async () => {
    await using world = await openWorld(shared().aws);
    await using host = await SystemdHost.make(shared().base);
    await world.configure(host, { parameters: { concurrency: "4" } });
    const paths = Array.from({ length: 12 }, (_, index) => `${SPOOL}/${index}.csv`);
    for (const path of paths) await world.produce(host, path, `content of ${path}`);
    const { promise: until, resolve: letThrough } = Promise.withResolvers<void>();
    world.s3.onPut(() => ({ kind: "delay", until, when: "before-store" }));
    await host.boot();
    await refresh(host);
    await world.s3.waitForRequests(4);

    const upgraded = host.must("apt-get -y upgrade <&-");
    const stopping = await host.first(is("agent.stopping"));
    letThrough();
    await upgraded;
    await untilAllTaken(host);

    expect(stopping).to.include({ version: OLD });
    expect(await startedVersions(host)).to.deep.equal([OLD, NEW]);
    // No request was cut, none was made twice, and both versions have done a part.
    expect(world.s3.requests.map(({ answer }) => answer)).to.deep.equal(paths.map(() => 200));
    const removed = host.records.filter(is("file.removed"));
    const byOld = removed.filter(({ version }) => version === OLD);
    expect(byOld.length).to.be.within(4, 11);
    expect(removed.length).to.equal(paths.length);
    expect(await world.verify(host, SPOOL)).to.deep.include({
      ...{ lost: [], foreign: [], touched: [], duplicates: 0, files: paths.length, onDisk: 0 },
    });
  });

  for (const image of ["bullseye", "bookworm", "trixie"] as const satisfies ImageName[]) {
    it(`leaves a unit as it was, stopped, disabled or masked, on ${image}`, async () => {
      await using installed =
        image === "bookworm" ? null : await hostByApt(image, shared().repository);
      await using host = await SystemdHost.start(installed ?? shared().base);
      await expectStatesKept(host, async (version) => {
        await host.must(install(version));
        expect(await packageState(host)).to.equal(`install ok installed ${version}-1`);
      });
    });
  }
});
