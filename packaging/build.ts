import { mkdir, rm, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { BuildError } from "./build/build-error.ts";
import { ARCHITECTURES, type Architecture } from "./build/runtime.ts";
import { sourceDate, type TreeFile } from "./build/tree.ts";
import { buildTrees } from "./build/trees.ts";
import { packageVersion } from "./build/version.ts";

const USAGE = "usage: node packaging/build.ts [--out DIR] [--arch x64|arm64|all]";

const checkout = resolve(import.meta.dirname, "..");

try {
  await build(readArguments());
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  process.stderr.write(`build: ${error.message}\n`);
  process.exitCode = 1;
}

/** Builds the trees, and says what they hold. */
async function build({ out, architectures }: { out: string; architectures: Architecture[] }) {
  const { trees, sourceMaps } = await buildTrees({
    checkout,
    out,
    architectures,
    version: await packageVersion(checkout),
    date: sourceDate(checkout),
    stripped: false,
  });
  for (const { path, files } of trees) print(path, files);

  const mapsDirectory = join(out, "source-maps");
  await rm(mapsDirectory, { recursive: true, force: true });
  await mkdir(mapsDirectory, { recursive: true });
  for (const [name, text] of sourceMaps) await writeFile(join(mapsDirectory, name), text);
}

function readArguments(): { out: string; architectures: Architecture[] } {
  try {
    const { values } = parseArgs({
      options: {
        out: { type: "string", default: join(checkout, "dist") },
        arch: { type: "string", default: "all" },
      },
    });
    const architectures = ARCHITECTURES.filter((name) => ["all", name].includes(values.arch));
    if (architectures.length === 0) throw new Error(`unknown --arch ${values.arch}`);
    return { out: resolve(values.out), architectures };
  } catch (error) {
    throw new BuildError(`${(error as Error).message}\n${USAGE}`);
  }
}

/** Prints what was made: one line a tree, one line a file, the parts of agent.mjs as one. */
function print(tree: string, files: readonly TreeFile[]): void {
  const isPart = ({ path }: TreeFile) => /(?<!\/agent)\.mjs$/.test(path);
  const parts = files.filter(isPart);
  const lines = [
    relative(process.cwd(), tree),
    ...files.filter((file) => !isPart(file)).map((file) => line(file.bytes, file.path)),
    line(bytesOf(parts), `its ${parts.length} parts, lib/s3-offload-agent/*.mjs`),
    line(bytesOf(files), "together"),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

function line(bytes: number, text: string): string {
  return `${(bytes / 1e6).toFixed(2).padStart(9)} MB  ${text}`;
}

function bytesOf(files: readonly TreeFile[]): number {
  return files.reduce((sum, file) => sum + file.bytes, 0);
}
