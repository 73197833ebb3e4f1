import { join } from "node:path";
import { renderManual } from "../manual/manual.ts";
import { bundleAgent } from "./bundle.ts";
import { collectLicences } from "./licences.ts";
import { type Architecture, findRuntime } from "./runtime.ts";
import { writeBillOfMaterials } from "./sbom.ts";
import { stripRuntime } from "./strip.ts";
import { assembleTree, type TreeFile } from "./tree.ts";

/** A finished tree. */
export interface Tree {
  readonly architecture: Architecture;
  /** Its directory, `linux-<architecture>` in the output directory. */
  readonly path: string;
  readonly files: readonly TreeFile[];
}

/** What a build makes. */
export interface Trees {
  readonly trees: readonly Tree[];
  /** File name to text: see {@link bundleAgent}. */
  readonly sourceMaps: ReadonlyMap<string, string>;
}

/**
 * Builds the tree of every architecture asked for: the bundle once, then tree after tree.
 * @param out the directory that the trees go into.
 * @param version what the agent says its version is.
 * @param date the time of all files.
 * @param stripped whether the native files lose their symbols, which needs binutils of each
 *   architecture.
 */
export async function buildTrees(options: {
  checkout: string;
  out: string;
  architectures: readonly Architecture[];
  version: string;
  date: Date;
  stripped: boolean;
}): Promise<Trees> {
  const { checkout, out, architectures, version, date, stripped } = options;
  const entry = join(checkout, "src/main.ts");
  const { files: bundle, sourceMaps, packages } = await bundleAgent({ checkout, entry, version });
  const licences = await collectLicences(packages);
  const manual = renderManual({ version, date });

  const trees: Tree[] = [];
  for (const architecture of architectures) {
    const published = await findRuntime({ checkout, architecture });
    const directory = join(out, `stripped-${architecture}`);
    const runtime = stripped
      ? await stripRuntime({ runtime: published, architecture, directory })
      : published;
    const parts = { checkout, runtime, date };
    const billOfMaterials = await writeBillOfMaterials({
      ...parts,
      version,
      architecture,
      packages,
    });
    const path = join(out, `linux-${architecture}`);
    const files = await assembleTree({
      ...parts,
      tree: path,
      bundle,
      licences,
      billOfMaterials,
      manual,
    });
    trees.push({ architecture, path, files });
  }
  return { trees, sourceMaps };
}
