import { expect } from "chai";
import { is, openWorld, SPOOL, UNIT } from "../support/hosts/agent-host.ts";
import { OLD, packageState, startedVersions } from "../support/hosts/apt-host.ts";
import { liveOn, refresh, STATE } from "../support/hosts/lived-host.ts";
import { shareHostByApt } from "../support/hosts/shared-hosts.ts";
import { SystemdHost } from "../support/hosts/systemd-host.ts";

const CONFIG = "/etc/s3-offload-agent";
const DROP_INS = `/etc/systemd/system/${UNIT}.d`;

const apt = (verb: string) => `apt-get -y ${verb} s3-offload-agent <&-`;

describe("apt", () => {
  const shared = shareHostByApt(OLD);

  it("removes the agent and keeps what it knows, installs it again, and purges all of it", async () => {
    await using world = await openWorld(shared().aws);
    await using host = await SystemdHost.make(shared().base);
    await host.write(`${DROP_INS}/admin.conf`, "[Service]\nEnvironment=ADMIN=1\n");
    const watched = ["large.csv", "stays.csv"];
    {
      await using _held = await liveOn(host, world);
      const config = await host.read(`${CONFIG}/agent.yaml`);
      await host.must(apt("remove"));
      expect(await packageState(host)).to.equal(`deinstall ok config-files ${OLD}-1`);
      expect(await host.unit(UNIT, "ActiveState", "MainPID")).to.include({
        ...{ ActiveState: "inactive", MainPID: "0" },
      });
      expect(await host.exists("/usr/lib/s3-offload-agent")).to.equal(false);
      expect((await host.run("test -e /run/s3-offload-agent")).code).to.equal(1);
      expect(await host.read(`${CONFIG}/agent.yaml`)).to.equal(config);
      const kept = await host.files(STATE);
      expect(kept).to.include.members([
        "attempts.set-aside-1",
        "config",
        "identity.json",
        "ledger",
      ]);
      expect(kept.filter((name) => name.endsWith(".upload"))).to.have.lengthOf(1);

      host.skip();
      await host.must(apt("install"));
      await host.next(is("file.failed", { path: "large.csv" }));
      expect(await startedVersions(host)).to.deep.equal([OLD, OLD]);
      const isOfStays = ({ key }: { readonly key: string }) => key.endsWith("stays.csv");
      expect(world.s3.requests.filter(isOfStays)).to.have.lengthOf(1);

      // A stop, for no file is in flight between two answers of the bucket that could be missed.
      await host.must(["systemctl", "stop", UNIT]);
      const quarantined = `${SPOOL}/.s3oa-quarantine/quarantined.csv`;
      await host.write(quarantined, "in quarantine");
      const told = await host.must(apt("purge"));
      expect(told).to.include(`kept, with what is in it: ${SPOOL}`);
      expect(await packageState(host)).to.equal("none");
      for (const gone of [STATE, CONFIG, "/etc/default/s3-offload-agent"]) {
        expect(await host.exists(gone), gone).to.equal(false);
      }
      expect(await host.files(DROP_INS)).to.deep.equal(["admin.conf"]);
      expect(await host.files("/etc/systemd/system/multi-user.target.wants")).to.not.include(UNIT);
      expect(await host.files(SPOOL)).to.deep.equal([
        ...[".s3oa-quarantine/quarantined.csv", ...watched],
      ]);
    }
    expect(await world.verify(host, SPOOL)).to.deep.include({
      ...{ lost: [], foreign: [], touched: [], duplicates: 0, files: 2, onDisk: 2 },
    });
  });

  it("purges no watched file, wherever an allowed root is", async () => {
    await using world = await openWorld(shared().aws);
    await using host = await SystemdHost.make(shared().base);
    const mount = "/srv/mounted";
    // Called as parts of the state are, or like them; and one on a filesystem of its own.
    const roots = ["uploads", "spool", "config.d", "in"].map((name) => `${STATE}/${name}`);
    await world.configure(host, {
      // The agent watches nothing in its state, but a producer may well have put files there.
      parameters: { directory: mount, schedule: "rate(1 hour)" },
      bootstrap: ["allowedRoots:", ...[...roots, mount].map((root) => `  - ${root}`)],
    });
    const names = ["a.csv", "state/cursor.csv", "sub/0000000000000000.log"];
    const watched = roots.flatMap((root) => names.map((name) => `${root}/${name}`));
    for (const path of watched) await host.write(path, path);
    await host.write(`${mount}/below`, "");
    await host.boot();
    await host.must(
      `mount -t tmpfs none ${mount} && mkdir -p ${STATE}/on && mount -t tmpfs none ${STATE}/on`,
    );
    await host.must(`for dir in ${mount} ${STATE}/on; do echo mounted >$dir/ledger; done`);
    await host.must(["systemctl", "restart", UNIT]);
    await refresh(host);
    await host.first(is("config.applied"));
    await host.must(["systemctl", "stop", UNIT]);

    const told = await host.must(apt("purge"));
    expect(told).to.include(`kept, with what is in it: ${STATE}`);
    for (const path of watched) expect(await host.read(path)).to.equal(path);
    await host.must(`cat ${mount}/ledger ${STATE}/on/ledger`);
    const left = await host.files(STATE);
    expect(left.map((name) => `${STATE}/${name}`)).to.have.members(watched);
    // Nobody has put anything there.
    expect(await host.exists(SPOOL)).to.equal(false);
    expect(await host.exists(DROP_INS)).to.equal(false);
  });
});
