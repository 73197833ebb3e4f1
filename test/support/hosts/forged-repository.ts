import { mkdtempDisposable, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runTool } from "../../../packaging/repository/tool.ts";
import { copyOf, type Workshop } from "../package-repository.ts";
import type { SignedRepository } from "./signed-repository.ts";

/** A key of the workshop: hosts know `old`. */
type KeyName = "old" | "new";

export interface Forgery {
  /** Whose signature the rpms get instead of ours; `none` if they get none. Default: they are ours. */
  readonly rpm?: KeyName | "none";
  /** Whose signature the index gets that fits them; `stale` is the one it had. */
  readonly index: KeyName | "stale";
}

/** Serves a forged copy of a repository in its place, public keys as they are, until it is disposed. */
export async function forge(
  repository: SignedRepository,
  { rpm, index }: Forgery,
): Promise<AsyncDisposable> {
  const { shop, source, directory } = repository;
  const place = await mkdtempDisposable(join(tmpdir(), "hosts-forged-"));
  const root = await copyOf(directory, join(place.path, "out"));
  const folder = join(root, "yum/x86_64");
  if (rpm !== undefined) {
    for (const name of await readdir(join(folder, "Packages"))) {
      const file = join(folder, "Packages", name);
      await runTool("rpmsign", ["--delsign", file]);
      if (rpm !== "none") await signRpm(shop, rpm, file);
    }
    await runTool("createrepo_c", ["--quiet", folder]);
  }
  const repomd = join(folder, "repodata/repomd.xml");
  // Something that the old signature does not cover, and that says: look at this anew.
  const text = await readFile(repomd, "utf8");
  await writeFile(repomd, text.replace("<revision>", "<revision>9"));
  if (index === "stale") {
    const old = await readFile(join(directory, "yum/x86_64/repodata/repomd.xml.asc"));
    await writeFile(`${repomd}.asc`, old);
  } else {
    const signed = ["--armor", "--detach-sign", "--output", `${repomd}.asc`, repomd];
    await gpg(shop, ["--yes", "--local-user", shop.fingerprint(index), ...signed]);
  }
  source.root = root;
  return {
    async [Symbol.asyncDispose]() {
      source.root = directory;
      await runTool("gpgconf", ["--homedir", keyringOf(shop), "--kill", "all"]);
      await place.remove();
    },
  };
}

const keyringOf = ({ directory }: Workshop) => join(directory, "keyring");

async function gpg(shop: Workshop, args: readonly string[]): Promise<void> {
  await runTool("gpg", ["--batch", "--quiet", "--no-tty", ...args], { env: environmentOf(shop) });
}

async function signRpm(shop: Workshop, key: KeyName, file: string): Promise<void> {
  const macros = [`_gpg_name ${shop.fingerprint(key)}`, "__gpg /usr/bin/gpg"];
  const defines = macros.flatMap((macro) => ["-D", macro]);
  await runTool("rpmsign", [...defines, "--addsign", file], { env: environmentOf(shop) });
}

const environmentOf = (shop: Workshop) => ({
  GNUPGHOME: keyringOf(shop),
  XDG_RUNTIME_DIR: join(shop.directory, "runtime"),
});
