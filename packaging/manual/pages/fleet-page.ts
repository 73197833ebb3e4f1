import { commandSection, optionTerms, sharedOptions, synopsisOf } from "../command-sections.ts";
import { allCommands, type CommandFacts } from "../command-tree.ts";
import { helpBlocks } from "../help-text.ts";
import { paragraph, section, terms } from "../roff.ts";

/** s3-offload-agent-fleet(1), but for its head: what an operator does to a whole fleet. */
export function fleetPage(fleet: CommandFacts): string {
  const commands = allCommands(fleet).filter(
    ({ commands: below, words }) => below.length === 0 && words.at(-1) !== "help",
  );
  const shared = sharedOptions(commands);
  const groups = fleet.commands.filter(({ commands: below }) => below.length > 0);
  return [
    section("Name", paragraph("s3-offload-agent-fleet - steers a fleet of s3-offload-agents")),
    `.SH SYNOPSIS\n${commands.map((command) => synopsisOf(command, shared)).join("")}`,
    section("Description", ...helpBlocks(fleet.notes)),
    section(
      "Options",
      paragraph("Every command takes these, and those that its own section tells of:"),
      optionTerms(shared),
    ),
    `.SH COMMANDS\n${commands.map((command) => commandSection(command, shared)).join("")}`,
    ...groups.map(({ name, notes }) => section(`The ${name} hosts`, ...helpBlocks(notes))),
    section("Environment", ENVIRONMENT),
    section(
      "See also",
      paragraph(
        "`s3-offload-agent`(1), `s3-offload-agent.yaml`(5), `s3-offload-agent-parameters`(7), `aws`(1)",
      ),
    ),
  ].join("");
}

const ENVIRONMENT = terms([
  ["S3_OFFLOAD_FLEET", "The fleet, if neither `--fleet` nor the fleet file names one."],
  ["S3_OFFLOAD_PARAMETER_ROOT", "Where the parameters are, without `--parameter-root`."],
  ["S3_OFFLOAD_REGION", "The AWS region, without `--region`; it comes before `AWS_REGION`."],
  [
    "AWS_REGION, AWS_PROFILE, ...",
    "The variables of the AWS SDKs work as everywhere. No bootstrap file is read.",
  ],
  ["NO_COLOR", "If set, nothing is coloured on a terminal."],
]);
