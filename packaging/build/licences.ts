import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { BuildError } from "./build-error.ts";

/** What one package says about its licence. */
interface PackageLicence {
  /** Name and version. */
  readonly title: string;
  /** The `license` field of its package.json: an SPDX expression. */
  readonly spdx: string | undefined;
  /** The texts of its licence and notice files. */
  readonly texts: readonly string[];
}

/** Names under which packages keep the texts that a copy must carry. */
const LICENCE_FILE = /^(licen[cs]e|copying|notice)(?![a-z])/i;

/**
 * Collects the licences of packages in one text: per package its SPDX expression and its own
 * licence and notice files. A text that several packages share appears once.
 * @param packages the packages' directories.
 * @throws BuildError naming every package that has neither a licence file nor an SPDX expression:
 *   nobody may pass it on.
 */
export async function collectLicences(packages: readonly string[]): Promise<string> {
  const licences = await Promise.all(packages.map(readLicence));
  const unlicensed = licences.filter(({ spdx, texts }) => !spdx && texts.length === 0);
  if (unlicensed.length > 0) {
    const titles = unlicensed.map(({ title }) => title).join(", ");
    throw new BuildError(`no licence text and no SPDX licence in package.json: ${titles}`);
  }

  const titlesByText = Map.groupBy(
    licences.flatMap(({ title, texts }) => texts.map((text) => ({ title, text }))),
    ({ text }) => text,
  );
  const list = licences.map(({ title, spdx }) => `  ${title}: ${spdx ?? "see its text below"}\n`);
  const texts = [...titlesByText].map(
    ([text, users]) =>
      `${"-".repeat(80)}\n${users.map(({ title }) => title).join("\n")}\n\n${text}`,
  );
  return [
    "The *.mjs files contain code of the packages listed here; koffi.node is part of koffi.\n",
    "A package without a text of its own below is licensed by the terms that its identifier\n",
    "(of the SPDX licence list) stands for.\n\n",
    ...list,
    "\n",
    texts.join("\n"),
  ].join("");
}

async function readLicence(directory: string): Promise<PackageLicence> {
  const manifest = JSON.parse(await readFile(join(directory, "package.json"), "utf8"));
  const names = (await readdir(directory)).filter((name) => LICENCE_FILE.test(name)).sort();
  const texts = names.map((name) => readFile(join(directory, name), "utf8"));
  return {
    title: `${manifest.name} ${manifest.version}`,
    spdx: typeof manifest.license === "string" ? manifest.license : undefined,
    texts: (await Promise.all(texts)).map((text) => `${text.trim().replaceAll("\r\n", "\n")}\n`),
  };
}
