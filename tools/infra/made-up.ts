import {
  type Place,
  type ResolvedResource,
  type ResolvedStack,
  resolveTemplate,
} from "./resolve.ts";
import type { Template } from "./template.ts";

/** The region of stacks that are made up, and of the local AWS. */
export const REGION = "eu-central-1";
/** The account of stacks that are made up, and of the local AWS. */
export const ACCOUNT = "123456789012";

/**
 * Names and ARNs for what nobody has deployed. What refers to an alarm or a log group gets the name
 * that its template gives it; the rest looks like what it stands for, so that the patterns of
 * properties that take it are held.
 * @param name of the stack
 * @throws Error as `resolveTemplate` does
 */
export function madeUpPlace(
  template: Template,
  parameters: Readonly<Record<string, string>>,
  name: string,
): Place {
  const bare: Place = {
    stackName: name,
    region: REGION,
    account: ACCOUNT,
    physicalId: (id) => `${name}-${id}`,
    attribute: (id) => id,
  };
  // Names are made of parameters only, so that one resolution finds them all.
  const stack = resolveTemplate(template, parameters, bare);
  return {
    ...bare,
    physicalId: (id) => ownName(stack, id) ?? bare.physicalId(id),
    attribute: (id, attribute) => madeUpAttribute(stack, id, attribute),
  };
}

/**
 * The resources of a stack that nobody has deployed.
 * @throws Error as `resolveTemplate` does
 */
export function madeUpResources(
  template: Template,
  parameters: Readonly<Record<string, string>>,
): readonly ResolvedResource[] {
  const place = madeUpPlace(template, parameters, "a-stack");
  return Object.values(resolveTemplate(template, parameters, place).resources);
}

function ownName({ resources }: ResolvedStack, id: string): string | undefined {
  const { AlarmName, LogGroupName } = resources[id]?.properties ?? {};
  const name = AlarmName ?? LogGroupName;
  return typeof name === "string" ? name : undefined;
}

function madeUpAttribute(stack: ResolvedStack, id: string, attribute: string): string {
  if (!attribute.endsWith("Arn")) return `${id}.test`;
  const [, service, kind] = (stack.resources[id]?.type ?? "").toLowerCase().split("::");
  const name = ownName(stack, id);
  // The ARN of a log group ends so in CloudFormation: it is for policies, streams included.
  const resource = kind === "loggroup" ? `log-group:${name}:*` : `alarm:${name}`;
  return `arn:aws:${service}:${REGION}:${ACCOUNT}:${name === undefined ? id : resource}`;
}
