import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const CHECKOUT = resolve(import.meta.dirname, "../../..");
const CACHE = join(CHECKOUT, "build/test-packages");

/** What a package is made of: a change in any of these makes it anew. */
const SOURCES = [
  ...["src", "packaging", "package.json", "package-lock.json", "CHANGELOG.md", "LICENSE"],
  "tools/package-go-tools.txt",
];

/** Packages of one version. */
export interface BuiltPackages {
  /** The directory with the packages and SHA256SUMS: what `npm run repository` takes. */
  readonly directory: string;
  /** The packages for x64. */
  readonly deb: string;
  readonly rpm: string;
  /** Those for arm64, if they were asked for. */
  readonly arm64: { readonly deb: string; readonly rpm: string } | undefined;
}

const building = new Map<string, Promise<BuiltPackages>>();

/**
 * Packages of a version, as `npm run package -- --version VERSION --compression fast` makes them, in
 * a few seconds: for tests that install them. Built once for the same sources, and kept below
 * build/test-packages/ for the next run.
 * @param version such as `0.2.0` or `0.3.0-dev`.
 * @param arch `all` for arm64's, too.
 */
export async function fastPackages(
  version: string,
  arch: "x64" | "all" = "x64",
): Promise<BuiltPackages> {
  return await built(["--version", version, "--compression", "fast", "--arch", arch]);
}

/** All four packages as they are released, for package.json's version. Takes minutes once. */
export async function releasePackages(): Promise<BuiltPackages> {
  return await built([]);
}

async function built(args: readonly string[]): Promise<BuiltPackages> {
  const name = args.join("") || "release";
  const known = building.get(name) ?? build(name, args);
  building.set(name, known);
  return await known;
}

async function build(name: string, args: readonly string[]): Promise<BuiltPackages> {
  const directory = join(CACHE, `${name}.${await digestOfSources()}`);
  if (existsSync(directory)) return await packagesIn(directory);

  await mkdir(CACHE, { recursive: true });
  for (const entry of await readdir(CACHE)) {
    const isOlder = entry.startsWith(`${name}.`);
    if (isOlder) await rm(join(CACHE, entry), { recursive: true, force: true });
  }
  // The directory gets its name only when all is in it.
  const unfinished = await mkdtemp(join(CACHE, "unfinished-"));
  try {
    const program = join(CHECKOUT, "packaging/package.ts");
    await promisify(execFile)(process.execPath, [program, ...args, "--out", unfinished]);
    // Another process may have been quicker: its packages are the same.
    if (!existsSync(directory)) await rename(unfinished, directory);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return await packagesIn(directory);
}

async function packagesIn(directory: string): Promise<BuiltPackages> {
  const names = await readdir(directory);
  const find = (end: string) => {
    const name = names.find((entry) => entry.endsWith(end));
    return name === undefined ? undefined : join(directory, name);
  };
  const [deb, rpm] = [find("_amd64.deb"), find(".x86_64.rpm")];
  if (!deb || !rpm) throw new Error(`no packages for x64 in ${directory}`);
  const [armDeb, armRpm] = [find("_arm64.deb"), find(".aarch64.rpm")];
  const arm64 = armDeb && armRpm ? { deb: armDeb, rpm: armRpm } : undefined;
  return { directory, deb, rpm, arm64 };
}

async function digestOfSources(): Promise<string> {
  const hash = createHash("sha256");
  const { stdout } = await promisify(execFile)(
    "git",
    ["ls-files", "-z", "--cached", "--others", "--exclude-standard", ...SOURCES],
    { cwd: CHECKOUT, maxBuffer: 1e8 },
  );
  for (const path of stdout.split("\0").filter(Boolean).sort()) {
    const content = await readFile(join(CHECKOUT, path)).catch(() => "gone");
    hash.update(`${path}\0`).update(content).update("\0");
  }
  return hash.digest("hex").slice(0, 16);
}
