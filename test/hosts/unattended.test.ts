import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect } from "chai";
import { is, openWorld, SPOOL, UNIT } from "../support/hosts/agent-host.ts";
import {
  hostByApt,
  install,
  NEW,
  OLD,
  packageState,
  startedVersions,
} from "../support/hosts/apt-host.ts";
import { inChroot } from "../support/hosts/chroot.ts";
import { type ImageName, imageRoot } from "../support/hosts/images.ts";
import { refresh } from "../support/hosts/lived-host.ts";
import { openShop, share } from "../support/hosts/shared-hosts.ts";
import { SystemdHost } from "../support/hosts/systemd-host.ts";

const FILE = "/etc/s3-offload-agent/agent.yaml";

describe("apt with nobody there", () => {
  const shared = share((all) => openShop(all, OLD, NEW));

  for (const image of ["bullseye", "bookworm", "trixie"] as const satisfies ImageName[]) {
    it(`installs it into an image of ${image} that is not booted, and it is active at the first boot`, async () => {
      await using host = await SystemdHost.make(image);
      await shared().repository.introduce(host, "apt");
      await host.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", { mode: 0o755 });
      const told = await inChroot(host, `apt-get update && ${install(NEW)}`);
      expect(told)
        .to.match(/^Setting up s3-offload-agent/m)
        .and.not.match(/\bfail|\berror/i);
      expect(await host.boot()).to.equal("running");
      const active = { ActiveState: "active", UnitFileState: "enabled", NRestarts: "0" };
      expect(await host.unit(UNIT, ...Object.keys(active))).to.deep.equal(active);
    });
  }

  it("installs it where there is no systemd yet, and it is active once there is", async () => {
    await using host = await SystemdHost.make("bookworm");
    await shared().repository.introduce(host, "apt");
    const gone = "systemd systemd-sysv libpam-systemd dbus dbus-daemon dbus-system-bus-common";
    await inChroot(
      host,
      `dpkg --force-all --purge $(dpkg-query --show ${gone} 2>/dev/null | cut -f1)
       ! command -v systemctl`,
    );
    const told = await inChroot(host, `apt-get update && ${install(NEW)}`);
    expect(told)
      .to.match(/^Setting up s3-offload-agent/m)
      .and.not.match(/\bfail|\berror/i);
    // What came later, as it would have come by its packages: nothing of what is there is replaced.
    const cp = spawn("cp", ["-a", "--no-clobber", `${await imageRoot("bookworm")}/.`, host.root]);
    expect(await once(cp, "close")).to.deep.equal([0, null]);
    expect(await host.boot()).to.equal("running");
    const active = { ActiveState: "active", UnitFileState: "enabled", NRestarts: "0" };
    expect(await host.unit(UNIT, ...Object.keys(active))).to.deep.equal(active);
    expect(await host.exists(SPOOL)).to.equal(true);
  });

  it("keeps a bootstrap file that was there first", async () => {
    await using world = await openWorld(shared().aws);
    await using host = await SystemdHost.make("bookworm");
    await shared().repository.introduce(host, "apt");
    await world.configure(host);
    const own = await host.read(FILE);
    await host.boot();
    await host.must(`apt-get update && ${install(OLD)}`);
    await host.first(is("agent.started", { fleet: world.fleet }));
    await host.must(install(NEW));
    expect(await host.read(FILE)).to.equal(own);
    expect(await host.files("/etc/s3-offload-agent")).to.deep.equal(["agent.yaml"]);
    // Nor can one of another version ever be a question.
    expect(await host.must("dpkg --status s3-offload-agent")).to.not.include("Conffiles:");
  });

  it("brings a bootstrap file once, and lets it be deleted", async () => {
    await using host = await SystemdHost.start("bookworm");
    await shared().repository.introduce(host, "apt");
    await host.must(`apt-get update && ${install(OLD)}`);
    expect(await host.read(FILE)).to.include("#fleet: web");
    await host.must(`rm ${FILE}`);
    await host.must(install(NEW));
    expect(await host.exists(FILE)).to.equal(false);
    await host.must(`apt-get -y remove s3-offload-agent && ${install(NEW)}`);
    expect(await host.read(FILE)).to.include("#fleet: web");
  });

  it("is not failed by a bootstrap file that is wrong, and needs no help once it is mended", async () => {
    await using world = await openWorld(shared().aws);
    await using host = await SystemdHost.start("bookworm");
    await shared().repository.introduce(host, "apt");
    await host.write(FILE, "fleet: [\n");
    await host.must(`apt-get update && ${install(OLD)}`);
    expect(await packageState(host)).to.equal(`install ok installed ${OLD}-1`);
    await host.must(install(NEW));
    expect(await packageState(host)).to.equal(`install ok installed ${NEW}-1`);
    expect(await host.must("dpkg --audit")).to.equal("");
    expect(await startedVersions(host)).to.deep.equal([]);
    await world.configure(host);
    await host.first(is("agent.started", { version: NEW }));
  });

  it("killed in mid-unpack or mid-configuration is brought to its end", async () => {
    await using base = await hostByApt("bookworm", shared().repository);
    await using world = await openWorld(shared().aws);
    await using host = await SystemdHost.make(base);
    await world.configure(host);
    await host.boot();
    await refresh(host);
    await host.first(is("config.applied"));
    const kill = "kill -KILL $(pidof apt-get dpkg dpkg-deb)";
    await host.must(`
      ${install(NEW)} &
      until [ -e /usr/lib/s3-offload-agent/bin/node.dpkg-new ]; do :; done
      ${kill}; wait || true`);
    expect(await packageState(host)).to.equal(`install reinstreq half-installed ${OLD}-1`);
    // Meanwhile the old agent works on.
    await world.produce(host, `${SPOOL}/one.csv`, "one");
    await host.first(is("file.removed", { path: "one.csv", version: OLD }));
    await host.must("dpkg --configure -a && apt-get -y upgrade <&-");
    expect(await packageState(host)).to.equal(`install ok installed ${NEW}-1`);
    expect(await startedVersions(host)).to.deep.equal([OLD, NEW]);

    const { promise: until, resolve: letThrough } = Promise.withResolvers<void>();
    world.s3.onPut(() => ({ kind: "delay", until, when: "before-store" }));
    await world.produce(host, `${SPOOL}/two.csv`, "two");
    await world.s3.waitForRequests(2);
    const cut = host.run(install(OLD));
    await host.first(is("agent.stopping", { version: NEW }));
    await host.must(kill);
    expect((await cut).code).to.not.equal(0);
    expect(await packageState(host)).to.equal(`install ok half-configured ${OLD}-1`);
    letThrough();
    await host.must("dpkg --configure -a");
    expect(await packageState(host)).to.equal(`install ok installed ${OLD}-1`);
    // The restart that apt had asked for may still be under way: then dpkg's finds nothing to do.
    await host.until("the agent to be back", async () => {
      const { ActiveState } = await host.unit(UNIT, "ActiveState");
      const started = host.records.filter(is("agent.started"));
      return ActiveState === "active" && started.length >= 3;
    });
    expect((await startedVersions(host)).slice(0, 3)).to.deep.equal([OLD, NEW, OLD]);
    await world.produce(host, `${SPOOL}/three.csv`, "three");
    await host.first(is("file.removed", { path: "three.csv" }));
    expect(world.s3.requests.map(({ answer }) => answer)).to.deep.equal([200, 200, 200]);
    expect(await world.verify(host, SPOOL)).to.deep.include({
      ...{ lost: [], foreign: [], touched: [], duplicates: 0, files: 3, onDisk: 0 },
    });
  });
});
