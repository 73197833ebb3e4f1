import { chmod, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { writeFileAtomically } from "../../src/lib/atomic-file.ts";
import { readOrNothing } from "./apt.ts";
import { filesBelow } from "./index-directory.ts";
import type { Keys, PublicKeys } from "./keys.ts";
import { sha256 } from "./packages.ts";
import { areSameSigners, type Verifier } from "./signatures.ts";

const NAME = "s3-offload-agent";

/** Where hosts keep the public keys for apt. Debian 11 has no such directory: make it. */
const KEYRING = `/etc/apt/keyrings/${NAME}.gpg`;

/** What hosts copy: `${url}` is what all paths of the repository begin with. Pure. */
export function clientFiles(url: string): Readonly<Record<string, string>> {
  const base = url.replace(/\/+$/, "");
  return {
    [`${NAME}.sources`]: [
      "Types: deb",
      `URIs: ${base}/apt`,
      "Suites: stable",
      "Components: main",
      `Signed-By: ${KEYRING}`,
      "",
    ].join("\n"),
    [`${NAME}.list`]: `deb [signed-by=${KEYRING}] ${base}/apt stable main\n`,
    [`${NAME}.repo`]: [
      `[${NAME}]`,
      `name=${NAME}`,
      `baseurl=${base}/yum/$basearch`,
      "enabled=1",
      // Both: the package's own signature, and that of the index, which says what is the newest.
      "gpgcheck=1",
      "repo_gpgcheck=1",
      `gpgkey=${base}/${NAME}.asc`,
      "metadata_expire=1h",
      "",
    ].join("\n"),
  };
}

/** Writes what hosts copy, each file as a whole. @returns the names of those that have changed */
export async function writeClientFiles(out: string, url: string): Promise<string[]> {
  return await writeChanged(out, clientFiles(url));
}

/** Writes the public keys in both forms. @returns the names of those that have changed */
export async function writePublicKeys(out: string, keys: PublicKeys): Promise<string[]> {
  return await writeChanged(out, { [`${NAME}.gpg`]: keys.binary, [`${NAME}.asc`]: keys.armored });
}

/** The public keys that the repository has, in binary form; nothing if there are none. */
export async function readPublicKeys(out: string): Promise<Buffer> {
  return await readOrNothing(join(out, `${NAME}.gpg`));
}

/**
 * Writes SHA256SUMS.asc, for people who verify a package by hand: the hash of every package, with
 * the signatures of all keys in it. @returns whether it has changed
 */
export async function writeChecksums(options: {
  readonly out: string;
  readonly keys: Keys;
  readonly verifier: Verifier;
}): Promise<boolean> {
  const { out, keys, verifier } = options;
  const lines: string[] = [];
  for (const path of await filesBelow(out)) {
    if (!/^(apt\/pool|yum)\/.*\.(deb|rpm)$/.test(path)) continue;
    lines.push(`${sha256(await readFile(join(out, path)))}  ${basename(path)}\n`);
  }
  // A package for all architectures lies in several folders.
  const text = [...new Set(lines)].sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1)).join("");
  const file = join(out, "SHA256SUMS.asc");
  const there = (await readOrNothing(file)).toString();
  const isSame =
    there.includes(`\n\n${text}-----BEGIN PGP SIGNATURE-----`) &&
    areSameSigners(await verifier.signersOfClear(file), keys.fingerprints);
  if (isSame) return false;
  await writeWhole(file, await keys.signClear(text === "" ? "\n" : text));
  return true;
}

async function writeChanged(
  out: string,
  files: Readonly<Record<string, string | Buffer>>,
): Promise<string[]> {
  const changed: string[] = [];
  for (const [name, content] of Object.entries(files)) {
    if ((await readOrNothing(join(out, name))).equals(Buffer.from(content))) continue;
    await writeWhole(join(out, name), content);
    changed.push(name);
  }
  return changed;
}

async function writeWhole(path: string, content: string | Buffer): Promise<void> {
  await writeFileAtomically(path, content, () => chmod(`${path}.new`, 0o644));
}
