import { execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { BuildError } from "./build-error.ts";
import { compressDeb } from "./deb-xz.ts";
import type { Architecture } from "./runtime.ts";
import type { PackageVersion } from "./version.ts";

export const FORMATS = ["deb", "rpm"] as const;
export type Format = (typeof FORMATS)[number];

/** `fast` is for tests that need several versions: a fifth of the time, a third larger. */
export type Compression = "small" | "fast";

/** The architectures in the words of nfpm and dpkg, and of rpm. */
const NAMES: Record<Architecture, { deb: string; rpm: string }> = {
  x64: { deb: "amd64", rpm: "x86_64" },
  arm64: { deb: "arm64", rpm: "aarch64" },
};

/**
 * What nfpm is told. deb: xz, since Debian 11 cannot read zstd, by a better xz than nfpm's own.
 * rpm: zstd is unpacked in an eighth of xz's time, and every rpm that meets the dependency on
 * glibc 2.28 reads it (RHEL 8 since 8.2: bugzilla.redhat.com/1715799).
 */
const COMPRESSIONS: Record<Compression, Record<Format, string>> = {
  small: { deb: "none", rpm: "zstd:19" },
  fast: { deb: "gzip:1", rpm: "zstd:1" },
};

/** What {@link makePackage} packs. */
export interface PackageOptions {
  readonly checkout: string;
  readonly format: Format;
  readonly architecture: Architecture;
  readonly version: PackageVersion;
  readonly compression: Compression;
  /** The tree, and the directory of what was made for packages only, relative to the checkout. */
  readonly tree: string;
  readonly parts: string;
  readonly date: Date;
  /** The directory that the package goes into. */
  readonly out: string;
}

/**
 * Makes one package of packaging/nfpm.yaml.
 * @returns its file name, by the format's conventions.
 * @throws BuildError if nfpm fails, with what it said.
 */
export async function makePackage(options: PackageOptions): Promise<string> {
  const { checkout, format, compression, parts, date, out } = options;
  const name = packageName(options);
  const path = join(out, name);
  const manifest = join(checkout, parts, `nfpm-${format}-${options.architecture}.yaml`);
  await writeFile(manifest, fillIn(await readManifest(checkout), variablesOf(options)));

  // nfpm takes modes from the files and does not look at the umask; times are those of the build.
  const env = { ...process.env, SOURCE_DATE_EPOCH: String(date.getTime() / 1000) };
  const program = join(checkout, "build/tools/nfpm");
  const args = ["package", "--config", manifest, "--packager", format, "--target", path];
  await rm(path, { force: true });
  await promisify(execFile)(program, args, { cwd: checkout, env }).catch(
    (error: Error & { stdout?: string; stderr?: string }) => {
      const said = [error.stdout, error.stderr].filter(Boolean).join("");
      throw new BuildError(`nfpm could not make ${name}: ${said || error.message}`.trim());
    },
  );
  if (format === "deb" && compression === "small") await compressDeb(path);
  return name;
}

/** The maintainer that packaging/nfpm.yaml names, for the changelogs. */
export async function packageMaintainer(checkout: string): Promise<string> {
  const [, maintainer] = /^maintainer: (.+)$/m.exec(await readManifest(checkout)) ?? [];
  if (!maintainer) throw new BuildError("packaging/nfpm.yaml names no maintainer");
  return maintainer;
}

async function readManifest(checkout: string): Promise<string> {
  return await readFile(join(checkout, "packaging/nfpm.yaml"), "utf8");
}

function packageName({ format, architecture, version }: PackageOptions): string {
  const full = `${version.upstream}-${version.release}`;
  const names = NAMES[architecture];
  return format === "deb"
    ? `s3-offload-agent_${full}_${names.deb}.deb`
    : `s3-offload-agent-${full}.${names.rpm}.rpm`;
}

function variablesOf(options: PackageOptions): Record<string, string> {
  const { format, architecture, version, compression, tree, parts } = options;
  return {
    ARCH: NAMES[architecture].deb,
    VERSION: version.upstream,
    RELEASE: version.release,
    TREE: tree,
    PARTS: parts,
    CHANGELOG: format === "rpm" ? `${parts}/changelog.yaml` : "",
    LICENSE: format === "rpm" ? "Apache-2.0" : "",
    DEB_COMPRESSION: COMPRESSIONS[compression].deb,
    RPM_COMPRESSION: COMPRESSIONS[compression].rpm,
  };
}

/** Puts values in the place of each `${NAME}`. */
function fillIn(manifest: string, variables: Readonly<Record<string, string>>): string {
  return manifest.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => {
    const value = variables[name];
    if (value === undefined) throw new BuildError(`packaging/nfpm.yaml: what is \${${name}}?`);
    return value;
  });
}
