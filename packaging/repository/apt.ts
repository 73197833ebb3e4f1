import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { isErrno } from "../../src/lib/errors.ts";
import { filesBelow, installIndex } from "./index-directory.ts";
import type { Keys } from "./keys.ts";
import { ARCHITECTURES, sha256 } from "./packages.ts";
import { areSameSigners, type Verifier } from "./signatures.ts";
import { runTool, toolError } from "./tool.ts";

/** Unattended-upgrades and pins know the repository by these. */
const RELEASE_FIELDS = {
  Origin: "s3-offload-agent",
  Label: "s3-offload-agent",
  Suite: "stable",
  Codename: "stable",
  Architectures: ARCHITECTURES.map((one) => one.deb).join(" "),
  Components: "main",
  Description: "Packages of s3-offload-agent",
  "Acquire-By-Hash": "yes",
};

/** SHA-256 only: apt asks by the strongest hash that Release has, so that one by-hash folder does. */
const OTHER_HASHES = ["MD5", "SHA1", "SHA512"];

export interface IndexOptions {
  readonly out: string;
  readonly work: string;
  readonly keys: Keys;
  readonly verifier: Verifier;
  readonly now: Date;
  readonly signal: AbortSignal;
}

/**
 * Makes the index of the suite `stable` of all packages in the pool, signed by all keys.
 *
 * There is no Valid-Until: nobody signs this repository again until there is a new version, and one
 * that has ended keeps hosts from security fixes and new installations alike. What it would prevent,
 * that somebody in the middle shows hosts an old state for ever, TLS prevents; and apt itself
 * refuses a state that is older than the one it has.
 * @returns whether anything has changed
 */
export async function indexApt(options: IndexOptions): Promise<boolean> {
  const { out, work, keys, verifier, now, signal } = options;
  const current = join(out, "apt/dists/stable");
  const staged = join(work, "stable");
  await rm(staged, { recursive: true, force: true });
  await mkdir(join(out, "apt/pool"), { recursive: true });
  for (const { deb } of ARCHITECTURES) {
    const args = ["--arch", deb, "packages", "pool"];
    const text = sortStanzas(
      await runTool("apt-ftparchive", args, { cwd: join(out, "apt"), signal }),
    );
    const folder = join(staged, "main", `binary-${deb}`);
    await mkdir(folder, { recursive: true });
    const files = {
      Packages: text,
      "Packages.gz": gzipSync(text, { level: 9 }),
      "Packages.xz": await runTool("xz", ["-9", "--stdout"], { input: text, signal }),
    };
    for (const [name, content] of Object.entries(files))
      await writeFile(join(folder, name), content);
  }
  const before = await readOrEmpty(join(current, "InRelease"));
  const release = await makeRelease(staged, dateAfter(now, before), signal);
  if (await isSame({ staged, current, release, keys, verifier })) {
    await rm(staged, { recursive: true });
    return false;
  }
  for (const { path, hash } of namedFiles(release)) {
    const byHash = join(staged, byHashPath(path, hash));
    await mkdir(dirname(byHash), { recursive: true });
    await rm(byHash, { force: true });
    await link(join(staged, path), byHash);
  }
  await writeFile(join(staged, "Release"), release);
  await writeFile(
    join(staged, "Release.gpg"),
    await keys.signDetached(Buffer.from(release), "all"),
  );
  await writeFile(join(staged, "InRelease"), await keys.signClear(release));
  await requireSignatures(staged, keys, verifier);
  await installIndex({
    staged,
    current,
    isByHash: (path) => path.includes("/by-hash/"),
    previous: new Set(namedFiles(before).map(({ path, hash }) => byHashPath(path, hash))),
    now,
  });
  return true;
}

/** The files that a Release or InRelease names, with their SHA-256. Pure. */
export function namedFiles(release: string): { readonly path: string; readonly hash: string }[] {
  const lines = release.matchAll(/^ ([0-9a-f]{64}) +\d+ (\S+)$/gm);
  return [...lines].map(([, hash = "", path = ""]) => ({ path, hash }));
}

/** Where apt asks for an index file by its hash (wiki.debian.org/DebianRepository/Format). Pure. */
export function byHashPath(path: string, hash: string): string {
  return `${dirname(path)}/by-hash/SHA256/${hash}`;
}

/** The stanzas of Packages in one order, whatever order the directory has. */
function sortStanzas(packages: Buffer): Buffer {
  const stanzas = packages
    .toString()
    .split("\n\n")
    .filter((one) => one.trim() !== "");
  const sorted = stanzas.map((one) => `${one.trim()}\n`).sort();
  return Buffer.from(sorted.join("\n"));
}

async function makeRelease(staged: string, date: Date, signal: AbortSignal): Promise<string> {
  const fields = { ...RELEASE_FIELDS, Date: date.toUTCString().replace("GMT", "UTC") };
  const settings = [
    ...Object.entries(fields).map(([name, value]) => `${name}=${value}`),
    ...OTHER_HASHES.map((name) => `${name}=false`),
  ].flatMap((one) => ["-o", `APT::FTPArchive::Release::${one}`]);
  const made = await runTool("apt-ftparchive", [...settings, "release", "."], {
    cwd: staged,
    signal,
  });
  return made.toString();
}

/** apt takes no state for newer whose date is not: not even if this machine's clock was set back. */
function dateAfter(now: Date, before: string): Date {
  const beforeMs = dateOf(before)?.getTime() ?? 0;
  return new Date(Math.max(now.getTime(), beforeMs + 1_000));
}

/** The date of a Release or InRelease; undefined if there is none. Pure. */
export function dateOf(release: string): Date | undefined {
  const text = /^Date: (.+)$/m.exec(release)?.[1];
  return text === undefined ? undefined : new Date(text);
}

async function isSame(options: {
  readonly staged: string;
  readonly current: string;
  readonly release: string;
  readonly keys: Keys;
  readonly verifier: Verifier;
}): Promise<boolean> {
  const { staged, current, release, keys, verifier } = options;
  const now = await readOrEmpty(join(current, "Release"));
  if (withoutDate(now) !== withoutDate(release)) return false;
  if (!(await readOrEmpty(join(current, "InRelease"))).includes(`\n${now}`)) return false;
  for (const path of await filesBelow(staged)) {
    const hash = sha256(await readFile(join(staged, path)));
    for (const there of [path, byHashPath(path, hash)]) {
      if (sha256(await readOrNothing(join(current, there))) !== hash) return false;
    }
  }
  const signed = [
    await verifier.signersOfClear(join(current, "InRelease")),
    await verifier.signersOfDetached(join(current, "Release.gpg"), join(current, "Release")),
  ];
  return signed.every((one) => areSameSigners(one, keys.fingerprints));
}

function withoutDate(release: string): string {
  return release.replace(/^Date: .*$/m, "");
}

async function requireSignatures(staged: string, keys: Keys, verifier: Verifier): Promise<void> {
  const clear = await verifier.signersOfClear(join(staged, "InRelease"));
  const detached = await verifier.signersOfDetached(
    join(staged, "Release.gpg"),
    join(staged, "Release"),
  );
  for (const signers of [clear, detached]) {
    if (areSameSigners(signers, keys.fingerprints)) continue;
    throw toolError(
      "The new signatures do not hold",
      `signed by: ${signers.join(", ") || "nobody"}`,
    );
  }
}

async function readOrEmpty(path: string): Promise<string> {
  return (await readOrNothing(path)).toString();
}

/** What a file holds; nothing if it is not there. */
export async function readOrNothing(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return Buffer.alloc(0);
    throw error;
  }
}
