import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { hostname, tmpdir, userInfo } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { expect } from "chai";
import { newestOfEach, readElf } from "../support/hosts/elf.ts";
import { IN_DEB, IN_RPM } from "../support/hosts/expected-files.ts";
import {
  entriesOfDeb,
  entriesOfRpm,
  fieldOfDeb,
  lintian,
  queryRpm,
  rpmlint,
  unpackDeb,
  unpackRpm,
} from "../support/hosts/package-contents.ts";
import { type BuiltPackages, releasePackages } from "../support/hosts/packages.ts";
import { printTable } from "../support/table.ts";

const CHECKOUT = resolve(import.meta.dirname, "../..");
const LIB = "/usr/lib/s3-offload-agent";

const run = promisify(execFile);

/** GCC that first had a version of symbols (gcc.gnu.org/onlinedocs/libstdc++/manual/abi.html). */
const GCC_OF: Readonly<Record<string, string>> = {
  "CXXABI_1.3.11": "7",
  "GLIBCXX_3.4.22": "6",
  "GCC_4.2.0": "4.2",
  "LIBATOMIC_1.0": "4.8",
};

/** What readelf calls the machines. */
const MACHINES = { x64: "Advanced Micro Devices X86-64", arm64: "AArch64" };
const ARCHITECTURES = ["x64", "arm64"] as const;

describe("the packages that npm run package makes", function () {
  // The first run compresses four packages, which takes two processors a minute or more.
  this.timeout(900_000);

  let scratch: string;
  let packages: BuiltPackages;
  let debs: Record<"x64" | "arm64", string>;
  let rpms: Record<"x64" | "arm64", string>;

  /** Where a package's files are, unpacked. */
  const unpacked = (format: "deb" | "rpm", architecture: "x64" | "arm64") =>
    join(scratch, `${format}-${architecture}`);

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), "s3-offload-packages-"));
    packages = await releasePackages();
    const { deb, rpm, arm64 } = packages;
    if (!arm64) throw new Error("no packages for arm64");
    debs = { x64: deb, arm64: arm64.deb };
    rpms = { x64: rpm, arm64: arm64.rpm };
    for (const architecture of ARCHITECTURES) {
      await unpackDeb(debs[architecture], unpacked("deb", architecture));
      await unpackRpm(rpms[architecture], unpacked("rpm", architecture));
    }
  });
  after(async () => await rm(scratch, { recursive: true, force: true }));

  it("hold these files and folders with these modes, all root's, and no others", async () => {
    for (const architecture of ARCHITECTURES) {
      const inDeb = await entriesOfDeb(debs[architecture]);
      const inRpm = await entriesOfRpm(rpms[architecture]);
      expect(modes(inRpm)).to.deep.equal(IN_RPM);
      // dpkg wants all parents, which are those of every Debian system.
      const parents = Object.keys(IN_DEB).flatMap(parentsOf);
      const expected = {
        ...Object.fromEntries(parents.map((path) => [path, "drwxr-xr-x"])),
        ...IN_DEB,
      };
      expect(modes(inDeb)).to.deep.equal(expected);
      const owners = new Set([...inDeb, ...inRpm].map(({ owner }) => owner));
      expect([...owners]).to.deep.equal(["root/root"]);
    }
  });

  it("hold nothing that is setuid, or that others than root could write to", async () => {
    for (const format of ["deb", "rpm"] as const) {
      const { stdout } = await run("find", [
        unpacked(format, "x64"),
        "-perm",
        "/6022",
        "-not",
        "-type",
        "l",
      ]);
      expect(stdout).to.equal("");
    }
  });

  it("hold nothing of the machine that made them", async () => {
    // Shorter names are words that may stand anywhere.
    const names = [hostname(), userInfo().username].filter((name) => name.length > 5);
    const traces = [CHECKOUT, ...names];
    for (const format of ["deb", "rpm"] as const) {
      const root = unpacked(format, "x64");
      for (const path of await filesBelow(root)) {
        const content = await readFile(path);
        expect(
          traces.filter((trace) => content.includes(trace)),
          path,
        ).to.deep.equal([]);
      }
    }
    expect(await queryRpm(rpms.x64, "%{BUILDHOST}")).to.equal("localhost");
  });

  it("are of their architecture in name, in their fields and in every program", async () => {
    const inDpkg = { x64: "amd64", arm64: "arm64" };
    const inRpm = { x64: "x86_64", arm64: "aarch64" };
    for (const architecture of ARCHITECTURES) {
      const [deb, rpm] = [debs[architecture], rpms[architecture]];
      expect(await fieldOfDeb(deb, "Architecture")).to.equal(inDpkg[architecture]);
      expect(deb).to.match(new RegExp(`_${inDpkg[architecture]}\\.deb$`));
      expect(await queryRpm(rpm, "%{ARCH}")).to.equal(inRpm[architecture]);
      expect(rpm).to.match(new RegExp(`\\.${inRpm[architecture]}\\.rpm$`));
      for (const format of ["deb", "rpm"] as const) {
        const programs = await elfFilesBelow(unpacked(format, architecture));
        expect(programs).to.have.lengthOf(2);
        for (const path of programs) {
          const { machine, hasSymbols } = await readElf(path);
          expect({ path, machine, hasSymbols }).to.deep.equal({
            path,
            machine: MACHINES[architecture],
            hasSymbols: false,
          });
        }
      }
    }
  });

  it("depend on what their programs need, and on no newer library than that", async () => {
    const [onX64, onArm64] = await Promise.all(
      ARCHITECTURES.map(async (architecture) => await needsOf(unpacked("deb", architecture))),
    );
    if (!onX64 || !onArm64) throw new Error("two architectures");

    // A symbol that one architecture has in an older version may not be there in the newer one.
    const expected = [...onX64].flatMap(([library, versions]) => {
      const common = versions.filter((version) => onArm64.get(library)?.includes(version));
      return common.length === 0
        ? [`${library}()(64bit)`]
        : common.map((version) => `${library}(${version})(64bit)`);
    });
    expect([...onArm64.keys()].sort()).to.deep.equal([...onX64.keys()].sort());
    for (const rpm of Object.values(rpms)) {
      const requires = (await queryRpm(rpm, "[%{REQUIRES}\\n]")).split("\n");
      const libraries = requires.filter((name) => name.includes(".so."));
      expect(libraries.sort()).to.deep.equal(expected.sort());
    }

    const newest = newestOfEach([...onX64.values(), ...onArm64.values()].flat());
    const glibc = newest.find((version) => version.startsWith("GLIBC_"))?.slice("GLIBC_".length);
    const gcc = (...families: string[]) =>
      newest
        .filter((version) => families.includes(version.replace(/_.*/, "")))
        .map((version) => GCC_OF[version] ?? `unknown ${version}`)
        .sort((a, b) => Number(b) - Number(a))[0];
    for (const deb of Object.values(debs)) {
      expect((await fieldOfDeb(deb, "Depends")).split(", ")).to.have.members([
        `libc6 (>= ${glibc})`,
        `libstdc++6 (>= ${gcc("CXXABI", "GLIBCXX")})`,
        `libgcc-s1 (>= ${gcc("GCC")}) | libgcc1 (>= 1:${gcc("GCC")})`,
        `libatomic1 (>= ${gcc("LIBATOMIC")})`,
        "passwd",
      ]);
    }
  });

  it("call only the bootstrap file configuration, and that only where nobody is asked", async () => {
    const file = "/etc/s3-offload-agent/agent.yaml";
    const root = unpacked("deb", "x64");
    expect(existsSync(join(root, "DEBIAN/conffiles"))).to.equal(false);
    expect(existsSync(join(root, file))).to.equal(false);
    const flags = await queryRpm(rpms.x64, "[%{FILEFLAGS:fflags} %{FILENAMES}\\n]");
    const configuration = flags.split("\n").filter((line) => /^\w*c/.test(line));
    expect(configuration).to.deep.equal([`cn ${file}`]);
  });

  it("leave lintian and rpmlint nothing to say that is not explained", async () => {
    expect(await lintian(Object.values(debs))).to.equal("");
    expect(await rpmlint(Object.values(rpms), scratch)).to.match(/ 0 errors, 0 warnings, /);
  });

  it("have a bill of materials that is valid and true", async () => {
    for (const architecture of ARCHITECTURES) {
      const root = unpacked("deb", architecture);
      const text = await readFile(
        join(root, "usr/share/doc/s3-offload-agent/sbom.cdx.json"),
        "utf8",
      );
      const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
      expect(await validator.validate(text)).to.equal(null);

      const { components, metadata, serialNumber } = JSON.parse(text);
      expect(serialNumber).to.equal(undefined);
      expect(metadata.component.version).to.equal(await ownVersion());
      const hashOf = (name: string) =>
        components.find((part: { name: string }) => part.name === name).hashes[0].content;
      expect(hashOf("node")).to.equal(await sha256(join(root, LIB, "bin/node")));
      const koffi = `@koromix/koffi-linux-${architecture}`;
      expect(hashOf(koffi)).to.equal(await sha256(join(root, LIB, "koffi.node")));

      const licences = join(unpacked("rpm", architecture), "usr/share/licenses/s3-offload-agent");
      const bundled = (await readFile(join(licences, "LICENSE.third-party"), "utf8")).matchAll(
        /^ {2}(\S+) (\d\S*): /gm,
      );
      const purls = components.map((part: { purl: string }) => part.purl);
      for (const [, name = "", version] of bundled) {
        expect(purls).to.include(`pkg:npm/${name.replace("@", "%40")}@${version}`);
      }
    }
  });

  it("have checksums beside them that hold", async () => {
    const names = (await readdir(packages.directory)).filter((name) => name !== "SHA256SUMS");
    expect(names).to.have.lengthOf(4);
    const args = ["--check", "--strict", "SHA256SUMS"];
    const { stdout } = await run("sha256sum", args, { cwd: packages.directory });
    expect(stdout.trim().split("\n").sort()).to.deep.equal(
      names.map((name) => `${name}: OK`).sort(),
    );
  });

  it("are small enough for a fleet to fetch and keep", async () => {
    const rows = [["package", "MB", "installed"]];
    for (const architecture of ARCHITECTURES) {
      const [deb, rpm] = [debs[architecture], rpms[architecture]];
      const ofDeb = Number(await fieldOfDeb(deb, "Installed-Size")) * 1024;
      const ofRpm = Number(await queryRpm(rpm, "%{LONGSIZE}"));
      for (const [path, installed] of [
        [deb, ofDeb],
        [rpm, ofRpm],
      ] as const) {
        const { size } = await stat(path);
        rows.push([path.split("/").at(-1) ?? "", megabytes(size), megabytes(installed)]);
        expect(size).to.be.below(40e6);
        expect(installed).to.be.below(130e6);
      }
    }
    printTable(rows);
  });
});

function modes(entries: readonly { path: string; mode: string }[]): Record<string, string> {
  return Object.fromEntries(
    entries
      .filter(({ path }) => path !== "")
      .map(({ path, mode }) => [path.replace(/[^/]+\.mjs$/, "*.mjs"), mode]),
  );
}

/** `/usr/lib/x` has `/usr` and `/usr/lib`. */
function parentsOf(path: string): string[] {
  const parts = path.split("/").slice(1, -1);
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`);
}

async function filesBelow(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

async function elfFilesBelow(root: string): Promise<string[]> {
  const files = await filesBelow(root);
  const contents = await Promise.all(files.map(async (path) => await readFile(path)));
  return files.filter((_, index) => contents[index]?.toString("latin1", 0, 4) === "\x7fELF");
}

/** The libraries that the programs in a folder need: name to the newest of each family of symbols. */
async function needsOf(root: string): Promise<Map<string, string[]>> {
  const versionsOf = new Map<string, string[]>();
  for (const path of await elfFilesBelow(root)) {
    const { libraries, versions } = await readElf(path);
    // The loader comes with libc, in whatever version libc has.
    for (const library of libraries.filter((name) => !name.startsWith("ld-linux"))) {
      const known = versionsOf.get(library) ?? [];
      versionsOf.set(library, [...known, ...(versions.get(library) ?? [])]);
    }
  }
  return new Map([...versionsOf].map(([library, versions]) => [library, newestOfEach(versions)]));
}

async function sha256(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}

async function ownVersion(): Promise<string> {
  return JSON.parse(await readFile(join(CHECKOUT, "package.json"), "utf8")).version;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
