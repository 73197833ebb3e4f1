import { basename, join } from "node:path";
import { type BuildFailure, build, type Plugin } from "esbuild";
import { BuildError } from "./build-error.ts";

/** The agent's code, and what went into it. The same for every architecture. */
export interface Bundle {
  /** File name to text: agent.mjs, which is the one to start, and the parts that it loads. */
  readonly files: ReadonlyMap<string, string>;
  /** The same for `<file>.map`: turns the line and column of a stack trace into a place in src/. */
  readonly sourceMaps: ReadonlyMap<string, string>;
  /** The directories of the packages that have code in the bundle, sorted. */
  readonly packages: readonly string[];
}

/**
 * Bundles the agent and all the packages it imports into ES modules that lie in one directory.
 *
 * In parts, cut where the source says `import()`: `version` then starts in half the time of a
 * single file, because it leaves the AWS SDK alone, and every other command in two thirds, because
 * esbuild leaves out less of a package that is loaded lazily inside one file.
 *
 * White space goes, names stay: short names make the files smaller and start no faster, but stack
 * traces in the fleet's logs would be unreadable. The lines are cut because Node prints the whole
 * source line in front of an uncaught error.
 *
 * @param entry the module to start with; `checkout` has the node_modules to take packages from.
 * @param version stands in for that of package.json.
 * @throws BuildError if a module is missing or has a syntax error; esbuild has printed where.
 */
export async function bundleAgent(options: {
  checkout: string;
  entry: string;
  version: string;
}): Promise<Bundle> {
  const { checkout, entry, version } = options;
  const koffi = koffiPlugin();
  const result = await build({
    absWorkingDir: checkout,
    entryPoints: { agent: entry },
    outdir: checkout,
    outExtension: { ".js": ".mjs" },
    splitting: true,
    write: false,
    metafile: true,
    bundle: true,
    platform: "node",
    target: "node26",
    format: "esm",
    // The ESM flavour of a package can be tree-shaken, which halves the AWS SDK.
    mainFields: ["module", "main"],
    conditions: ["module"],
    // CommonJS packages (convict, pino) ask for Node's own modules with require().
    banner: {
      js: 'import{createRequire as $cr}from"node:module";const require=$cr(import.meta.url);',
    },
    minifyWhitespace: true,
    minifySyntax: true,
    lineLimit: 120,
    // Licences are collected from the packages, as a whole: see licences.ts.
    legalComments: "none",
    // Not shipped: reading a map costs start-up time and memory on every host, and a trace can as
    // well be decoded where the map was kept. It names sources, it does not hold their text.
    sourcemap: "external",
    sourcesContent: false,
    plugins: [koffi.plugin, versionPlugin({ checkout, version })],
  }).catch((error: BuildFailure) => {
    throw new BuildError(`${error.errors?.length ?? 1} errors in the bundle, see above`, {
      cause: error,
    });
  });

  const packages = packagesOf(Object.values(result.metafile.outputs).flatMap(inputsUsed));
  if (packages.includes("node_modules/koffi") && !koffi.wasApplied()) {
    throw new BuildError("koffi loads its native file in a new way: see koffiPlugin in bundle.ts");
  }
  const outputs = result.outputFiles.map(({ path, text }) => [basename(path), text] as const);
  return {
    files: new Map(outputs.filter(([name]) => name.endsWith(".mjs"))),
    sourceMaps: new Map(outputs.filter(([name]) => name.endsWith(".map"))),
    packages: packages.map((directory) => join(checkout, directory)),
  };
}

/**
 * Makes koffi load `koffi.node` from beside the bundle. Its own loader looks in node_modules
 * for the files of twenty platforms, and hides why the right one did not load (a library that the
 * host lacks, say). Ours has one file to load and lets the error through.
 */
function koffiPlugin(): { plugin: Plugin; wasApplied: () => boolean } {
  let applied = false;
  const plugin: Plugin = {
    name: "koffi",
    setup(build) {
      build.onLoad({ filter: /\/node_modules\/koffi\/.*\/static\.js$/ }, () => {
        applied = true;
        return { contents: 'export const loadStatic = () => require("./koffi.node");' };
      });
      build.onResolve({ filter: /^\.\/koffi\.node$/ }, ({ path }) => ({ path, external: true }));
    },
  };
  return { plugin, wasApplied: () => applied };
}

/**
 * Gives src/lib/version.ts a package.json with the version that is being built, and nothing else:
 * packages of another version (a release made of a `-dev` commit, say) need no other source.
 */
function versionPlugin({ checkout, version }: { checkout: string; version: string }): Plugin {
  const manifest = join(checkout, "package.json");
  return {
    name: "version",
    setup(build) {
      build.onLoad({ filter: /[/\\]package\.json$/ }, ({ path }) =>
        path === manifest ? { contents: JSON.stringify({ version }), loader: "json" } : undefined,
      );
    },
  };
}

/** The sources that are left in an output file after tree-shaking. */
function inputsUsed(output: { inputs: Record<string, { bytesInOutput: number }> }): string[] {
  return Object.entries(output.inputs)
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .map(([path]) => path);
}

/**
 * The package directories that some source files belong to.
 * @param paths such as `src/main.ts` or `node_modules/a/node_modules/@b/c/lib/d.js`.
 * @returns such as `node_modules/a/node_modules/@b/c`; sorted, each once.
 */
export function packagesOf(paths: readonly string[]): string[] {
  const directories = paths
    .map((path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0])
    .filter((directory) => directory !== undefined);
  return [...new Set(directories)].sort();
}
