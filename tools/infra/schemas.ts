import { globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import type { ResolvedResource } from "./resolve.ts";

/**
 * The schemas of the resource providers, as CloudFormation publishes them and as the pinned cfn-lint
 * carries them: a file for each type, and a list for each region of which file is whose.
 */
const SCHEMAS = "../../.venv/lib/python3*/site-packages/cfnlint/data/schemas";

const ajv = new Ajv({
  allErrors: true,
  // CloudFormation takes "14" for 14 and "true" for true, and so does Ajv with this.
  coerceTypes: true,
  // The schemas have words of their own (`readOnlyProperties`, `insertionOrder`), formats that are
  // theirs, and patterns that are no JavaScript with the flag "u".
  strict: false,
  validateFormats: false,
  unicodeRegExp: false,
  logger: false,
});

/** What is wrong with the properties of a resource, by the schema of its type. */
export type SchemaCheck = (resource: ResolvedResource) => Promise<readonly string[]>;

/** Finds the schemas of a region. @throws Error when cfn-lint is not installed */
export async function openSchemas(region: string): Promise<SchemaCheck> {
  const [folder] = globSync(fileURLToPath(new URL(SCHEMAS, import.meta.url)));
  if (folder === undefined) throw new Error('cfn-lint is not installed: run "npm run setup"');
  const read = async (name: string) => {
    const text = await readFile(`${folder}/${name}.json`, "utf8");
    // The end of a text, in the patterns of other languages.
    return JSON.parse(text.replaceAll('\\\\Z"', '$"'));
  };
  const files: Readonly<Record<string, string>> = await read(`providers/${region}`);
  return async ({ type, properties }) => {
    const file = files[type];
    if (file === undefined) return [`there is no type ${type} in ${region}`];
    // The rules for schemas that it names are no file here.
    const { $schema: _, ...schema } = await read(`resources/${file}`);
    const validate = ajv.compile(schema);
    // A copy: coercion changes what it is given.
    if (validate(structuredClone(properties))) return [];
    return (validate.errors ?? []).map(
      ({ instancePath, message = "", params }) =>
        `${instancePath || "/"} ${message} ${JSON.stringify(params)}`,
    );
  };
}
