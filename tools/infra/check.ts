import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { type CheckedStack, checkStack } from "./check-stack.ts";
import type { Clients } from "./clients.ts";
import { REGION } from "./made-up.ts";
import { PARAMETER_SETS } from "./parameter-sets.ts";
import { openSchemas } from "./schemas.ts";
import { readTemplate, type Template } from "./template.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * CloudFormation takes no longer body in a request; more has to go through a bucket.
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
 */
export const BODY_BYTES_MAX = 51_200;

export interface TemplateFile {
  /** Without `.yaml`. */
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
  readonly template: Template;
}

/** All templates of `infra/`, by name. */
export async function readTemplates(): Promise<readonly TemplateFile[]> {
  const paths = readdirSync(`${ROOT}/infra`)
    .filter((file) => file.endsWith(".yaml"))
    .sort()
    .map((file) => `${ROOT}/infra/${file}`);
  return await Promise.all(
    paths.map(async (path) => {
      const text = await readFile(path, "utf8");
      const bytes = Buffer.byteLength(text);
      return { name: basename(path, ".yaml"), path, bytes, template: readTemplate(text) };
    }),
  );
}

/** What cfn-lint has to say, one finding a line; empty when it is content. */
export function lint(paths: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(`${ROOT}/.venv/bin/cfn-lint`, ["--format", "parseable", ...paths], (error, stdout) => {
      // It ends with a code of its own when it has findings, and those are the answer.
      if (error !== null && stdout === "") reject(error);
      else resolve(stdout.replaceAll(ROOT, ""));
    });
  });
}

/** Every stack of a template, by the name of its parameter set. */
export async function checkTemplate(
  clients: Clients,
  { name, template }: TemplateFile,
): Promise<ReadonlyMap<string, CheckedStack>> {
  const schemas = await openSchemas(REGION);
  const stacks = new Map<string, CheckedStack>();
  for (const [set, parameters] of Object.entries(PARAMETER_SETS[name] ?? {})) {
    const stack = { name: `${name}-${set}`, template, parameters };
    stacks.set(set, await checkStack(clients, schemas, stack));
  }
  return stacks;
}

/** What the parameter sets of a template leave untried: a condition, or a parameter's value. */
export function untried(
  { template }: TemplateFile,
  stacks: ReadonlyMap<string, CheckedStack>,
): readonly string[] {
  const all = [...stacks.values()].map(({ resolved }) => resolved);
  if (all.length === 0) return ["there is no entry in tools/infra/parameter-sets.ts"];
  const conditions = Object.keys(template.Conditions).flatMap((name) =>
    [true, false].flatMap((is) =>
      all.some(({ conditions: decided }) => decided[name] === is)
        ? []
        : [`no parameter set makes the condition ${name} ${is}`],
    ),
  );
  const parameters = Object.entries(template.Parameters).flatMap(([name, { Default }]) =>
    all.some(({ parameters: used }) => String(used[name]) !== String(Default))
      ? []
      : [`no parameter set gives ${name} another value than its default`],
  );
  return [...conditions, ...parameters];
}
