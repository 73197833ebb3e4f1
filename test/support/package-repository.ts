import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { expect } from "chai";
import { byHashPath, namedFiles } from "../../packaging/repository/apt.ts";
import { filesBelow } from "../../packaging/repository/index-directory.ts";
import { runTool, type ToolResult, tryTool } from "../../packaging/repository/tool.ts";
import { namedMetadata } from "../../packaging/repository/yum.ts";

const PROGRAM = fileURLToPath(new URL("../../packaging/repository.ts", import.meta.url));
const NFPM = fileURLToPath(new URL("../../build/tools/nfpm", import.meta.url));

/** What a test needs to make repositories: keys by their names, tiny packages by their versions. */
export interface Workshop {
  readonly directory: string;
  /** A file with the secret key. */
  key(name: string): string;
  /** The public key, in armor. */
  publicKey(name: string): string;
  fingerprint(name: string): string;
  /** A directory with the two debs and two rpms of a version. */
  packages(version: string, options?: PackageOptions): Promise<string>;
  /** Runs the program. */
  run(args: readonly string[], options?: RunOptions): Promise<ToolResult>;
}

export interface PackageOptions {
  /** What the package's one file holds. */
  readonly content?: string;
  /** Where that file is, and what it is to the package. Default: nothing special. */
  readonly place?: { readonly dst: string; readonly type: "config|noreplace" };
  readonly architectures?: readonly string[];
  readonly formats?: readonly string[];
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly nodeArguments?: readonly string[];
  readonly signal?: AbortSignal;
}

/** How each key is made: passphrase, kind, use, life, and a time to be made at. */
const KEYS: Readonly<Record<string, readonly [string, string, string, string]>> = {
  old: ["", "rsa2048", "sign", "2y"],
  new: ["", "rsa2048", "sign", "2y"],
  locked: ["a passphrase", "rsa2048", "sign", "2y"],
  certifying: ["", "rsa2048", "cert", "2y"],
  expired: ["", "rsa2048", "sign", "1d"],
};

/** The passphrase of the key `locked`. */
export const PASSPHRASE = "a passphrase";

/** Makes the keys `old`, `new`, `locked`, `certifying` and `expired`. */
export async function openWorkshop(directory: string): Promise<Workshop> {
  const home = join(directory, "keyring");
  const runtime = join(directory, "runtime");
  for (const one of [home, runtime]) await mkdir(one, { mode: 0o700 });
  const env = { GNUPGHOME: home, XDG_RUNTIME_DIR: runtime };
  const fingerprints = new Map<string, string>();
  for (const [name, [passphrase, kind, use, life]] of Object.entries(KEYS)) {
    const past = name === "expired" ? ["--faked-system-time", "20200101T000000"] : [];
    const quiet = ["--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", passphrase];
    const gpg = (args: readonly string[]) => runTool("gpg", [...quiet, ...past, ...args], { env });
    const id = `${name} <${name}@example.com>`;
    await gpg(["--quick-generate-key", id, kind, use, life]);
    await gpg(["--armor", "--output", join(directory, `${name}.key`), "--export-secret-keys", id]);
    await gpg(["--armor", "--output", join(directory, `${name}.asc`), "--export", id]);
    await gpg(["--output", join(directory, `${name}.gpg`), "--export", id]);
    const listing = (await gpg(["--with-colons", "--list-keys", id])).toString();
    fingerprints.set(name, /^fpr:+([0-9A-F]+):/m.exec(listing)?.[1] ?? "");
  }
  await runTool("gpgconf", ["--homedir", home, "--kill", "all"]);
  return {
    directory,
    key: (name) => join(directory, `${name}.key`),
    publicKey: (name) => join(directory, `${name}.asc`),
    fingerprint: (name) => fingerprints.get(name) ?? "",
    packages: (version, options) => makePackages(directory, version, options),
    run: (args, { env: more = {}, nodeArguments = [], signal } = {}) =>
      tryTool(process.execPath, [...nodeArguments, PROGRAM, ...args], {
        env: { ...env, ...more },
        signal,
      }),
  };
}

let packagesMade = 0;

async function makePackages(
  directory: string,
  version: string,
  options: PackageOptions = {},
): Promise<string> {
  const {
    content = version,
    place = { dst: "/usr/share/s3-offload-agent/version" },
    architectures = ["amd64", "arm64"],
    formats = ["deb", "rpm"],
  } = options;
  packagesMade += 1;
  const target = join(directory, `packages-${packagesMade}`);
  await mkdir(target);
  const file = join(directory, `file-${packagesMade}`);
  await writeFile(file, content);
  for (const arch of architectures) {
    const config = `${file}-${arch}.json`;
    const contents = [{ src: file, ...place }];
    const about = { maintainer: "Nobody <nobody@example.com>", description: "A tiny package" };
    // Debian's way of counting, so that the version is taken as it is.
    const manifest = { name: "s3-offload-agent", arch, version, version_schema: "none" };
    await writeFile(config, JSON.stringify({ ...manifest, ...about, contents }));
    for (const format of formats) {
      await runTool(NFPM, [
        "package",
        "--config",
        config,
        "--packager",
        format,
        "--target",
        target,
      ]);
    }
  }
  return target;
}

/** The hash of every file below a directory, by its path. */
export async function contentsOf(directory: string): Promise<Readonly<Record<string, string>>> {
  const contents: Record<string, string> = {};
  for (const path of await filesBelow(directory)) {
    contents[path] = hashOf(await readFile(join(directory, path)));
  }
  return contents;
}

/** A copy that the test may change. */
export async function copyOf(directory: string, to: string): Promise<string> {
  await cp(directory, to, { recursive: true, preserveTimestamps: true });
  return to;
}

/**
 * Goes through a repository as clients do, from each signed index to all that it names, and fails at
 * the first file that is missing or another one.
 * @param keyring public keys in binary form
 * @param options.isWhole false: in the middle of a publication, where only by-hash files and packages
 *   can be of one state
 * @returns the versions that each index offers, such as `amd64 1.0`
 */
export async function readRepository(
  out: string,
  keyring: string,
  { isWhole = true }: { readonly isWhole?: boolean } = {},
): Promise<readonly string[]> {
  const offered: string[] = [];
  const suite = join(out, "apt/dists/stable");
  await requireSigned(keyring, [join(suite, "InRelease")]);
  const release = await readFile(join(suite, "InRelease"), "utf8");
  if (isWhole) {
    await requireSigned(keyring, [join(suite, "Release.gpg"), join(suite, "Release")]);
    expect(release).to.contain(await readFile(join(suite, "Release"), "utf8"));
  }
  for (const { path, hash } of namedFiles(release)) {
    const byHash = byHashPath(path, hash);
    for (const one of isWhole ? [path, byHash] : [byHash]) {
      await requireHash(join(suite, one), hash);
    }
    if (!path.endsWith("/Packages")) continue;
    for (const stanza of (await readFile(join(suite, byHash), "utf8")).split("\n\n")) {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(stanza)?.[1] ?? "";
      if (field("Filename") === "") continue;
      await requireHash(join(out, "apt", field("Filename")), field("SHA256"));
      offered.push(`${field("Architecture")} ${field("Version")}`);
    }
  }
  for (const architecture of await readdir(join(out, "yum"))) {
    const folder = join(out, "yum", architecture);
    const index = join(folder, "repodata/repomd.xml");
    if (isWhole) await requireSigned(keyring, [`${index}.asc`, index]);
    for (const { name, hash } of namedMetadata(await readFile(index, "utf8"))) {
      const file = join(folder, "repodata", name);
      await requireHash(file, hash);
      if (!name.endsWith("-primary.xml.gz")) continue;
      const primary = gunzipSync(await readFile(file)).toString();
      for (const [, record = ""] of primary.matchAll(/<package type="rpm">(.*?)<\/package>/gs)) {
        const part = (pattern: RegExp) => pattern.exec(record)?.[1] ?? "";
        const sum = part(/<checksum type="sha256" pkgid="YES">(\w+)</);
        await requireHash(join(folder, part(/<location href="([^"]+)"/)), sum);
        offered.push(`${architecture} ${part(/<version [^>]*ver="([^"]+)"/)}`);
      }
    }
  }
  return offered.sort();
}

/** As apt has it: a signature of a known key holds, and none is wrong; others' may be beside it. */
async function requireSigned(keyring: string, files: readonly string[]): Promise<void> {
  const args = ["--status-fd", "1", "--keyring", keyring, ...files];
  const { stdout, stderr } = await tryTool("gpgv", args);
  expect(stdout.toString(), stderr)
    .to.match(/^\[GNUPG:\] VALIDSIG /m)
    .and.not.match(/^\[GNUPG:\] (BADSIG|NODATA) /m);
}

async function requireHash(file: string, hash: string): Promise<void> {
  expect(hashOf(await readFile(file)), file).to.equal(hash);
}

function hashOf(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Makes a directory and all above it. */
export async function writeInto(path: string, content: string | Buffer): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}
