import type { Command } from "commander";
import type { ExitCode } from "../../lib/errors.ts";
import { LEVELS } from "../../logs/events.ts";
import type { CommandContext } from "../context.ts";
import { addFleetOptions } from "./add-commands.ts";
import type { HostsOptions } from "./hosts.ts";
import type { LogsOptions } from "./logs.ts";

const HOSTS_HELP = `
What is wrong, the worst first:
  silent    the last heartbeat is older than 15 minutes (a host that has been
            silent for two hours is not known any more: use --expect)
  absent    expected, and no heartbeat in two hours
  refused   it does not take what the parameters say; the reason is told
  failing   sweeps, files, credentials or reading the parameters fail
  cloned    two machines work under one host id
  backlog   files wait for longer than an hour and two sweep intervals
  behind    the configuration in effect is not what the parameters say now
Not wrong: starting (expected, younger than 15 minutes), gone (silent, and not
expected any more), ok. Everything is as of a host's last heartbeat, which comes
every 5 minutes.

--expect says which hosts there should be: ec2 (running instances with the tag
s3-offload-agent:fleet), ssm (managed nodes with that tag), or a file with one
host id a line, # comments allowed, or JSON as --json writes it. For a fleet
with hosts of several kinds say it several times: hosts in none of the lists
count as gone when they fall silent.

Exit codes: 0 the question is answered, whatever the answer. With --silent,
--behind or --errors: 1 if any such host is there (or the answer cannot say that
none is: no heartbeats at all, fewer hosts than expected-hosts with --silent, or
too many to list). So in a script:
  s3-offload-agent fleet hosts --fleet web --silent --expect ec2 || alert

IAM: logs:StartQuery, logs:GetQueryResults, logs:StopQuery; with --expect also
ec2:DescribeInstances or ssm:DescribeInstanceInformation; ssm:GetParametersByPath,
without which what each host read last stands for what it should have.`;

const LOGS_HELP = `
Oldest first. With --json the records are printed as they are, one a line.

Examples:
  s3-offload-agent fleet logs --fleet web i-0abc --since 6h --level warn
  s3-offload-agent fleet logs --fleet web i-0abc --files --json | jq .key
  s3-offload-agent fleet logs --fleet web i-0abc --follow

IAM: logs:GetLogEvents; with --files, if that log group is of the Infrequent
Access class, also logs:StartQuery, logs:GetQueryResults and logs:StopQuery.`;

/**
 * Adds `fleet hosts` and `fleet logs`. Each is loaded when it is called.
 * @param done takes the exit code of the command that was called
 */
export function addHostsCommands(
  fleet: Command,
  context: CommandContext,
  done: (exitCode: ExitCode) => void,
): void {
  addFleetOptions(fleet.command("hosts"))
    .description("show every host by its last heartbeat, those with problems first")
    .option("--silent", "only hosts that stopped sending heartbeats, or never began")
    .option("--behind", "only hosts whose configuration is not the present one, and why")
    .option("--errors", "only hosts that refuse, fail, are cloned or have a backlog")
    .option(
      "--expect <ec2|ssm|file>",
      "compare with the hosts that there should be; may be repeated",
      (name: string, before: readonly string[] = []) => [...before, name],
    )
    .addHelpText("after", HOSTS_HELP)
    .action(async (options: HostsOptions) => {
      const { fleetHosts } = await import("./hosts.ts");
      done(await fleetHosts(options, context));
    });
  addFleetOptions(fleet.command("logs"))
    .description("show what a host has logged, oldest first")
    .argument("<host>", "the host's id")
    .option("--since <duration>", "how far back to begin, such as 30m or 2d", "1h")
    .option("--follow", "go on with new records until Ctrl-C")
    .option("--files", "the records of single files as well")
    .option(`--level <${LEVELS.join("|")}>`, "the least level to show (default: all)")
    .addHelpText("after", LOGS_HELP)
    .action(async (host: string, options: LogsOptions) => {
      const { fleetLogs } = await import("./logs.ts");
      done(await fleetLogs(host, options, context));
    });
}
