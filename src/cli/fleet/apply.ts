import { configurationError, type ExitCode } from "../../lib/errors.ts";
import type { CommandContext } from "../context.ts";
import { type ChangeOptions, carryOut } from "./carry-out.ts";
import { type FilePlanOptions, planFile, readNamed } from "./plan-source.ts";
import { type FleetOptions, type OpenAccess, openSession } from "./session.ts";

export interface ApplyOptions extends FleetOptions, FilePlanOptions, ChangeOptions {}

/**
 * `fleet apply FILE`: makes the Parameter Store say what a fleet file says, or does what a saved
 * plan says, and records it as a release.
 * @throws AgentError, see carryOut
 */
export async function fleetApply(
  name: string,
  options: ApplyOptions,
  context: CommandContext,
  open?: OpenAccess,
): Promise<ExitCode> {
  const named = await readNamed(name, context);
  const isSaved = named.kind === "plan";
  if (isSaved && (options.canary !== undefined || options.prune === true)) {
    throw configurationError(
      `The file ${name} is a saved plan, which --canary and --prune cannot change.`,
      "Give them to `fleet plan`, and apply what it saves.",
    );
  }
  const place = isSaved ? named.plan.place : { fleet: named.file.fleet, parameterRoot: undefined };
  await using session = await openSession("apply", options, context, { ...place, open });
  if (isSaved && named.plan.region !== session.access.region) {
    throw configurationError(
      `The plan was made for ${named.plan.region}, and this is ${session.access.region}.`,
      `Add --region ${named.plan.region}, or plan again.`,
    );
  }
  const plan = isSaved ? named.plan : await planFile(named, session, options);
  return await carryOut(plan, session, {
    yes: options.yes === true,
    ...(options.canary === undefined
      ? {}
      : { done: "See how it goes with `fleet canary status`, then promote or abort it." }),
  });
}
