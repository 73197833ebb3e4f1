import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { type IndexOptions, readOrNothing } from "./apt.ts";
import { installIndex } from "./index-directory.ts";
import { ARCHITECTURES, sha256 } from "./packages.ts";
import { areSameSigners } from "./signatures.ts";
import { runTool, toolError } from "./tool.ts";

/** A file that repomd.xml names. */
interface Metadata {
  /** Its name below repodata/, which begins with its hash. */
  readonly name: string;
  readonly hash: string;
  /** The hash of what is compressed in it. */
  readonly openHash: string;
}

/**
 * Makes the index of each architecture's folder, signed by the first key: dnf's repomd.xml.asc is
 * one signature by custom, and not all clients read a second one.
 * @returns the architectures whose index has changed
 */
export async function indexYum(options: IndexOptions): Promise<string[]> {
  const changed: string[] = [];
  for (const { rpm } of ARCHITECTURES) {
    if (await indexArchitecture(rpm, options)) changed.push(rpm);
  }
  return changed;
}

async function indexArchitecture(architecture: string, options: IndexOptions): Promise<boolean> {
  const { out, work, keys, verifier, now, signal } = options;
  const folder = join(out, "yum", architecture);
  const current = join(folder, "repodata");
  const outer = join(work, architecture);
  const staged = join(outer, "repodata");
  await rm(outer, { recursive: true, force: true });
  await mkdir(outer, { recursive: true });
  await mkdir(join(folder, "Packages"), { recursive: true });
  const seconds = String(Math.floor(now.getTime() / 1_000));
  await runTool(
    "createrepo_c",
    [
      ["--quiet", "--unique-md-filenames", "--no-database", "--general-compress-type=gz"],
      ["--revision", seconds, "--set-timestamp-to-revision", "--outputdir", outer, folder],
    ].flat(),
    { signal },
  );
  const index = await readFile(join(staged, "repomd.xml"));
  const signature = await keys.signDetached(index, "first");
  await writeFile(join(staged, "repomd.xml.asc"), signature);
  const signer = keys.fingerprints.slice(0, 1);
  const signersOf = (directory: string) =>
    verifier.signersOfDetached(join(directory, "repomd.xml.asc"), join(directory, "repomd.xml"));
  if (!areSameSigners(await signersOf(staged), signer)) {
    throw toolError("The new signature does not hold", join(staged, "repomd.xml.asc"));
  }

  const before = namedMetadata((await readOrNothing(join(current, "repomd.xml"))).toString());
  const isSame =
    haveSameContent(before, namedMetadata(index.toString())) &&
    (await areWhole(current, before)) &&
    areSameSigners(await signersOf(current), signer);
  if (!isSame) {
    await installIndex({
      staged,
      current,
      isByHash: (path) => /^[0-9a-f]{64}-/.test(path),
      previous: new Set(before.map(({ name }) => name)),
      now,
    });
  }
  await rm(outer, { recursive: true, force: true });
  return !isSame;
}

/** What a repomd.xml names. Pure. */
export function namedMetadata(repomd: string): Metadata[] {
  const records = repomd.matchAll(/<data type="[^"]+">(.*?)<\/data>/gs);
  return [...records].map(([, record = ""]) => ({
    name: basename(/<location href="([^"]+)"/.exec(record)?.[1] ?? ""),
    hash: /<checksum type="sha256">([0-9a-f]+)</.exec(record)?.[1] ?? "",
    openHash: /<open-checksum type="sha256">([0-9a-f]+)</.exec(record)?.[1] ?? "",
  }));
}

function haveSameContent(one: readonly Metadata[], other: readonly Metadata[]): boolean {
  const contents = (all: readonly Metadata[]) => all.map(({ openHash }) => openHash).join();
  return contents(one) === contents(other);
}

async function areWhole(directory: string, metadata: readonly Metadata[]): Promise<boolean> {
  for (const { name, hash } of metadata) {
    if (sha256(await readOrNothing(join(directory, name))) !== hash) return false;
  }
  return true;
}
