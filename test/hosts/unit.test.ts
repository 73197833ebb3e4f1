import { execFile } from "node:child_process";
import { copyFile, mkdtempDisposable, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import type { ImageName } from "../support/hosts/images.ts";
import { fastPackages } from "../support/hosts/packages.ts";
import { SystemdHost } from "../support/hosts/systemd-host.ts";

const run = promisify(execFile);

const PACKAGING = resolve(import.meta.dirname, "../../packaging");
const PAUSE = join(PACKAGING, "systemd/restart-pause");
const UNIT = "s3-offload-agent.service";

/** systemd 247, 252 and 257. */
const IMAGES = ["bullseye", "bookworm", "trixie"] as const satisfies ImageName[];

/** Of `systemd-analyze security`, from 0 to 10; design: no worse than this. */
const EXPOSURE_MAX = 1.6;

describe("restart-pause", () => {
  const minutes = (count: number) => count * 60_000_000;

  // What systemd tells of the unit, and for how many seconds the script sleeps.
  const cases: readonly (readonly [string, readonly (string | number)[], string])[] = [
    ["the first start of all", [0, 0, 0], ""],
    ["a start by hand after a short run", [0, 5_000_000, 6_000_000], ""],
    ["the first automatic restart", [1, 5_000_000, 6_000_000], ""],
    ["the second", [2, 5_000_000, 6_000_000], "5"],
    ["the third", [3, 5_000_000, 6_000_000], "15"],
    ["the fourth", [4, 5_000_000, 6_000_000], "35"],
    ["the fifth", [5, 5_000_000, 6_000_000], "55"],
    ["any later one", [4_000_000_000, 5_000_000, 6_000_000], "55"],
    ["a failure before any run", [3, 0, 0], "15"],
    ["a run of nearly ten minutes", [3, 1, minutes(10) - 1], "15"],
    ["a run of ten minutes", [3, 1, minutes(10) + 1], ""],
    ["a run that systemd knows no end of", [3, minutes(10), 0], "15"],
    ["a host that has run for years", [5, minutes(5e6), minutes(5e6) + 7], "55"],
    ["a systemd that answers something else", ["many", "", "[not set]"], ""],
  ];

  for (const [what, [restarts, began, ended], slept] of cases) {
    it(`sleeps ${slept || "not at all"}: ${what}`, async () => {
      const answer = [
        `NRestarts=${restarts}`,
        `ExecMainStartTimestampMonotonic=${began}`,
        `ExecMainExitTimestampMonotonic=${ended}`,
      ];
      expect(await pause(answer)).to.equal(slept);
    });
  }

  it("does not sleep where systemctl fails", async () => {
    expect(await pause(["exit 1"], "false")).to.equal("");
  });

  /** @returns what `sleep` was called with, "" if it was not */
  async function pause(answer: readonly string[], systemctl = "cat"): Promise<string> {
    await using folder = await mkdtempDisposable(join(tmpdir(), "restart-pause-"));
    const executable = { mode: 0o755 };
    await writeFile(join(folder.path, "answer"), `${answer.join("\n")}\n`);
    const tells = `#!/bin/sh\n${systemctl} ${join(folder.path, "answer")}\n`;
    await writeFile(join(folder.path, "systemctl"), tells, executable);
    await writeFile(join(folder.path, "sleep"), '#!/bin/sh\necho "slept $*"\n', executable);
    const { stdout } = await run(PAUSE, { env: { PATH: `${folder.path}:/usr/bin:/bin` } });
    return /^slept (.*)$/m.exec(stdout)?.[1] ?? "";
  }
});

describe("shell scripts of packages", () => {
  it("are what dash takes, and shellcheck has nothing to say of them", async () => {
    const folders = ["scripts/deb", "scripts/rpm"].map((folder) => join(PACKAGING, folder));
    const inFolders = folders.map(async (folder) => {
      return (await readdir(folder)).map((name) => join(folder, name));
    });
    const scripts = [
      PAUSE,
      join(PACKAGING, "launcher.sh"),
      ...(await Promise.all(inFolders)).flat(),
    ];
    expect(scripts).to.have.length.of.at.least(10);
    for (const script of scripts) await run("dash", ["-n", script]);
    await run("shellcheck", scripts);
  });
});

for (const image of IMAGES) {
  describe(`the unit on ${image}`, () => {
    let host: SystemdHost;

    before(async () => {
      host = await SystemdHost.start(image);
      await copyFile((await fastPackages("0.2.0")).deb, host.path("/root/agent.deb"));
      await host.write("/home/someone/.ssh/id_ed25519", "secret\n", { mode: 0o600 });
      await host.write("/etc/ssh/ssh_host_key", "secret\n", { mode: 0o600 });
      await host.must("dpkg --install /root/agent.deb");
      await host.must("s3-offload-agent allow --make '/srv/in % out' /home/someone/out");
      await host.must(`systemctl restart ${UNIT}`);
    });
    after(() => host?.[Symbol.asyncDispose]());

    it("is accepted without a remark", async () => {
      const { code, stdout, stderr } = await host.run(`systemd-analyze verify --man=no ${UNIT}`);
      expect([code, remarksOn(stdout + stderr)]).to.deep.equal([0, []]);
    });

    it(`has an exposure of ${EXPOSURE_MAX} at most`, async () => {
      const told = await host.must(`systemd-analyze security --no-pager ${UNIT}`);
      const exposure = /Overall exposure level for \S+: ([\d.]+)/.exec(told)?.[1];
      expect(Number(exposure)).to.be.above(0).and.at.most(EXPOSURE_MAX);
    });

    it("can write below the allowed roots and to its own folders, and nowhere else", async () => {
      const places = {
        "/var/spool/s3-offload": true,
        "/srv/in % out": true,
        "/home/someone/out": true,
        "/var/lib/s3-offload-agent": true,
        "/run/s3-offload-agent": true,
        "/": false,
        "/srv": false,
        "/etc": false,
        "/etc/s3-offload-agent": false,
        "/etc/systemd/system": false,
        "/usr": false,
        "/var/spool": false,
        "/var/lib": false,
        "/run": false,
        "/run/systemd": false,
        "/run/lock": false,
        "/sys": false,
        "/sys/fs/cgroup": false,
        "/proc/sys/kernel": false,
        "/dev": false,
        "/dev/shm": false,
      };
      const writable: Record<string, boolean> = {};
      for (const place of Object.keys(places)) {
        const file = `${place}/.probe`;
        const { code } = await inside(`: >'${file}' && rm '${file}'`);
        writable[place] = code === 0;
      }
      expect(writable).to.deep.equal(places);
    });

    it("cannot read others' secrets, whatever its capabilities", async () => {
      expect((await inside("cat /etc/shadow")).stdout).to.equal("");
      expect((await inside("ls -A /etc/ssh /root")).stdout).to.equal("/etc/ssh:\n\n/root:\n");
      expect((await inside("ls -A /home/someone")).stdout).to.equal("out\n");
      expect((await inside("ls -A /tmp /var/tmp")).stdout).to.equal("/tmp:\n\n/var/tmp:\n");
    });

    it("sees a filesystem that is mounted below a root later, and can write to it", async () => {
      await host.must("mkdir '/srv/in % out/disk'; mount -t tmpfs disk '/srv/in % out/disk'");
      expect((await inside(": >'/srv/in % out/disk/file'")).code).to.equal(0);
      await host.must("umount '/srv/in % out/disk'");
    });

    it("has three capabilities, and none for the programs that it starts", async () => {
      const status = await host.must(`cat /proc/${await mainPid()}/status`);
      const sets = /^CapBnd:\t(\w+)\nCapAmb:\t(\w+)$/m.exec(status)?.slice(1, 3);
      // Bits 1, 3 and 28 of <linux/capability.h>: CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_LEASE.
      const wanted = 2n ** 1n + 2n ** 3n + 2n ** 28n;
      expect(sets?.map((set) => BigInt(`0x${set}`))).to.deep.equal([wanted, 0n]);
    });

    it("stops at once while it waits for its next try", async () => {
      // It ends each start at once, so the pauses grow.
      await host.must("echo '-' >>/etc/s3-offload-agent/agent.yaml");
      await host.run(`systemctl restart ${UNIT}`);
      await host.until("a pause", async () => {
        const { SubState, NRestarts } = await host.unit(UNIT, "SubState", "NRestarts");
        return SubState === "start-pre" && Number(NRestarts) >= 2;
      });
      await host.must(`systemctl stop ${UNIT}`, { timeoutMs: 30_000 });
      const { ActiveState, Result } = await host.unit(UNIT, "ActiveState", "Result");
      expect({ ActiveState, Result }).to.deep.equal({ ActiveState: "inactive", Result: "success" });
      expect((await host.run("pgrep -x sleep")).stdout).to.equal("");
    });

    it("leaves of a purge only what it watched, and its user", async () => {
      await host.must(
        "mkdir -p /var/spool/s3-offload/a && echo precious >/var/spool/s3-offload/a/file",
      );
      await host.must("dpkg --purge s3-offload-agent");
      const found = await host.must("find / -xdev -name '*s3-offload*' -not -path '/proc/*'");
      expect(found).to.equal("/var/spool/s3-offload\n");
      expect(await host.read("/var/spool/s3-offload/a/file")).to.equal("precious\n");
      expect((await host.run("id s3-offload-agent")).code).to.equal(0);
    });

    async function mainPid(): Promise<number> {
      return Number((await host.unit(UNIT, "MainPID"))["MainPID"]);
    }

    /** Runs a command as root with the unit's view of the filesystems. */
    async function inside(command: string) {
      const enter = ["nsenter", "--target", String(await mainPid()), "--mount"];
      return await host.run([...enter, "sh", "-c", `cd /; ${command}`]);
    }
  });
}

/** What is said of our unit; others of the image have remarks of their own. */
function remarksOn(text: string): readonly string[] {
  return text.split("\n").filter((line) => line.includes("s3-offload-agent"));
}
