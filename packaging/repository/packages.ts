import { createHash } from "node:crypto";
import { mkdtempDisposable, readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { configurationError, isErrno } from "../../src/lib/errors.ts";
import { tryTool } from "./tool.ts";

/** The architectures of the repository, in the words of Debian and of RPM. */
export const ARCHITECTURES = [
  { deb: "amd64", rpm: "x86_64" },
  { deb: "arm64", rpm: "aarch64" },
] as const;

/** A package to add. */
export interface Package {
  readonly format: "deb" | "rpm";
  readonly file: string;
  /** Where it belongs, relative to the repository; several for an RPM of all architectures. */
  readonly places: readonly string[];
  /** Equal for two files that are one package, signed or not. */
  readonly identity: string;
}

/** Names that apt, dnf, S3 and CloudFront all take as they are: S3 reads a `+` as a space. */
const SAFE_NAME = /^[A-Za-z0-9][A-Za-z0-9._~-]*$/;

/** dpkg-deb(1), --showformat. */
const DEB_FORMAT = ["Package", "Version", "Architecture"].map((one) => `\${${one}}\\n`).join("");
const RPM_FORMAT = "%{NAME}\\n%{VERSION}\\n%{RELEASE}\\n%{ARCH}\\n";

/**
 * Reads all packages of a directory, and holds them against its SHA256SUMS if there is one.
 * @throws AgentError (exit code 2) if there is none, or one is damaged, of another architecture, or
 *   has a name that cannot be served
 */
export async function readPackages(directory: string, signal: AbortSignal): Promise<Package[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    throw configurationError(
      `The directory of packages ${directory} cannot be read.`,
      "Make packages by npm run package, and give their directory: --packages build/packages",
      error,
    );
  });
  const sums = await readSums(directory);
  const packages: Package[] = [];
  for (const name of names.sort()) {
    if (!/\.(deb|rpm)$/.test(name)) continue;
    const file = join(directory, name);
    const bytes = await readFile(file);
    const expected = sums.get(name);
    if (expected !== undefined && expected !== sha256(bytes)) {
      throw configurationError(
        `${file} is not the file that SHA256SUMS beside it names.`,
        "Copy or make the packages again.",
      );
    }
    packages.push(
      name.endsWith(".deb")
        ? await readDeb(file, bytes, signal)
        : await readRpm(file, bytes, signal),
    );
  }
  if (packages.length === 0) {
    throw configurationError(
      `There is no package in ${directory}.`,
      "Make some by npm run package, or leave --packages out to sign what is there again.",
    );
  }
  refuseDoubles(packages);
  return packages;
}

/** What is the same for two files of one package. */
export function identityOf(format: Package["format"], bytes: Buffer, file: string): string {
  return sha256(format === "deb" ? bytes : withoutSignature(bytes, file));
}

export function sha256(bytes: Buffer | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function readDeb(file: string, bytes: Buffer, signal: AbortSignal): Promise<Package> {
  const described = await tryTool("dpkg-deb", ["--show", `--showformat=${DEB_FORMAT}`, file], {
    signal,
  });
  const [name = "", version = "", architecture = ""] = described.stdout.toString().split("\n");
  // Reads all of it, which --show does not.
  const listed = await tryTool("dpkg-deb", ["--contents", file], { signal });
  if (described.status !== 0 || listed.status !== 0) {
    throw damaged(file, described.stderr || listed.stderr);
  }
  // The epoch stands in no file name, by Debian's custom.
  const canonical = `${name}_${version.replace(/^\d+:/, "")}_${architecture}.deb`;
  requireServable(file, canonical, architecture, [...ARCHITECTURES.map((one) => one.deb), "all"]);
  return {
    format: "deb",
    file,
    places: [`apt/pool/main/${name[0]}/${name}/${canonical}`],
    identity: identityOf("deb", bytes, file),
  };
}

async function readRpm(file: string, bytes: Buffer, signal: AbortSignal): Promise<Package> {
  // rpm makes a database where there is none, on Debian in the caller's home.
  await using scratch = await mkdtempDisposable(join(tmpdir(), "rpmdb-"));
  const database = ["-D", `_dbpath ${scratch.path}`];
  // Whose signature it bears is of no matter; digests of header and payload are checked.
  const checked = await tryTool("rpmkeys", [...database, "--checksig", "--nosignature", file], {
    signal,
  });
  const described = await tryTool(
    "rpm",
    [...database, "-qp", "--nosignature", "--qf", RPM_FORMAT, file],
    {
      signal,
    },
  );
  if (checked.status !== 0 || described.status !== 0) {
    throw damaged(file, checked.stdout.toString() + described.stderr);
  }
  const [name = "", version = "", release = "", architecture = ""] = described.stdout
    .toString()
    .split("\n");
  const canonical = `${name}-${version}-${release}.${architecture}.rpm`;
  const all = ARCHITECTURES.map((one) => one.rpm);
  requireServable(file, canonical, architecture, [...all, "noarch"]);
  const folders = architecture === "noarch" ? all : [architecture];
  return {
    format: "rpm",
    file,
    places: folders.map((one) => `yum/${one}/Packages/${canonical}`),
    identity: identityOf("rpm", bytes, file),
  };
}

function requireServable(
  file: string,
  name: string,
  architecture: string,
  known: readonly string[],
): void {
  if (!known.includes(architecture)) {
    throw configurationError(
      `${file} is for ${architecture}, which the repository does not have.`,
      `It has ${known.join(", ")}.`,
    );
  }
  if (!SAFE_NAME.test(name)) {
    throw configurationError(
      `${file} would be served as ${name}, which not all clients can ask S3 for.`,
      "Give it a name and version of letters, digits, dot, hyphen and tilde.",
    );
  }
}

function refuseDoubles(packages: readonly Package[]): void {
  const seen = new Map<string, Package>();
  for (const one of packages) {
    for (const place of one.places) {
      const other = seen.get(place);
      if (other !== undefined && other.identity !== one.identity) {
        throw configurationError(
          `${one.file} and ${other.file} are different files of one name and version.`,
          "Keep the one that is to be published.",
        );
      }
      seen.set(place, one);
    }
  }
}

function damaged(file: string, why: string): Error {
  const line = why.trim().split("\n").at(-1) ?? "";
  return configurationError(`${file} is damaged: ${line}`, "Copy or make the package again.");
}

/** The file names and hashes of SHA256SUMS; none if there is no such file. */
async function readSums(directory: string): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(join(directory, "SHA256SUMS"), "utf8").catch((error: unknown) => {
    if (isErrno(error, "ENOENT")) return "";
    throw error;
  });
  const lines = text.matchAll(/^([0-9a-f]{64}) [ *](.+)$/gm);
  return new Map([...lines].map(([, sum = "", name = ""]) => [basename(name), sum]));
}

/** RPM's file format, version 3: the lead, then the header with the signatures, padded to 8. */
const LEAD_BYTES = 96;
const HEADER_MAGIC = 0x8eade801;
const INDEX_ENTRY_BYTES = 16;

/** What rpmsign does not change: the header with all digests, and the payload. */
function withoutSignature(bytes: Buffer, file: string): Buffer {
  const isRpm = bytes.length > LEAD_BYTES + 16 && bytes.readUInt32BE(LEAD_BYTES) === HEADER_MAGIC;
  if (!isRpm) throw damaged(file, "it has no header with signatures");
  const entries = bytes.readUInt32BE(LEAD_BYTES + 8);
  const dataBytes = bytes.readUInt32BE(LEAD_BYTES + 12);
  const headerBytes = 16 + entries * INDEX_ENTRY_BYTES + dataBytes;
  return bytes.subarray(LEAD_BYTES + Math.ceil(headerBytes / 8) * 8);
}
