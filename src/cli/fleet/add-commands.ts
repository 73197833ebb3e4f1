import { Argument, type Command, InvalidArgumentError } from "commander";
import type { ExitCode } from "../../lib/errors.ts";
import type { CommandContext } from "../context.ts";
import type { ApplyOptions } from "./apply.ts";
import type { CanaryOptions } from "./canary.ts";
import { HELP } from "./help.ts";
import type { HostAction, HostOptions } from "./host.ts";
import type { PlanCommandOptions } from "./plan.ts";
import type { PullOptions } from "./pull.ts";
import type { RollbackOptions } from "./rollback.ts";
import type { FleetOptions, OpenAccess } from "./session.ts";

/**
 * Adds `fleet` with its commands, which are for an operator's laptop: no bootstrap file is read.
 * @param done takes the exit code of the command that was called
 * @param open reaches the services; a test has its own
 * @returns the command `fleet`, for more of its kind
 */
export function addFleetCommands(
  program: Command,
  context: CommandContext,
  done: (exitCode: ExitCode) => void,
  open?: OpenAccess,
): Command {
  const fleet = program
    .command("fleet")
    .description("steer a whole fleet, from anywhere with credentials for it")
    .addHelpText("after", HELP.fleet)
    .exitOverride();
  const add = (parent: Command, name: string, description: string, help: string) =>
    addFleetOptions(parent.command(name).description(description)).addHelpText("after", help);
  const addChange = (parent: Command, name: string, description: string, help: string) =>
    add(parent, name, description, help)
      .option("-y, --yes", "do not ask")
      .option("-m, --message <text>", "why, for `fleet history`");

  add(fleet, "pull", "write the fleet file of what is in the Parameter Store", HELP.pull)
    .option("-o, --output <file>", "write it there instead of to standard output")
    .option("--force", "write over the file, whose comments are lost")
    .option("--host <id...>", "take this host's own parameters too")
    .option("--all-hosts", "take the own parameters of every host below the parameter root")
    .action(async (options: PullOptions) => {
      const { fleetPull } = await import("./pull.ts");
      done(await fleetPull(options, context, open));
    });
  add(fleet, "plan", "show what `apply` would change; change nothing", HELP.plan)
    .argument("<file>", "the fleet file")
    .option("--prune", "remove what the file does not name")
    .option("--canary <percent>", "plan a trial on so many percent of the hosts", percent)
    .option("-m, --message <text>", "why, for `fleet history`, if the plan is saved and applied")
    .option("-o, --output <file>", "save the plan for `fleet apply`")
    .option("--detailed-exitcode", "end with 1 if there is anything to apply, as diff does")
    .action(async (file: string, options: PlanCommandOptions) => {
      const { fleetPlan } = await import("./plan.ts");
      done(await fleetPlan(file, options, context, open));
    });
  addChange(fleet, "apply", "make the Parameter Store say what a file says", HELP.apply)
    .argument("<file>", "the fleet file, or a plan that `plan -o` saved")
    .option("--prune", "remove what the file does not name")
    .option("--canary <percent>", "let so many percent of the hosts try it first", percent)
    .action(async (file: string, options: ApplyOptions) => {
      const { fleetApply } = await import("./apply.ts");
      done(await fleetApply(file, options, context, open));
    });
  add(fleet, "history", "show the releases, the newest first", HELP.history).action(
    async (options: FleetOptions) => {
      const { fleetHistory } = await import("./history.ts");
      done(await fleetHistory(options, context, open));
    },
  );
  addChange(fleet, "rollback", "make the parameters what a release made them", HELP.rollback)
    .argument("<release>", "its number in `fleet history`")
    .action(async (number: string, options: RollbackOptions) => {
      const { fleetRollback } = await import("./rollback.ts");
      done(await fleetRollback(number, options, context, open));
    });
  addChange(fleet, "host", "show or change the parameters of one host", HELP.host)
    .argument("<id>", "the host's id")
    .addArgument(new Argument("<action>", "what to do").choices(["show", "set", "unset"]))
    .argument("[items...]", "LEAF=VALUE to set, LEAF to unset")
    .action(async (id: string, action: HostAction, items: string[], options: HostOptions) => {
      const { fleetHost } = await import("./host.ts");
      done(await fleetHost(id, action, items, options, context, open));
    });

  const canary = fleet
    .command("canary")
    .description("look at a trial on some hosts, and end it")
    .addHelpText("after", HELP.canary)
    .exitOverride();
  add(canary, "status", "show how the canary hosts do", HELP.canaryStatus).action(
    async (options: FleetOptions) => {
      const { canaryStatus } = await import("./canary.ts");
      done(await canaryStatus(options, context, open));
    },
  );
  addChange(canary, "promote", "give what they try to the whole fleet", HELP.canaryPromote)
    .option("--force", "although something speaks against it, which is told")
    .action(async (options: CanaryOptions) => {
      const { canaryPromote } = await import("./canary.ts");
      done(await canaryPromote(options, context, open));
    });
  addChange(canary, "abort", "take what they try away again", HELP.canaryAbort).action(
    async (options: CanaryOptions) => {
      const { canaryAbort } = await import("./canary.ts");
      done(await canaryAbort(options, context, open));
    },
  );
  return fleet;
}

/** What every command of `fleet` takes. */
export function addFleetOptions(command: Command): Command {
  return command
    .option("--fleet <name>", "the fleet (default: what the file says, or S3_OFFLOAD_FLEET)")
    .option(
      "--parameter-root <path>",
      "where the parameters are (default: S3_OFFLOAD_PARAMETER_ROOT, or /s3-offload-agent)",
    )
    .option("--region <region>", "AWS region (default: as the SDK finds it)")
    .option("--json", "one JSON object on standard output, everything for people on standard error")
    .exitOverride();
}

/** As `canary/percent` takes it, but not 0: nobody would try anything. */
function percent(text: string): string {
  const isPercent = /^\d{1,3}(\.\d{1,6})?$/.test(text) && Number(text) > 0 && Number(text) <= 100;
  if (isPercent) return text;
  throw new InvalidArgumentError("It must be a number above 0, up to 100.");
}
