import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { Readable } from "node:stream";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { forEachConcurrently } from "../src/lib/concurrency.ts";
import { BuildError } from "./build/build-error.ts";
import { debianChangelog, nfpmChangelog, readChangelog } from "./build/changelog.ts";
import { debianCopyright } from "./build/copyright.ts";
import {
  type Compression,
  FORMATS,
  type Format,
  makePackage,
  type PackageOptions,
  packageMaintainer,
} from "./build/nfpm.ts";
import { ARCHITECTURES, type Architecture } from "./build/runtime.ts";
import { sourceDate } from "./build/tree.ts";
import { buildTrees, type Tree } from "./build/trees.ts";
import { type PackageVersion, packageVersion, packageVersionOf } from "./build/version.ts";

const USAGE = `usage: node packaging/package.ts [--version V] [--format deb|rpm|all]
         [--arch x64|arm64|all] [--compression small|fast] [--out DIR]`;

/** Packages that are made at a time: each takes a processor for a minute, and 500 MB. */
const PACKAGES_AT_A_TIME = 2;

const checkout = resolve(import.meta.dirname, "..");

interface Arguments {
  readonly version: string;
  readonly formats: readonly Format[];
  readonly architectures: readonly Architecture[];
  readonly compression: Compression;
  readonly out: string;
}

try {
  await makePackages(await readArguments());
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  process.stderr.write(`package: ${error.message}\n`);
  process.exitCode = 1;
}

/** Builds the trees, makes packages of them, and writes SHA256SUMS beside them. */
async function makePackages(options: Arguments): Promise<void> {
  const { formats, architectures, compression, out } = options;
  const version = packageVersionOf(options.version);
  const date = sourceDate(checkout);
  // Inside the checkout, so that nfpm finds everything by relative paths.
  await mkdir(join(checkout, "build"), { recursive: true });
  const scratch = await mkdtemp(join(checkout, "build/package-"));
  try {
    const { trees } = await buildTrees({
      checkout,
      out: scratch,
      architectures,
      version: options.version,
      date,
      stripped: true,
    });
    await writeParts({ scratch, trees, version, date, asked: options.version });

    await mkdir(out, { recursive: true });
    const jobs = trees.flatMap(({ architecture, path }) =>
      formats.map((format) => {
        const [tree, parts] = [relative(checkout, path), relative(checkout, scratch)];
        return { checkout, format, architecture, version, compression, tree, parts, date, out };
      }),
    );
    const names = await makeSomeAtATime(jobs);
    await writeChecksums(out, names);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Makes what packages have beside the tree: the changelogs and Debian's copyright file. */
async function writeParts(options: {
  scratch: string;
  trees: readonly Tree[];
  version: PackageVersion;
  asked: string;
  date: Date;
}): Promise<void> {
  const { scratch, trees, version, asked, date } = options;
  const entries = await readChangelog({
    path: join(checkout, "CHANGELOG.md"),
    version: asked,
    packaged: `${version.upstream}-${version.release}`,
    date,
  });
  const maintainer = await packageMaintainer(checkout);
  const [tree] = trees;
  if (!tree) throw new BuildError("no tree was built");
  const licence = async (name: string) =>
    await readFile(join(tree.path, "share/doc/s3-offload-agent", name), "utf8");
  const copyright = debianCopyright({
    node: await licence("LICENSE.node"),
    thirdParty: await licence("LICENSE.third-party"),
  });
  await writeFile(join(scratch, "copyright"), copyright);
  await writeFile(join(scratch, "changelog.yaml"), nfpmChangelog(entries, maintainer));
  const packed = gzipSync(debianChangelog(entries, maintainer), { level: 9 });
  await writeFile(join(scratch, "changelog.Debian.gz"), packed);
}

/** @returns the packages' file names. */
async function makeSomeAtATime(jobs: readonly PackageOptions[]): Promise<string[]> {
  const names: string[] = [];
  await forEachConcurrently<PackageOptions>(
    Readable.from(jobs),
    PACKAGES_AT_A_TIME,
    async (job) => {
      const name = await makePackage(job);
      names.push(name);
      const { size } = await stat(join(job.out, name));
      process.stdout.write(`${(size / 1e6).toFixed(1).padStart(6)} MB  ${name}\n`);
    },
  );
  return names;
}

/** Writes SHA256SUMS of the packages just made, in the form that `sha256sum --check` reads. */
async function writeChecksums(out: string, names: readonly string[]): Promise<void> {
  const lines = [...names].sort().map(async (name) => {
    const hash = createHash("sha256").update(await readFile(join(out, name)));
    return `${hash.digest("hex")}  ${name}\n`;
  });
  await writeFile(join(out, "SHA256SUMS"), (await Promise.all(lines)).join(""));
}

async function readArguments(): Promise<Arguments> {
  const ownVersion = await packageVersion(checkout);
  try {
    const { values } = parseArgs({
      options: {
        version: { type: "string", default: ownVersion },
        format: { type: "string", default: "all" },
        arch: { type: "string", default: "all" },
        compression: { type: "string", default: "small" },
        out: { type: "string", default: join(checkout, "build/packages") },
      },
    });
    packageVersionOf(values.version);
    return {
      version: values.version,
      formats: choose("--format", FORMATS, values.format),
      architectures: choose("--arch", ARCHITECTURES, values.arch),
      compression: chooseCompression(values.compression),
      out: resolve(values.out),
    };
  } catch (error) {
    throw new BuildError(`${(error as Error).message}\n${USAGE}`);
  }
}

function choose<Name extends string>(
  option: string,
  names: readonly Name[],
  asked: string,
): Name[] {
  const chosen = names.filter((name) => ["all", name].includes(asked));
  if (chosen.length === 0) throw new Error(`unknown ${option} ${asked}`);
  return chosen;
}

function chooseCompression(asked: string): Compression {
  if (asked !== "small" && asked !== "fast") throw new Error(`unknown --compression ${asked}`);
  return asked;
}
