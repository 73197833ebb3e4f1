import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

/**
 * Whether the SDK will find a region by itself: in AWS_REGION, or in the profile of the shared
 * files. Only whether: what they say is for the SDK to read.
 */
export async function hasOwnRegion(
  env: Readonly<Record<string, string | undefined>>,
): Promise<boolean> {
  if (env["AWS_REGION"]) return true;
  const profile = env["AWS_PROFILE"] || "default";
  const folder = join(env["HOME"] || homedir(), ".aws");
  const files = [
    env["AWS_CONFIG_FILE"] || join(folder, "config"),
    env["AWS_SHARED_CREDENTIALS_FILE"] || join(folder, "credentials"),
  ];
  for (const file of files) {
    const text = await readFile(file, "utf8").catch(() => "");
    if (hasRegion(text, profile)) return true;
  }
  return false;
}

/** `[profile NAME]` in one file, `[NAME]` in the other; both are taken in either. */
function hasRegion(text: string, profile: string): boolean {
  let section = "";
  for (const line of text.split("\n")) {
    const [, name] = /^\s*\[\s*(?:profile\s+)?["']?([^\]"']*?)["']?\s*\]/.exec(line) ?? [];
    if (name !== undefined) section = name;
    else if (section === profile && /^region\s*=\s*\S/.test(line)) return true;
  }
  return false;
}
