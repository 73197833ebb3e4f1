import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { BuildError } from "./build-error.ts";

/** The version in the package.json of a directory: a package's, or the checkout's. */
export async function packageVersion(directory: string): Promise<string> {
  return JSON.parse(await readFile(join(directory, "package.json"), "utf8")).version;
}

/** A version in the words of both package formats. */
export interface PackageVersion {
  /**
   * Such as `0.2.0` or `0.2.0~dev`. A tilde sorts before everything, even the end, in dpkg and in
   * rpm: so what comes before a release sorts before it.
   */
  readonly upstream: string;
  /** The release of the packaging, `1`: a package is never made anew from the same version. */
  readonly release: string;
}

/**
 * Puts a version of Semantic Versioning into the words of dpkg and rpm.
 * @param version such as `0.2.0`, `0.2.0-dev` or `0.2.0-dev.20261124`. Build metadata (`+...`) is
 *   refused: packages that differ in nothing else would not be told apart by semver's order, and
 *   would be by dpkg's. So is a hyphen within the part behind the first one, which rpm's versions
 *   cannot have.
 * @throws BuildError if it is none.
 */
export function packageVersionOf(version: string): PackageVersion {
  const number = "(?:0|[1-9]\\d*)";
  const match = new RegExp(
    `^(${number}\\.${number}\\.${number})(?:-([0-9A-Za-z]+(?:\\.[0-9A-Za-z]+)*))?$`,
  ).exec(version);
  if (!match) {
    throw new BuildError(`${version} is no version to package: 1.2.3 or 1.2.3-dev.4 are`);
  }
  const [, numbers, prerelease] = match;
  return { upstream: prerelease ? `${numbers}~${prerelease}` : `${numbers}`, release: "1" };
}
