/*
 * The rpm on hosts that real dnf and rpm manage. No distribution's own packages are at hand here, so
 * below them is a Debian 12 whose libraries and systemd a stub package claims to provide
 * (../support/hosts/customize-rpm-image.sh), with the preset `disable *` of Fedora and its relatives.
 *
 * That shows what dnf and rpm do: signatures, scriptlets and their order, configuration files,
 * presets, transactions that restart a service. It does not show what is a distribution's own: its
 * systemd (239 of RHEL 8), SELinux, the crypto policy that judges keys, its glibc, and whether its
 * packages provide what ours requires, by these names.
 */

import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { runTool } from "../../packaging/repository/tool.ts";
import {
  type AgentWorld,
  is,
  openWorld,
  SPOOL,
  UNIT,
  untilAllTaken,
} from "../support/hosts/agent-host.ts";
import { countStarts, NEW, OLD, startedVersions } from "../support/hosts/apt-host.ts";
import {
  dnf,
  hostByDnf,
  hostForDnf,
  rpmDifferences,
  rpmVersion,
  transact,
} from "../support/hosts/dnf-host.ts";
import { type Forgery, forge } from "../support/hosts/forged-repository.ts";
import { openShop, share } from "../support/hosts/shared-hosts.ts";
import { SystemdHost } from "../support/hosts/systemd-host.ts";
import { expectStatesKept, stateOf } from "../support/hosts/unit-states.ts";

const NAME = "s3-offload-agent";
const FILE = "/etc/s3-offload-agent/agent.yaml";
const DROP_INS = `/etc/systemd/system/${UNIT}.d`;

describe("the rpm by dnf", () => {
  /** `bare`: a host that knows the repository; `base`: one with the old version. Both are off. */
  const shared = share(async (all) => {
    const shop = await openShop(all, OLD, NEW);
    const bare = all.use(await hostForDnf(shop.repository));
    return { ...shop, bare, base: all.use(await hostByDnf(bare, `${NAME}-${OLD}`)) };
  });

  /** Its first refresh is spread over half a minute; a reload is a person's wish. */
  const refresh = (host: SystemdHost) => host.must(["systemctl", "reload", UNIT]);
  const allTaken = (host: SystemdHost) => untilAllTaken(host);
  const nothingWrong = { lost: [], foreign: [], touched: [], duplicates: 0 };
  /** A host with the old version, configured, and files of which the first uploads wait. */
  async function amidSweep(world: AgentWorld, count: number) {
    const host = await SystemdHost.make(shared().base);
    await world.configure(host, { parameters: { concurrency: "4" } });
    const paths = Array.from({ length: count }, (_, index) => `${SPOOL}/${index}.csv`);
    for (const path of paths) await world.produce(host, path, `content of ${path}`);
    const { promise: until, resolve: letThrough } = Promise.withResolvers<void>();
    world.s3.onPut(() => ({ kind: "delay", until, when: "before-store" }));
    await host.boot();
    await refresh(host);
    await world.s3.waitForRequests(4);
    return { host, paths, letThrough };
  }

  it("is active by the documented lines: our preset wins, it waits for its fleet, nothing is changed afterwards", async () => {
    await using world = await openWorld(shared().aws);
    await using host = await SystemdHost.make("rpm");
    await world.introduce(host);
    await host.boot();
    const page = await readFile(new URL("../../docs/install.md", import.meta.url), "utf8");
    const lines = /^sudo curl .*\.repo\n(?:sudo .*\n)*/m.exec(page)?.[0].trim().split("\n") ?? [];
    expect(lines).to.have.lengthOf(3);
    const [fetchList = "", install = "", begin = ""] = lines.map((line) =>
      line.replaceAll("https://packages.example.com", shared().repository.url),
    );
    // Who types them is root, has curl, and says yes.
    const person = `set -e; sudo() { "$@"; }; dnf() { command dnf --assumeyes "$@"; }
      curl() { python3 -c 'import sys, urllib.request as it
it.urlretrieve(sys.argv[2], sys.argv[1])' "$3" "$4"; }`;
    await host.must(`${person}\n${fetchList}\n${install}`);
    const installed = await stateOf(host);
    expect(installed.state).to.equal("enabled active");
    expect(await rpmVersion(host)).to.equal(`${NEW}-1`);
    await host.must(`${person}\n${begin}`);
    expect(await stateOf(host)).to.deep.equal(installed);
    expect(await host.unit(UNIT, "StatusText", "User")).to.deep.include({ User: NAME });
    expect((await host.unit(UNIT, "StatusText"))["StatusText"]).to.match(
      /^not configured: .*fleet/,
    );
    expect(await rpmDifferences(host)).to.deep.equal([]);
    const { stdout: tree } = await host.run("rpm -ql s3-offload-agent");
    expect(tree).to.include("/usr/bin/s3-offload-agent\n").and.not.include("/var/");

    await world.configure(host);
    await world.produce(host, `${SPOOL}/secret.csv`, "of somebody", { mode: 0o600, uid: 12_345 });
    await host.first(is("agent.started"));
    await refresh(host);
    await host.first(is("file.removed", { path: "secret.csv" }));
    expect(await rpmDifferences(host)).to.deep.equal([`S.5....T.  c ${FILE}`]);
  });

  it("leaves it to an administrator's preset whether it is active", async () => {
    await using host = await SystemdHost.make(shared().bare);
    await host.write("/etc/systemd/system-preset/10-admin.preset", "disable *\n");
    await host.boot();
    await transact(host, "install", NAME);
    expect((await stateOf(host)).state).to.equal("disabled inactive");
    expect(await countStarts(host)).to.equal(0);
    await host.must(["systemctl", "enable", "--now", UNIT]);
    expect((await stateOf(host)).state).to.equal("enabled active");
  });

  it("is upgraded amid a sweep, and back, by one restart each, with every file sent once and the file kept", async () => {
    await using world = await openWorld(shared().aws);
    const { host, paths, letThrough } = await amidSweep(world, 12);
    await using _ = host;
    const edited = await host.read(FILE);
    const upgraded = transact(host, "upgrade");
    const stopping = await host.first(is("agent.stopping"));
    letThrough();
    await upgraded;
    await refresh(host);
    await allTaken(host);
    expect(stopping).to.include({ version: OLD });
    expect(await rpmVersion(host)).to.equal(`${NEW}-1`);
    expect(await startedVersions(host)).to.deep.equal([OLD, NEW]);
    expect(await countStarts(host)).to.equal(2);
    // No request was cut, none was made twice, and both versions have done a part.
    expect(world.s3.requests.map(({ answer }) => answer)).to.deep.equal(paths.map(() => 200));
    const removed = host.records.filter(is("file.removed"));
    expect(removed.filter(({ version }) => version === OLD).length).to.be.within(4, 11);

    await transact(host, "downgrade", `${NAME}-${OLD}`);
    await refresh(host);
    await world.produce(host, `${SPOOL}/later.csv`, "later");
    await host.first(is("file.removed", { path: "later.csv", version: OLD }));
    expect(await startedVersions(host)).to.deep.equal([OLD, NEW, OLD]);
    expect(await countStarts(host)).to.equal(3);
    expect(await host.unit(UNIT, "NRestarts")).to.deep.equal({ NRestarts: "0" });
    expect(await host.read(FILE)).to.equal(edited);
    expect(await host.files("/etc/s3-offload-agent")).to.deep.equal(["agent.yaml"]);
    expect(await rpmDifferences(host)).to.deep.equal([`S.5....T.  c ${FILE}`]);
    expect(await world.verify(host, SPOOL)).to.deep.include({ ...nothingWrong, files: 13 });
  });

  it("keeps an edited file over an upgrade that brings another default, and puts that beside it", async () => {
    // All versions have the same default so far: an older one that had another is made up.
    const older = await shared().repository.shop.packages("0.1.0", {
      ...{ content: "# an older default\n", formats: ["rpm"], architectures: ["amd64"] },
      place: { dst: FILE, type: "config|noreplace" },
    });
    await using host = await SystemdHost.make(shared().bare);
    await runTool("cp", ["-r", older, host.path("/root/older")]);
    await host.boot();
    await host.must("rpm --install --nosignature /root/older/*.rpm");
    await host.write(FILE, "region: eu-west-1\n");
    await transact(host, "upgrade");
    expect(await rpmVersion(host)).to.equal(`${NEW}-1`);
    expect(await host.read(FILE)).to.equal("region: eu-west-1\n");
    const shipped = new URL("../../packaging/agent.yaml", import.meta.url);
    expect(await host.read(`${FILE}.rpmnew`)).to.equal(await readFile(shipped, "utf8"));
  });

  it("stays stopped, disabled or masked over upgrades and downgrades", async () => {
    await using host = await SystemdHost.start(shared().base);
    await expectStatesKept(host, async (version) => {
      await transact(host, version === NEW ? "upgrade" : "downgrade", `${NAME}-${version}`);
      expect(await rpmVersion(host)).to.equal(`${version}-1`);
    });
  });

  it("is removed amid a sweep, takes no file along, and goes on where it was when it is installed again", async () => {
    await using world = await openWorld(shared().aws);
    const { host, letThrough } = await amidSweep(world, 12);
    await using _ = host;
    const quarantined = `${SPOOL}/.s3oa-quarantine/kept.csv`;
    await host.must(["mkdir", "-p", `${SPOOL}/.s3oa-quarantine`]);
    await world.produce(host, quarantined, "quarantined");
    await host.write(`${DROP_INS}/50-admin.conf`, "[Service]\nNice=6\n");
    expect(await host.files(DROP_INS)).to.deep.equal(["50-admin.conf", "allowed-roots.conf"]);
    const edited = await host.read(FILE);

    const removing = transact(host, "remove", NAME);
    await host.first(is("agent.stopping"));
    letThrough();
    await removing;
    const { duplicates, lost, onDisk } = await world.verify(host, SPOOL);
    expect({ duplicates, lost }).to.deep.equal({ duplicates: 0, lost: [] });
    expect(onDisk)
      .to.equal(13 - world.s3.objects(world.bucket).size)
      .and.be.at.least(2);
    expect(await host.exists(quarantined)).to.equal(true);
    expect(await host.files("/etc/s3-offload-agent")).to.deep.equal(["agent.yaml.rpmsave"]);
    expect(await host.read(`${FILE}.rpmsave`)).to.equal(edited);
    expect(await host.files(DROP_INS)).to.deep.equal(["50-admin.conf"]);
    expect(await host.files("/var/lib/s3-offload-agent")).to.not.be.empty;
    expect(await host.must(`getent passwd ${NAME}`)).to.include(":/var/lib/s3-offload-agent:");
    for (const gone of ["/usr/lib/s3-offload-agent", "/usr/share/licenses/s3-offload-agent"]) {
      expect(await host.exists(gone), gone).to.equal(false);
    }
    expect(await host.must(`systemctl list-unit-files --no-legend '${NAME}*' || :`)).to.equal("");

    await transact(host, "install", NAME);
    expect((await stateOf(host)).state).to.equal("enabled active");
    await host.must(["mv", `${FILE}.rpmsave`, FILE]);
    await host.first(is("agent.started", { version: NEW }));
    await refresh(host);
    await host.until("all files are taken but the one in quarantine", async () => {
      return (await host.files(SPOOL)).length === 1;
    });
    const after = { ...nothingWrong, files: 13, onDisk: 1 };
    expect(await world.verify(host, SPOOL)).to.deep.include(after);
    expect(world.s3.requests.map(({ answer }) => answer)).to.deep.equal(Array(12).fill(200));
  });

  it("is installed into an image below a running host, which it leaves alone, and is active at its first boot", async () => {
    await using world = await openWorld(shared().aws);
    await using host = await SystemdHost.make(shared().bare);
    await runTool("cp", ["-a", "--reflink=auto", shared().bare.root, host.path("/srv/image")]);
    await host.boot();
    await transact(host, "--installroot=/srv/image", "install", NAME);
    expect((await stateOf(host)).state).to.equal(" inactive");
    expect(await rpmVersion(host)).to.match(/not installed/);

    await using first = await SystemdHost.make({ root: host.path("/srv/image") });
    expect(await first.read("/etc/passwd")).to.match(/^s3-offload-agent:/m);
    await world.configure(first);
    expect(await first.boot()).to.equal("running");
    expect((await stateOf(first)).state).to.equal("enabled active");
    await world.produce(first, `${SPOOL}/first.csv`, "first");
    await refresh(first);
    await first.first(is("file.removed", { path: "first.csv" }));
    expect(await rpmDifferences(first)).to.deep.equal([`S.5....T.  c ${FILE}`]);
  });

  it("fails no transaction with a bad configuration, which was there first and stays", async () => {
    await using world = await openWorld(shared().aws);
    await using host = await SystemdHost.make(shared().bare);
    await world.configure(host);
    const [good, bad] = [await host.read(FILE), "fleet: [\n"];
    await host.write(FILE, bad);
    await host.boot();
    expect(await transact(host, "install", `${NAME}-${OLD}`)).to.include("has not started");
    expect(await host.read(FILE)).to.equal(bad);
    expect(await host.files("/etc/s3-offload-agent")).to.include("agent.yaml.rpmnew");
    expect((await stateOf(host)).state).to.equal("enabled activating");
    await transact(host, "upgrade");
    expect(await rpmVersion(host)).to.equal(`${NEW}-1`);
    await host.write(FILE, good);
    // It would come by itself, after a pause that has become long.
    await host.must(["systemctl", "restart", UNIT]);
    await host.first(is("agent.started", { version: NEW }));
    await host.write(FILE, bad);
    await host.run(["systemctl", "restart", UNIT]);
    await transact(host, "reinstall", NAME);
    await transact(host, "remove", NAME);
    expect(await host.read(`${FILE}.rpmsave`)).to.equal(bad);
  });

  it("works on undisturbed while it refuses an upgrade that is not ours", async () => {
    await using host = await SystemdHost.start(shared().base);
    const before = await stateOf(host);
    expect(before.state).to.equal("enabled active");
    const forgeries: readonly (readonly [string, Forgery, RegExp])[] = [
      ["an index edited on its way", { index: "stale" }, /repomd.xml GPG signature verification/],
      ["an index of an unknown key", { index: "new" }, /repomd.xml GPG signature verification/],
      ["rpms without a signature", { rpm: "none", index: "old" }, /is not signed/],
      ["rpms of an unknown key", { rpm: "new", index: "old" }, /not correct for this package/],
    ];
    for (const [name, forgery, message] of forgeries) {
      await using _ = await forge(shared().repository, forgery);
      // Where dnf is told to skip a repository that it can't use, it ends well, with nothing to do.
      const { stdout, stderr } = await host.run(dnf("--refresh", "upgrade", NAME));
      expect(stdout + stderr, name).to.match(message);
      expect(await rpmVersion(host), name).to.equal(`${OLD}-1`);
      expect(await stateOf(host), name).to.deep.equal(before);
    }
    await transact(host, "--refresh", "upgrade", NAME);
    expect(await rpmVersion(host)).to.equal(`${NEW}-1`);
  });
});
