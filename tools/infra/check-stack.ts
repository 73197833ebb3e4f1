import type { Clients } from "./clients.ts";
import { differences } from "./compare.ts";
import { type DeployedStack, deploy } from "./deploy.ts";
import { bodyForLocalAws } from "./fill-in.ts";
import { madeUpPlace } from "./made-up.ts";
import { type ResolvedResource, type ResolvedStack, resolveTemplate } from "./resolve.ts";
import type { SchemaCheck } from "./schemas.ts";
import { SERVICES, type Told } from "./services.ts";
import type { Template } from "./template.ts";

/** One resource of one stack, and how it was looked at. */
export interface CheckedResource {
  readonly logicalId: string;
  readonly type: string;
  /** `CloudFormation`, `API` or `schema`; see `Service`. */
  readonly by: string;
  /** What its service tells of it, in the words of the template; undefined when none was asked. */
  readonly told: Readonly<Record<string, unknown>> | undefined;
  readonly findings: readonly string[];
}

export interface CheckedStack {
  /** The template as it came to be, with the names and ARNs that its resources got. */
  readonly resolved: ResolvedStack;
  readonly resources: readonly CheckedResource[];
  /** What is wrong beside single resources. */
  readonly findings: readonly string[];
}

/**
 * Deploys a template into a local AWS, asks the service of every resource what came to be, and
 * compares that with what the template declares, property by property. Each resource is held
 * against the schema of its type too; for what the local AWS does not have that is all.
 * @throws Error when the template, its parameters or the deployment are refused
 */
export async function checkStack(
  clients: Clients,
  check: SchemaCheck,
  stack: {
    readonly name: string;
    readonly template: Template;
    readonly parameters: Readonly<Record<string, string>>;
  },
): Promise<CheckedStack> {
  const { name, template, parameters } = stack;
  // What is skipped has made-up names: nothing of it can be asked for.
  const madeUp = madeUpPlace(template, parameters, name);
  const before = resolveTemplate(template, parameters, madeUp);
  const body = bodyForLocalAws(template, before, (id) => {
    const type = before.resources[id]?.type;
    if (type === undefined || SERVICES[type]?.by === "CloudFormation") return undefined;
    return { physicalId: madeUp.physicalId(id), attribute: (of) => madeUp.attribute(id, of) };
  });
  const deployed = await deploy(clients, { name, body, parameters });
  const told = await askAll(clients, before, deployed);
  const resolved = resolveTemplate(template, parameters, {
    ...madeUp,
    physicalId: (id) => deployed.physicalIds.get(id) ?? madeUp.physicalId(id),
    attribute: (id, attribute) =>
      attributeOf(told.get(id), attribute) ?? madeUp.attribute(id, attribute),
  });
  const resources: CheckedResource[] = [];
  for (const resource of Object.values(resolved.resources)) {
    const { id: logicalId } = resource;
    const isMade = deployed.physicalIds.has(logicalId);
    const answer =
      told.get(logicalId) ?? (await makeAndAsk(clients, resource, `${name}-${logicalId}`));
    resources.push({
      logicalId,
      type: resource.type,
      by: SERVICES[resource.type]?.by ?? "nothing",
      told: answer instanceof Error ? undefined : answer?.properties,
      findings: [...(await check(resource)), ...findingsOf(resource, answer, isMade)],
    });
  }
  const outputs = Object.fromEntries(deployed.outputs);
  return { resolved, resources, findings: differences(resolved.outputs, outputs, [], "Outputs") };
}

/** What is wrong with a resource by what its service told, or by nobody's having asked. */
function findingsOf(
  { type, properties }: ResolvedResource,
  answer: Told | Error | undefined,
  isMade: boolean,
): readonly string[] {
  const service = SERVICES[type];
  if (service === undefined) return [`${type} has no entry in tools/infra/services.ts`];
  if (service.by !== "CloudFormation" && isMade) {
    return [`the local AWS makes ${type} by now: ask for it in tools/infra/services.ts`];
  }
  if (service.by === "schema") return [];
  if (answer === undefined) return ["was not asked for"];
  if (answer instanceof Error) return [`was not made: ${answer.message}`];
  return differences(properties, answer.properties, service.forgets);
}

/** Makes what the local CloudFormation skips, where its service can. */
async function makeAndAsk(
  clients: Clients,
  { type, properties }: ResolvedResource,
  name: string,
): Promise<Told | Error | undefined> {
  const service = SERVICES[type];
  if (service?.by !== "API") return undefined;
  const made = service.make(clients, properties, name);
  return await made.then((id) => service.ask(clients, id, properties)).catch(asError);
}

/** Asks for what the local CloudFormation is to have made. */
async function askAll(
  clients: Clients,
  { resources }: ResolvedStack,
  { physicalIds }: DeployedStack,
): Promise<ReadonlyMap<string, Told | Error>> {
  const told = new Map<string, Told | Error>();
  for (const [logicalId, { type }] of Object.entries(resources)) {
    const service = SERVICES[type];
    if (service?.by !== "CloudFormation") continue;
    const id = physicalIds.get(logicalId);
    const answer = id === undefined ? new Error("was skipped") : service.ask(clients, id);
    told.set(logicalId, await Promise.resolve(answer).catch(asError));
  }
  return told;
}

/** @throws Error when the service has the resource and is not known to tell that of it */
function attributeOf(told: Told | Error | undefined, attribute: string): string | undefined {
  if (told === undefined || told instanceof Error) return undefined;
  const value = told.attributes?.[attribute];
  if (value === undefined) throw new Error(`tools/infra/services.ts knows no ${attribute}`);
  return value;
}

const asError = (error: unknown) => (error instanceof Error ? error : new Error(String(error)));
