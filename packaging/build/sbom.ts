import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Enums, Models, Serialize, SPDX, Spec } from "@cyclonedx/cyclonedx-library";
import { BuildError } from "./build-error.ts";
import type { Architecture, Runtime } from "./runtime.ts";

const { Component } = Models;
const { ComponentType } = Enums;

/**
 * Writes the software bill of materials of a tree, in CycloneDX 1.6 (JSON): every npm package with
 * code in the bundle, Node with the libraries that are linked into it, and koffi's native file.
 * `npm sbom` would list what is installed here, tools and tests too, with a new serial number and
 * time in each run. This one has neither: the same input gives the same text.
 * @param packages the directories of the packages in the bundle.
 * @param runtime the native files, as they are shipped: their SHA-256 is in the text.
 * @param date the time of what is built.
 * @throws BuildError if this process is not run by the version of Node that is shipped: it is asked
 *   for the versions of its parts, and the one of another architecture could not be.
 */
export async function writeBillOfMaterials(options: {
  checkout: string;
  version: string;
  architecture: Architecture;
  packages: readonly string[];
  runtime: Runtime;
  date: Date;
}): Promise<string> {
  const { checkout, version, architecture, packages, runtime, date } = options;
  const agent = new Component(ComponentType.Application, "s3-offload-agent", {
    version,
    bomRef: "s3-offload-agent",
    licenses: licencesOf((await readManifest(checkout)).license),
  });
  const parts = [
    await nodeComponent(runtime),
    await koffiComponent(runtime, architecture),
    ...(await Promise.all(packages.map(packageComponent))),
  ];
  for (const part of parts) agent.dependencies.add(part.bomRef);

  const bom = new Models.Bom({
    metadata: new Models.Metadata({ timestamp: date, component: agent }),
    components: new Models.ComponentRepository(parts),
  });
  const factory = new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6);
  const text = new Serialize.JsonSerializer(factory).serialize(bom, { sortLists: true, space: 1 });
  return `${text}\n`;
}

async function packageComponent(directory: string): Promise<Models.Component> {
  const { name, version, license } = await readManifest(directory);
  const purl = purlOf(name, version);
  return new Component(ComponentType.Library, name, {
    version,
    purl,
    bomRef: purl,
    licenses: licencesOf(license),
  });
}

/** Node, with what is linked into it: OpenSSL, V8, libuv and so on. */
async function nodeComponent({ node, nodeVersion }: Runtime): Promise<Models.Component> {
  if (nodeVersion !== process.versions.node) {
    throw new BuildError(
      `the bill of materials needs Node ${nodeVersion} to run the build, not ${process.versions.node}`,
    );
  }
  const linked = Object.entries(process.versions)
    .filter(([name, version]) => !["node", "modules", "napi"].includes(name) && version)
    .map(([name, version]) => {
      const bomRef = `node/${name}`;
      return version === undefined
        ? undefined
        : new Component(ComponentType.Library, name, { version, bomRef });
    })
    .filter((component) => component !== undefined);
  return new Component(ComponentType.Platform, "node", {
    version: nodeVersion,
    bomRef: "node",
    cpe: `cpe:2.3:a:nodejs:node.js:${nodeVersion}:*:*:*:*:*:*:*`,
    purl: `pkg:generic/node@${nodeVersion}`,
    hashes: await hashesOf(node),
    licenses: licencesOf("MIT"),
    components: new Models.ComponentRepository(linked),
  });
}

async function koffiComponent(
  { koffi, koffiVersion }: Runtime,
  architecture: Architecture,
): Promise<Models.Component> {
  const name = `@koromix/koffi-linux-${architecture}`;
  const purl = purlOf(name, koffiVersion);
  return new Component(ComponentType.Library, name, {
    version: koffiVersion,
    purl,
    bomRef: purl,
    hashes: await hashesOf(koffi),
    licenses: licencesOf("MIT"),
  });
}

/** The address of an npm package (github.com/package-url/purl-spec): a scope's @ is escaped. */
function purlOf(name: string, version: string): string {
  return `pkg:npm/${name.replace(/^@/, "%40")}@${version}`;
}

function licencesOf(spdx: string | undefined): Models.LicenseRepository {
  if (spdx === undefined) return new Models.LicenseRepository();
  const isOne = SPDX.isSupportedSpdxId(spdx);
  const licence = isOne ? new Models.SpdxLicense(spdx) : new Models.LicenseExpression(spdx);
  return new Models.LicenseRepository([licence]);
}

async function hashesOf(path: string): Promise<Models.HashDictionary> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return new Models.HashDictionary([[Enums.HashAlgorithm["SHA-256"], hash.digest("hex")]]);
}

async function readManifest(
  directory: string,
): Promise<{ name: string; version: string; license?: string }> {
  return JSON.parse(await readFile(join(directory, "package.json"), "utf8"));
}
