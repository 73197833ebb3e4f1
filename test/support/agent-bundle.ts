import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const CHECKOUT = fileURLToPath(new URL("../../", import.meta.url));

let bundled: Promise<string> | undefined;

/**
 * Bundles the agent of this checkout, once in a process: it starts in a third of the time that the
 * sources take, and the fault tests start it hundreds of times. koffi stays outside, so that the
 * fault hook and the agent have the same one.
 * @returns the program to start
 */
export function bundledAgent(): Promise<string> {
  bundled ??= bundle();
  return bundled;
}

async function bundle(): Promise<string> {
  // Below the checkout: from there the bundle finds koffi in node_modules. Each process has its own:
  // another one must not take it away while an agent starts from it.
  const outdir = join(CHECKOUT, `build/faults/${process.pid}`);
  process.once("exit", () => rmSync(outdir, { recursive: true, force: true }));
  await build({
    absWorkingDir: CHECKOUT,
    entryPoints: { agent: "src/main.ts" },
    outdir,
    outExtension: { ".js": ".mjs" },
    splitting: true,
    bundle: true,
    platform: "node",
    target: "node26",
    format: "esm",
    mainFields: ["module", "main"],
    conditions: ["module"],
    external: ["koffi"],
    banner: {
      js: 'import{createRequire as $cr}from"node:module";const require=$cr(import.meta.url);',
    },
  });
  return join(outdir, "agent.mjs");
}
