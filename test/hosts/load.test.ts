import { writeFileSync } from "node:fs";
import { expect } from "chai";
import { is, openWorld, SPOOL, UNIT, untilAllTaken } from "../support/hosts/agent-host.ts";
import { shareInstalledHost } from "../support/hosts/shared-hosts.ts";
import { SystemdHost } from "../support/hosts/systemd-host.ts";

const FILES = 100_000;
const STATE = "/var/lib/s3-offload-agent";

describe("the service with much to do and little room", () => {
  const shared = shareInstalledHost();

  const read = async (host: SystemdHost) => {
    await host.must(["systemctl", "start", UNIT]);
    await host.must(["systemctl", "reload", UNIT]);
    await host.first(is("config.applied"));
  };

  it(`has the record of each of ${FILES} files of one sweep in the journal`, async () => {
    await using world = await openWorld(shared().aws);
    await using host = await SystemdHost.make(shared().base);
    await world.configure(host, { parameters: { concurrency: "64" } });
    // Before the boot nobody takes them, so they need not come by a rename.
    for (let n = 0; n < FILES; n += 1) {
      const path = host.path(`${SPOOL}/${n}.csv`);
      writeFileSync(path, `${n}\n`);
      world.oracle.closed(path, `${n}\n`);
    }
    await host.boot();
    await read(host);
    const sent = { timeoutMs: 400_000 };
    await host.until(
      "all files to be sent",
      () => world.s3.objects(world.bucket).size === FILES,
      sent,
    );
    await host.first(is("sweep.completed", { filesRemoved: FILES }), sent);
    const paths = host.records.filter(is("file.removed")).map(({ path }) => path);
    expect(new Set(paths).size).to.equal(FILES);
    expect(paths).to.have.lengthOf(FILES);
    expect(await world.verify(host, SPOOL)).to.deep.include({ lost: [], duplicates: 0, onDisk: 0 });
  });

  it("loses nothing when the disk of its state is full, tells of it, and goes on when there is room", async () => {
    await using world = await openWorld(shared().aws);
    await using host = await SystemdHost.start(shared().base);
    await host.must(["systemctl", "stop", UNIT]);
    await host.must(`mount -t tmpfs -o size=1m tmpfs ${STATE}`);
    await world.configure(host);
    await read(host);
    await world.produce(host, `${SPOOL}/before.csv`, "before");
    await host.first(is("file.removed", { path: "before.csv" }));
    await host.must(`! cat /dev/zero > ${STATE}/filling`);
    for (let n = 0; n < 50; n += 1) await world.produce(host, `${SPOOL}/${n}.csv`, `${n}\n`);
    await host.must(["systemctl", "reload", UNIT]);
    host.skip();
    await host.next(({ event }) => event === "sweep.completed" || event === "sweep.failed");
    expect((await world.verify(host, SPOOL)).lost).to.deep.equal([]);
    await host.must(["systemctl", "restart", UNIT]);
    expect((await world.verify(host, SPOOL)).lost).to.deep.equal([]);
    await host.must(["rm", `${STATE}/filling`]);
    await untilAllTaken(host);
    expect(await world.verify(host, SPOOL)).to.deep.include({ lost: [], foreign: [], onDisk: 0 });
  });
});
