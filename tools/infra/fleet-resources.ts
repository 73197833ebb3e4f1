import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { madeUpResources } from "./made-up.ts";
import type { ResolvedResource } from "./resolve.ts";
import { readTemplate, type Template } from "./template.ts";

const TEMPLATE = fileURLToPath(new URL("../../infra/fleet.yaml", import.meta.url));

/** What has no default in the template. */
const NEEDED = { Fleet: "web", Bucket: "a-bucket", KeyPrefix: "web/" } as const;

/** The template of a fleet's stack. */
export async function readFleetTemplate(): Promise<Template> {
  return readTemplate(await readFile(TEMPLATE, "utf8"));
}

/**
 * The resources of a fleet's stack, as it would be.
 * @param parameters on top of those that the template needs
 */
export async function fleetResources(
  parameters: Readonly<Record<string, string>> = {},
): Promise<readonly ResolvedResource[]> {
  return madeUpResources(await readFleetTemplate(), { ...NEEDED, ...parameters });
}
