import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { BOOTSTRAP_KEYS } from "../src/config/bootstrap.ts";
import { FLEET_PARAMETERS, settingsSchema } from "../src/config/schema.ts";
import { EVENTS } from "../src/logs/events.ts";

/**
 * `npm run docs`: writes the parts of the README that are made from the source, between
 * `<!-- NAME -->` and `<!-- /NAME -->`. A test holds the README against the same tables.
 */
const README = fileURLToPath(new URL("../README.md", import.meta.url));

/** Each generated part of the README, by its name. */
export const GENERATED: Readonly<Record<string, () => string>> = {
  parameters: parameterTable,
  bootstrap: bootstrapTable,
  events: eventTable,
};

/** The README with every generated part made anew. @throws Error if a part's marks are missing */
export function withGenerated(text: string): string {
  let result = text;
  for (const [name, make] of Object.entries(GENERATED)) {
    const part = new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- /${name} -->)`);
    if (!part.test(result)) throw new Error(`README.md has no part ${name}`);
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

function eventTable(): string {
  const rows = Object.entries(EVENTS).map(([name, { level, doc }]) => [`\`${name}\``, level, doc]);
  return table([["event", "level", "meaning"], ...rows]);
}

function table(rows: readonly (readonly string[])[]): string {
  const lines = rows.map(
    (row) => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`,
  );
  const [head = "", ...body] = lines;
  const rule = `|${"---|".repeat(rows[0]?.length ?? 0)}`;
  return `${[head, rule, ...body].join("\n")}\n`;
}

if (process.argv.includes("--write")) {
  await writeFile(README, withGenerated(await readFile(README, "utf8")));
}
