import { chmod, copyFile, link, mkdir, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { configurationError, isErrno } from "../../src/lib/errors.ts";
import type { Keys } from "./keys.ts";
import { identityOf, type Package } from "./packages.ts";
import { runTool, toolError, tryTool } from "./tool.ts";

/** A package with the places where it is not yet, and a place where it is. */
export interface Addition {
  readonly wanted: Package;
  readonly missing: readonly string[];
  readonly present: string | undefined;
}

/**
 * Compares the packages with the repository; writes nothing.
 * @throws AgentError (exit code 2) if another package of one's name and version is there
 */
export async function planAdditions(
  out: string,
  packages: readonly Package[],
): Promise<Addition[]> {
  const additions: Addition[] = [];
  for (const wanted of packages) {
    const missing: string[] = [];
    let present: string | undefined;
    for (const place of wanted.places) {
      const bytes = await readFile(join(out, place)).catch((error: unknown) => {
        if (isErrno(error, "ENOENT")) return undefined;
        throw error;
      });
      if (bytes === undefined) {
        missing.push(place);
        continue;
      }
      if (identityOf(wanted.format, bytes, join(out, place)) !== wanted.identity) {
        throw configurationError(
          `The repository has another ${basename(place)} than ${wanted.file}.`,
          "What was published never changes: hosts and caches may have it. Make the package under a new version.",
        );
      }
      present = place;
    }
    if (missing.length > 0) additions.push({ wanted, missing, present });
  }
  return additions;
}

/**
 * Puts a package into its places, RPMs with the first key's signature. A place gets the whole file
 * or nothing. The package that was given is not touched.
 * @param work a directory on the filesystem of `out`
 */
export async function addPackage(options: {
  readonly out: string;
  readonly work: string;
  readonly addition: Addition;
  readonly keys: Keys;
  /** Public keys in armor, to check the new signature with. */
  readonly keyFile: string;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { out, work, addition, keys, keyFile, signal } = options;
  const { wanted, missing, present } = addition;
  const copy = join(work, basename(missing[0] ?? wanted.file));
  await copyFile(present === undefined ? wanted.file : join(out, present), copy);
  if (wanted.format === "rpm" && present === undefined) {
    await keys.signRpm(copy);
    await checkRpm(copy, keyFile, work, signal);
    const isSame = identityOf("rpm", await readFile(copy), copy) === wanted.identity;
    if (!isSame) throw toolError("rpmsign", `it changed more of ${wanted.file} than signatures`);
  }
  await chmod(copy, 0o644);
  for (const place of missing) {
    const to = join(out, place);
    await mkdir(dirname(to), { recursive: true });
    const part = join(work, "part");
    await rm(part, { force: true });
    await link(copy, part);
    await rename(part, to);
  }
  await rm(copy);
}

/** Checks signature and digests as a host would that knows our keys and no others. */
async function checkRpm(file: string, keyFile: string, work: string, signal: AbortSignal) {
  const database = join(work, "rpmdb");
  const known = ["-D", `_dbpath ${database}`];
  await rm(database, { recursive: true, force: true });
  await runTool("rpmkeys", [...known, "--import", keyFile], { signal });
  const { status, stdout } = await tryTool("rpmkeys", [...known, "--checksig", file], { signal });
  const said = stdout.toString().trim();
  if (status !== 0 || !said.endsWith("digests signatures OK")) {
    throw toolError("The new signature does not hold", said);
  }
}
