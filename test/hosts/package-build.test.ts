import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { packageVersionOf } from "../../packaging/build/version.ts";
import { environmentOutOfReach } from "../support/aws-out-of-reach.ts";
import { arm64Libraries } from "../support/hosts/arm64-libraries.ts";
import { fieldOfDeb, queryRpm, unpackDeb } from "../support/hosts/package-contents.ts";
import { fastPackages } from "../support/hosts/packages.ts";
import { isRootOr, notRun } from "../support/not-run.ts";

const CHECKOUT = resolve(import.meta.dirname, "../..");
const PROGRAM = join(CHECKOUT, "packaging/package.ts");
/** 2023-11-14 22:13:20 UTC. */
const DATE = "1700000000";

const run = promisify(execFile);

describe("npm run package", function () {
  // A fast build of one architecture takes some seconds, and a minute on a busy machine.
  this.timeout(600_000);

  let scratch: string;

  beforeEach(async () => {
    scratch = await mkdtemp(join(tmpdir(), "s3-offload-package-"));
  });
  afterEach(async () => await rm(scratch, { recursive: true, force: true }));

  it("makes the same bytes from another checkout, umask, home, zone and language", async function () {
    if (!isRootOr("a checkout that is mounted elsewhere")) this.skip();
    const [one, other] = [join(scratch, "one"), join(scratch, "other")];
    const args = (out: string) => ["--compression", "fast", "--arch", "x64", "--out", out];
    await run(process.execPath, [PROGRAM, ...args(one)], { env: environment() });

    // The sources of packages get new times, and modes that keep everybody else out.
    const script = `umask 077
mkdir elsewhere
cp -r "$1/packaging" copy
mount --bind "$1" elsewhere
mount --bind copy elsewhere/packaging
shift
exec "$@"`;
    const command = [process.execPath, join(scratch, "elsewhere/packaging/package.ts")];
    await run(
      "unshare",
      ["--mount", "sh", "-ec", script, "sh", CHECKOUT, ...command, ...args(other)],
      {
        cwd: scratch,
        env: environment({ HOME: scratch, TZ: "Pacific/Auckland", LC_ALL: "C", USER: "somebody" }),
      },
    );
    const names = await readdir(one);
    expect(names).to.have.lengthOf(3);
    expect(await readdir(other)).to.have.members(names);
    for (const name of names) {
      expect(await sha256(join(other, name)), name).to.equal(await sha256(join(one, name)));
    }
  });

  it("gives everything the time of SOURCE_DATE_EPOCH", async () => {
    const args = ["--compression", "fast", "--arch", "x64", "--out", scratch];
    await run(process.execPath, [PROGRAM, ...args], { env: environment() });
    const [rpm, deb] = (await readdir(scratch)).filter((name) => /\.(deb|rpm)$/.test(name)).sort();
    const times = await queryRpm(join(scratch, `${rpm}`), "[%{FILEMTIMES}\\n]%{BUILDTIME}\\n");
    expect(new Set(times.trim().split("\n"))).to.deep.equal(new Set([DATE]));

    const list = 'dpkg-deb --fsys-tarfile "$1" | TZ=UTC tar --list --verbose --full-time';
    const { stdout } = await run("sh", ["-ec", list, "sh", join(scratch, `${deb}`)]);
    const stamps = stdout
      .trim()
      .split("\n")
      .map((line) => /\d{4}-\d\d-\d\d \S+/.exec(line)?.[0]);
    expect(new Set(stamps)).to.deep.equal(new Set(["2023-11-14 22:13:20"]));
  });

  it("makes packages of any version, which the agent in them says", async () => {
    const { deb, rpm } = await fastPackages("0.2.0-dev.7");
    expect(await fieldOfDeb(deb, "Version")).to.equal("0.2.0~dev.7-1");
    expect(await queryRpm(rpm, "%{VERSION}-%{RELEASE}")).to.equal("0.2.0~dev.7-1");
    await unpackDeb(deb, scratch);
    const { stdout } = await run(join(scratch, "usr/bin/s3-offload-agent"), ["version"]);
    expect(stdout).to.equal("0.2.0-dev.7\n");
    const sbom = join(scratch, "usr/share/doc/s3-offload-agent/sbom.cdx.json");
    const { metadata } = JSON.parse(await readFile(sbom, "utf8"));
    expect(metadata.component.version).to.equal("0.2.0-dev.7");
  });

  it("makes versions that dpkg and rpm put in semver's order", async () => {
    const rising = [
      "0.1.9",
      "0.2.0-dev",
      "0.2.0-dev.7",
      "0.2.0-dev.10",
      "0.2.0-rc.1",
      "0.2.0",
      "0.10.0",
    ];
    const names = rising.map((version) => {
      const { upstream, release } = packageVersionOf(version);
      return `${upstream}-${release}`;
    });
    for (const [index, older] of names.slice(0, -1).entries()) {
      const newer = names[index + 1] ?? "";
      await run("dpkg", ["--compare-versions", older, "lt", newer]);
      const compare = `%{lua:print(rpm.vercmp("${older}", "${newer}"))}`;
      expect((await run("rpm", ["--eval", compare])).stdout, `${older} ${newer}`).to.equal("-1\n");
    }
  });

  it("refuses what it does not know, says which it knows, and makes nothing", async () => {
    const wrong = [
      ["--arch", "mips"],
      ["--format", "apk"],
      ["--compression", "best"],
      ["--version", "0.2"],
      ["--version", "0.2.0+build"],
      ["--version", "0.2.0-a-b"],
      ["--optimise"],
      ["0.2.0"],
    ];
    const out = join(scratch, "out");
    for (const args of wrong) {
      const failure = await run(process.execPath, [PROGRAM, ...args, "--out", out]).catch(
        (error: { code: number; stderr: string }) => error,
      );
      expect(failure, args.join(" ")).to.include({ code: 1 });
      expect(failure.stderr)
        .to.match(/^package: /)
        .and.to.include("usage:")
        .and.not.to.match(/^ +at /m);
    }
    expect(await readdir(scratch)).to.deep.equal([]);
  });

  for (const architecture of ["x64", "arm64"] as const) {
    it(`makes a stripped ${architecture} runtime that runs the agent, its FFI and the AWS SDK`, async function () {
      if (architecture === "x64" && process.arch !== "x64") {
        notRun("the x64 runtime: this machine has another processor");
        this.skip();
      }
      const { deb, arm64 } = await fastPackages("0.2.0", "all");
      const path = architecture === "x64" ? deb : arm64?.deb;
      if (path === undefined) throw new Error("no package");
      await unpackDeb(path, join(scratch, "root"));
      const lib = join(scratch, "root/usr/lib/s3-offload-agent");
      // qemu-user plays the other processor, with the libraries of a Debian that has it.
      const emulator =
        architecture === process.arch ? [] : ["qemu-aarch64-static", "-L", await arm64Libraries()];
      const [program = "", ...args] = [...emulator, join(lib, "bin/node"), join(lib, "agent.mjs")];

      const env = await environmentOutOfReach(scratch);
      const { stdout } = await run(program, [...args, "version"], { env });
      expect(stdout).to.equal("0.2.0\n");
      // A sweep locks the directory by koffi, then asks the Parameter Store.
      const sweep = await run(program, [...args, "sweep"], { env }).catch((error) => error);
      expect(sweep.stderr).to.include("ECONNREFUSED");
      expect(sweep).to.include({ code: 3 });
    });
  }
});

/** The variables of a build: a fixed time, so that a commit between two makes no difference. */
function environment(own: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return { ...process.env, SOURCE_DATE_EPOCH: DATE, ...own };
}

async function sha256(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}
