import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { isDue } from "../../fleet/plan.ts";
import { writePlan } from "../../fleet/plan-file.ts";
import { planText } from "../../fleet/render-plan.ts";
import { configurationError, ExitCode, messageOf } from "../../lib/errors.ts";
import type { CommandContext } from "../context.ts";
import { planExitCode } from "./carry-out.ts";
import { type FilePlanOptions, planFile, readNamed } from "./plan-source.ts";
import { type FleetOptions, type OpenAccess, openSession } from "./session.ts";

export interface PlanCommandOptions extends FleetOptions, FilePlanOptions {
  readonly output?: string;
  readonly detailedExitcode?: boolean;
}

/**
 * `fleet plan FILE`: shows what `apply` would do, and can save it. Changes nothing.
 * @returns 0; with --detailed-exitcode 1 if there is anything to apply, as diff(1) does
 * 2 if hosts or SSM would refuse it
 * @throws AgentError; 2 if the file is wrong
 */
export async function fleetPlan(
  name: string,
  options: PlanCommandOptions,
  context: CommandContext,
  open?: OpenAccess,
): Promise<ExitCode> {
  const named = await readNamed(name, context);
  if (named.kind === "plan") {
    throw configurationError(
      `The file ${name} is a plan already.`,
      `Apply it with \`fleet apply ${name}\`, or plan the fleet file.`,
    );
  }
  await using session = await openSession("plan", options, context, {
    fleet: named.file.fleet,
    open,
  });
  const plan = await planFile(named, session, options);
  session.tell(planText(plan, session.palette));
  session.answer(plan);
  if (plan.problems.length > 0) return planExitCode(plan, session);
  if (options.output !== undefined) {
    try {
      await writeFile(resolve(context.workingDirectory, options.output), writePlan(plan));
    } catch (error) {
      throw configurationError(
        `The plan cannot be saved: ${messageOf(error)}.`,
        "Name a file in a folder that is there.",
        error,
      );
    }
    session.tell(`Saved: \`fleet apply ${options.output}\` applies exactly this.\n`);
  }
  const isChange = isDue(plan) && plan.recording !== "first";
  return options.detailedExitcode === true && isChange ? ExitCode.failed : ExitCode.done;
}
