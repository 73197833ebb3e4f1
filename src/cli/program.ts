import { Command, CommanderError } from "commander";
import { BOOTSTRAP_FILE_DEFAULT } from "../config/bootstrap.ts";
import { ExitCode } from "../lib/errors.ts";
import { VERSION } from "../lib/version.ts";
import type { AllowOptions } from "./allow.ts";
import type { DoctorOptions } from "./checks/host-survey.ts";
import type { CommandContext, CommonOptions } from "./context.ts";
import { addFleetCommands } from "./fleet/add-commands.ts";
import { addHostsCommands } from "./fleet/hosts-commands.ts";
import { HELP } from "./help.ts";
import type { RetryOptions } from "./retry.ts";
import type { SweepCommandOptions } from "./sweep.ts";

/**
 * Reads the command line and runs the command it names. Each command is loaded when it is called,
 * so that `version` does not wait for the AWS SDK.
 * @param args without the program's own name
 * @returns the exit code
 * @throws AgentError and bugs
 */
export async function runCommand(
  args: readonly string[],
  context: CommandContext,
): Promise<number> {
  let exitCode: number = ExitCode.done;
  const program = createProgram(context, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...args], { from: "user" });
  } catch (error) {
    // Commander has said it already: help and version end with 0, anything else is a wrong usage.
    if (error instanceof CommanderError)
      return error.exitCode === 0 ? ExitCode.done : ExitCode.configuration;
    throw error;
  }
  return exitCode;
}

/**
 * All commands with their options and help, for the command line, the manual pages and the
 * completions of shells. Nothing runs before the program is told to parse arguments.
 * @param done takes the exit code of the command that was called
 */
export function createProgram(
  context: CommandContext,
  done: (exitCode: ExitCode) => void,
): Command {
  const program = new Command("s3-offload-agent")
    .description("Moves finished files of a local directory into an S3 bucket, and loses none.")
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
      outputError: (text, write) => write(`s3-offload-agent: ${text.replace(/^error: /, "")}`),
    })
    .showHelpAfterError("  way out: see s3-offload-agent --help")
    .helpCommand("help [command]", "show how to use a command")
    .helpOption("-h, --help", "show how to use it")
    .addHelpText("after", HELP.program)
    .version(VERSION, "--version", "print the version")
    .exitOverride();

  const add = (parent: Command, name: string, description: string) =>
    parent
      .command(name)
      .description(description)
      .option("--config <file>", `bootstrap file (default: ${BOOTSTRAP_FILE_DEFAULT})`)
      .exitOverride();

  add(program, "run", "run the daemon: sweep on schedule and follow the parameters")
    .option("--json", "no difference: the daemon's output is JSON anyway")
    .addHelpText("after", HELP.run)
    .action(async (options: CommonOptions) => {
      const { run } = await import("./run.ts");
      done(await run(options, context));
    });
  add(program, "sweep", "do one sweep now")
    .option("--dry-run", "tell what would go, wait or stay, and why; do nothing")
    .option("--route <name>", "only this route (default: all of them)")
    .option("--json", "one event a line, the last one is sweep.completed")
    .addHelpText("after", HELP.sweep)
    .action(async (options: SweepCommandOptions) => {
      const { sweep } = await import("./sweep.ts");
      done(await sweep(options, context));
    });
  add(program, "status", "tell how the daemon and this host's files are")
    .option("--json", "as one JSON object")
    .addHelpText("after", HELP.status)
    .action(async (options: CommonOptions) => {
      const { status } = await import("./status.ts");
      done(await status(options, context));
    });
  add(program, "doctor", "check what the agent needs of this host and of AWS, and say what to mend")
    .option("--write", "put a tiny object below each route's prefix; it stays there")
    .option("--json", "as one JSON object")
    .addHelpText("after", HELP.doctor)
    .action(async (options: DoctorOptions) => {
      const { doctor } = await import("./doctor.ts");
      done(await doctor(options, context));
    });
  add(program, "retry", "give files that failed another try: all, or those named")
    .argument("[path...]", "files as status shows them, relative to the watched directory")
    .option("--directory <dir>", "watched directory (default: what the parameters say)")
    .option("--json", "as one JSON object")
    .addHelpText("after", HELP.retry)
    .action(async (paths: string[], options: RetryOptions) => {
      const { retry } = await import("./retry.ts");
      done(await retry(paths, options, context));
    });
  add(
    program,
    "allow",
    "let the agent take files from directories: the bootstrap file and the unit",
  )
    .argument("[dir...]", "directories to put on the list of allowed roots")
    .option("--remove", "take them from the list")
    .option("--make", "make those that are not there")
    .option("--sync", "only give the unit the access that the bootstrap file says")
    .option("--json", "as one JSON object")
    .addHelpText("after", HELP.allow)
    .action(async (directories: string[], options: AllowOptions) => {
      const { allow } = await import("./allow.ts");
      done(await allow(directories, options, context));
    });
  const config = program.command("config").description("look at the configuration").exitOverride();
  add(config, "show", "show every setting and where it comes from, as the parameters say now")
    .option("--origin", "with the whole name of the parameter that each value comes from")
    .option("--json", "as one JSON object")
    .addHelpText("after", HELP.configShow)
    .action(async (options: CommonOptions & { readonly origin?: boolean }) => {
      const { configShow } = await import("./config.ts");
      done(await configShow(options, context));
    });
  add(config, "check", "check whether this host takes its parameters, and what they would change")
    .argument(
      "[file]",
      "a fleet file, before it is applied (default: the parameters as they are now)",
    )
    .option("--json", "as one JSON object")
    .addHelpText("after", HELP.configCheck)
    .action(async (file: string | undefined, options: CommonOptions) => {
      const { configCheck } = await import("./config-check.ts");
      done(await configCheck(file, options, context));
    });
  addHostsCommands(addFleetCommands(program, context, done), context, done);
  program
    .command("version")
    .description("print the version")
    .option("--json", "as one JSON object")
    .exitOverride()
    .action(({ json }: CommonOptions) => {
      const text = json === true ? JSON.stringify({ version: VERSION }) : VERSION;
      context.stdout.write(`${text}\n`);
    });
  return program;
}
