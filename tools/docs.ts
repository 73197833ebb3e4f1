import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { BOOTSTRAP_KEYS } from "../src/config/bootstrap.ts";
import { FLEET_PARAMETERS, settingsSchema } from "../src/config/schema.ts";
import { commonFields, eventContents, eventSections } from "./docs/events.ts";
import { table } from "./docs/table.ts";

/**
 * `npm run docs`: writes the parts of the documents that are made from the source, between
 * `<!-- NAME -->` and `<!-- /NAME -->`. A test holds the documents against the same tables.
 */
const ROOT = new URL("../", import.meta.url);

/** Each document with its generated parts, by their names. */
export const GENERATED: Readonly<Record<string, Readonly<Record<string, () => string>>>> = {
  "README.md": { parameters: parameterTable, bootstrap: bootstrapTable },
  "docs/events.md": { contents: eventContents, common: commonFields, events: eventSections },
};

/** Where a document is. */
export function pathOf(document: string): string {
  return fileURLToPath(new URL(document, ROOT));
}

/** A document with every generated part made anew. @throws Error if a part's marks are missing */
export function withGenerated(document: string, text: string): string {
  let result = text;
  for (const [name, make] of Object.entries(GENERATED[document] ?? {})) {
    const part = new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- /${name} -->)`);
    if (!part.test(result)) throw new Error(`${document} has no part ${name}`);
    result = result.replace(part, (_, open: string, close: string) => `${open}${make()}${close}`);
  }
  return result;
}

function parameterTable(): string {
  const known = { ...settingsSchema, ...FLEET_PARAMETERS };
  const rows = Object.entries(known).map(([name, { default: value, doc }]) => {
    return [`\`${name}\``, value === null ? "required" : `\`${value}\``, doc];
  });
  return table([["parameter", "default", "meaning"], ...rows]);
}

function bootstrapTable(): string {
  const rows = BOOTSTRAP_KEYS.map(({ key, env, doc, default: value }) => {
    const values = typeof value === "string" ? value : value?.join(", ");
    const isSaid =
      values === undefined || values === "" || values === "*" || doc.includes("Default");
    return [`\`${key}\``, `\`${env}\``, isSaid ? doc : `${doc} Default: \`${values}\`.`];
  });
  return table([["key", "variable", "meaning"], ...rows]);
}

if (process.argv.includes("--write")) {
  for (const document of Object.keys(GENERATED)) {
    const path = pathOf(document);
    await writeFile(path, withGenerated(document, await readFile(path, "utf8")));
  }
}
