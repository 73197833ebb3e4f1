import { mkdir } from "node:fs/promises";
import { expect } from "chai";
import {
  type AgentWorld,
  type ConfigureOptions,
  followingHost,
  is,
  openWorld,
  SPOOL,
  UNIT,
} from "../support/hosts/agent-host.ts";
import { shareInstalledHost } from "../support/hosts/shared-hosts.ts";
import { SystemdHost } from "../support/hosts/systemd-host.ts";

const OVERRIDES = `/etc/systemd/system/${UNIT}.d/zz-test.conf`;

describe("the sandbox of the service", () => {
  const shared = shareInstalledHost();

  const start = (world: AgentWorld, options?: ConfigureOptions) =>
    followingHost(shared().base, world, options);

  const status = async (host: SystemdHost) =>
    (await host.unit(UNIT, "StatusText"))["StatusText"] ?? "";

  interface Finding {
    readonly name: string;
    readonly about?: string;
    readonly verdict: string;
    readonly wayOut?: string;
  }
  /** What root's `doctor` finds. It is given the unit's variables: sudo passes none on. */
  const doctor = async (host: SystemdHost) => {
    const { code, stdout } = await host.run(
      "set -a; . /etc/default/s3-offload-agent; exec s3-offload-agent doctor --json",
    );
    return { code, checks: JSON.parse(stdout).checks as readonly Finding[] };
  };

  it("lets the agent take files of roots that a person allows, of whatever name and kind, until he takes that back", async () => {
    // A route's name, its root, and where that really is.
    const roots = {
      odd: ["/srv/100% of a: b", "/srv/100% of a: b"],
      home: ["/home/someone/out", "/home/someone/out"],
      root: ["/root/out", "/root/out"],
      mount: ["/srv/disk", "/srv/disk"],
      // A parameter takes no quotes: what has them in its name is reached by a link of root's.
      link: ["/srv/link", '/srv/the "odd" one\'s'],
    };
    const parameters = Object.fromEntries(
      Object.entries(roots).map(([name, [root]]) => [`routes/${name}/directory`, root]),
    );
    const directories = Object.values(roots).map(([root = ""]) => root);
    await using world = await openWorld(shared().aws);
    await using host = await SystemdHost.make(shared().base);
    await host.boot();
    await host.must(["mkdir", "-p", ...Object.values(roots).map(([, real = ""]) => real)]);
    await host.must("mount -t tmpfs disk /srv/disk && ln -s 'the \"odd\" one'\\''s' /srv/link");
    // Its producer writes by the host's own view: what is mounted there is not seen from outside.
    await host.must("echo disk >/srv/disk/0.csv");
    const others = Object.entries(roots).filter(([name]) => name !== "mount");
    for (const [name, [, real]] of others) await world.produce(host, `${real}/0.csv`, name);

    const { stdout } = await host.run(["s3-offload-agent", "allow", ...directories]);
    expect(stdout).to.include(`What is left to do: systemctl restart ${UNIT}`);
    const listed = await host.read("/etc/s3-offload-agent/agent.yaml");
    const list = listed.slice(listed.indexOf("\nallowedRoots:"));
    await world.configure(host, { parameters, bootstrap: [list] });
    await host.must(["systemctl", "restart", UNIT]);
    await host.must(["systemctl", "reload", UNIT]);
    for (const route of Object.keys(roots)) await host.first(is("file.removed", { route }));
    await host.until("the mount to be empty", async () => {
      return (await host.run("ls /srv/disk")).stdout === "";
    });

    await host.must(["s3-offload-agent", "allow", "--remove", ...directories]);
    await host.must(["systemctl", "restart", UNIT]);
    for (const [, [, real]] of others) await world.produce(host, `${real}/1.csv`, `1 of ${real}`);
    await host.must(["systemctl", "reload", UNIT]);
    for (const [route, [root = ""]] of Object.entries(roots)) {
      const { hint } = await host.first(is("sweep.failed", { route }));
      expect(hint).to.include(
        `sudo s3-offload-agent allow ${route === "odd" ? `'${root}'` : root}`,
      );
    }
    for (const [, [, real]] of others)
      expect(await host.files(real ?? "")).to.deep.equal(["1.csv"]);
  });

  it("keeps a file that the agent believes it may take, but the kernel not; doctor knows the root and the way out", async () => {
    const root = "/srv/not allowed";
    await using world = await openWorld(shared().aws);
    await using host = await SystemdHost.make(shared().base);
    await world.configure(host, {
      parameters: { directory: root },
      bootstrap: [`allowedRoots: ["${root}"]`],
    });
    // Without the step that brings the unit's write access in line with the bootstrap file.
    await host.write(OVERRIDES, "[Service]\nExecStartPre=\n");
    await mkdir(host.path(root));
    await world.produce(host, `${root}/kept.csv`, "kept");
    await host.boot();
    await host.must(["systemctl", "reload", UNIT]);
    const failed = await host.first(is("config.refused"));
    expect(failed["message"]).to.equal(`The watched directory ${root} cannot be used: EROFS.`);
    expect(failed["hint"]).to.include(`s3-offload-agent allow '${root}'`);
    await host.until("its status", async () => (await status(host)).includes("EROFS"));
    expect(await host.files(root)).to.deep.equal(["kept.csv"]);
    expect(world.s3.requests).to.deep.equal([]);

    const found = (await doctor(host)).checks.find(
      ({ name, about }) => name === "unit's write access" && about === root,
    );
    expect(found).to.include({ verdict: "problem" });
    expect(found?.wayOut).to.match(/^s3-offload-agent allow --sync, then systemctl restart /);
    await host.must(["s3-offload-agent", "allow", "--sync"]);
    await host.must(["systemctl", "restart", UNIT]);
    await host.first(is("file.removed", { path: "kept.csv" }));
    expect(await host.unit(UNIT, "NRestarts")).to.deep.equal({ NRestarts: "0" });
  });

  it("is nothing that root's doctor warns of on a healthy host, and anybody may ask for the status", async () => {
    await using world = await openWorld(shared().aws);
    await using host = await start(world);
    await world.produce(host, `${SPOOL}/a.csv`, "a");
    await host.first(is("file.removed"));
    // Records go to both log groups, which are made on the way.
    await host.must(["systemctl", "restart", UNIT]);
    // The kernel below has its time from elsewhere: no container can be synchronized.
    const isTold = ({ name, verdict }: { readonly name: string; readonly verdict: string }) =>
      verdict !== "ok" && name !== "time synchronization";
    // The daemon reads its parameters in its own time, unless somebody hurries it.
    await host.must(["systemctl", "reload", UNIT]);
    await host.until("a host without a fault", async () => {
      const { code, checks } = await doctor(host);
      return code === 0 && !checks.some(isTold);
    });

    const asked = await host.must("setpriv --reuid=65534 --clear-groups s3-offload-agent status");
    expect(asked)
      .to.include(world.fleet)
      .and.match(/^daemon +running for /m);
    expect(asked).to.match(/^last sweep .* of \/var\/spool\/s3-offload/m);
  });

  it("loses nothing while the disk that is watched and that of its state are full, and sends all the same", async () => {
    await using world = await openWorld(shared().aws);
    await using host = await SystemdHost.start(shared().base);
    await world.configure(host, { parameters: { include: "*.csv" } });
    await host.must(["systemctl", "stop", UNIT]);
    await host.must(`mount -t tmpfs -o size=1m disk ${SPOOL}`);
    await host.must(`mount -t tmpfs -o size=1m state /var/lib/s3-offload-agent`);
    await host.must(`for n in $(seq 20); do echo "line $n" >${SPOOL}/$n.csv; done`);
    for (let n = 1; n <= 20; n += 1) world.oracle.closed(`${SPOOL}/${n}.csv`, `line ${n}\n`);
    await host.must(`! cat /dev/zero >${SPOOL}/filling`);
    await host.must(`! cat /dev/zero >/var/lib/s3-offload-agent/filling`);
    await host.must(["systemctl", "start", UNIT]);
    await host.must(["systemctl", "reload", UNIT]);
    await host.until("all files to be sent", async () => {
      return (await host.run(`ls ${SPOOL}`)).stdout === "filling\n";
    });
    const objects = () =>
      new Map([...world.s3.objects(world.bucket)].map(([k, o]) => [k, o.sha256]));
    const verdict = await world.oracle.verify({ objects, directories: [] });
    expect(verdict).to.deep.include({ lost: [], foreign: [], duplicates: 0, files: 20 });
  });
});
