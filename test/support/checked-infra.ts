import { readTemplates, type TemplateFile } from "../../tools/infra/check.ts";
import { type CheckedStack, checkStack } from "../../tools/infra/check-stack.ts";
import { clientsOf } from "../../tools/infra/clients.ts";
import { REGION } from "../../tools/infra/made-up.ts";
import { openSchemas } from "../../tools/infra/schemas.ts";
import type { LocalAws } from "../../tools/local-aws.ts";

/** The template of `infra/` with that name, without `.yaml`. */
export async function templateNamed(name: string): Promise<TemplateFile> {
  const file = (await readTemplates()).find((one) => one.name === name);
  if (file === undefined) throw new Error(`there is no infra/${name}.yaml`);
  return file;
}

/**
 * Deploys a template of `infra/` into a local AWS.
 * @param stack.name of a stack that is not there yet; resources without names are named after it
 */
export async function deployInfra(
  aws: LocalAws,
  stack: {
    readonly template: string;
    readonly name: string;
    readonly parameters: Readonly<Record<string, string>>;
  },
): Promise<CheckedStack> {
  const { template } = await templateNamed(stack.template);
  return await checkStack(clientsOf(aws), await openSchemas(REGION), { ...stack, template });
}

/** What a service told of a resource that it made. @throws Error when it told nothing */
export function toldOf(stack: CheckedStack, logicalId: string): Readonly<Record<string, unknown>> {
  const told = stack.resources.find((one) => one.logicalId === logicalId)?.told;
  if (told === undefined) throw new Error(`nothing is told of ${logicalId}`);
  return told;
}
