import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { BuildError } from "./build-error.ts";
import type { Architecture, Runtime } from "./runtime.ts";

/** GNU binutils of each architecture, by their names in Debian: a `strip` knows only its own. */
const STRIP: Record<Architecture, string> = {
  x64: "x86_64-linux-gnu-strip",
  arm64: "aarch64-linux-gnu-strip",
};

/**
 * Takes the symbols out of the native files, a fifth of their size. A stack trace of JavaScript
 * needs none of them; a core dump is read with the Node of the same version that nodejs.org has.
 * What native files import and export stays (`.dynsym`), so koffi still finds Node's functions.
 * @param directory where the stripped copies go, made if missing.
 * @returns the runtime with the stripped files.
 * @throws BuildError if the program is missing or fails.
 */
export async function stripRuntime(options: {
  runtime: Runtime;
  architecture: Architecture;
  directory: string;
}): Promise<Runtime> {
  const { runtime, architecture, directory } = options;
  await mkdir(directory, { recursive: true });
  const strip = async (from: string, name: string): Promise<string> => {
    const to = join(directory, name);
    const args = ["--strip-all", "--remove-section=.comment", "-o", to, from];
    await promisify(execFile)(STRIP[architecture], args).catch((error: Error) => {
      throw new BuildError(`${STRIP[architecture]} failed: ${error.message}`);
    });
    return to;
  };
  const [node, koffi] = await Promise.all([
    strip(runtime.node, "node"),
    strip(runtime.koffi, "koffi.node"),
  ]);
  return { ...runtime, node, koffi };
}
