import { commandSection, optionTerms, synopsisOf } from "../command-sections.ts";
import { allCommands, type CommandFacts } from "../command-tree.ts";
import { example, paragraph, section, subsection, terms } from "../roff.ts";

/** s3-offload-agent(1), but for its head: the program and what it does on a host. */
export function agentPage(program: CommandFacts): string {
  const isFleet = ({ words }: CommandFacts) => words[0] === "fleet";
  // A command that only leads to others says nothing that they do not say.
  const commands = allCommands(program).filter(
    (command) => command.commands.length === 0 && !isFleet(command) && !isNestedHelp(command),
  );
  return [
    section("Name", paragraph("s3-offload-agent - moves finished files into an S3 bucket")),
    `.SH SYNOPSIS\n${commands.map((command) => synopsisOf(command)).join("")}`,
    fleetSynopsis(),
    section("Description", ...DESCRIPTION),
    section("Diagnostics", ...DIAGNOSTICS),
    section(
      "Options",
      optionTerms(program.options),
      paragraph("Every command takes `--help`, and what its own section tells of."),
    ),
    `.SH COMMANDS\n${commands.map((command) => commandSection(command)).join("")}`,
    subsection("fleet", paragraph("Steers a whole fleet: see `s3-offload-agent-fleet`(1).")),
    section("Exit status", EXIT_STATUS, paragraph("What is done stays done whatever the code.")),
    section("Signals", SIGNALS),
    section("Environment", ENVIRONMENT),
    section("Files", FILES),
    section("Examples", EXAMPLES),
    section(
      "See also",
      paragraph(
        "`s3-offload-agent-fleet`(1), `s3-offload-agent.yaml`(5), `s3-offload-agent-parameters`(7), `systemctl`(1), `journalctl`(1)",
      ),
    ),
  ].join("");
}

function isNestedHelp({ words }: CommandFacts): boolean {
  return words.length > 1 && words.at(-1) === "help";
}

function fleetSynopsis(): string {
  return ".SY s3\\-offload\\-agent\n\\fBfleet\\fR \\fIcommand\\fR ...\n.YS\n";
}

const DESCRIPTION = [
  paragraph(
    "`s3-offload-agent` runs on every host of a fleet. It moves finished files out of a local directory into an S3 bucket and removes them locally, on a schedule: by default every ten minutes, from `/var/spool/s3-offload`. One such pass is a `sweep`.",
  ),
  paragraph(
    "A file is taken when nothing about it has changed for 30 seconds and no process has it open for writing. It is removed when S3 has acknowledged the checksum of the very bytes that are on disk, and nothing about the file has changed since they were read. A doubt means that the file stays: while anything is wrong, nothing is lost, files only wait. No object is ever overwritten, and the bucket is never listed or read.",
  ),
  paragraph(
    "On the host, a small file says which fleet it belongs to and which directories may be taken from: `s3-offload-agent.yaml`(5). Everything else, such as bucket, prefix and schedule, is set for the whole fleet in the AWS SSM Parameter Store: `s3-offload-agent-parameters`(7). A change there reaches the host by itself. What is wrong is refused as a whole, and the last good configuration stays in force.",
  ),
  paragraph(
    "The package installs the service `s3-offload-agent.service`, which is `s3-offload-agent run`. Its records go to the journal and to CloudWatch Logs.",
  ),
];

const DIAGNOSTICS = [
  paragraph(
    "Something is wrong on this host? None of these takes or removes a file. Begin at the top:",
  ),
  terms([
    [
      "`systemctl status s3-offload-agent`",
      "Whether the service runs, and what it does or waits for.",
    ],
    [
      "`s3-offload-agent status`",
      "The last and the next sweep of each route, which files wait, fail and why, and what needs a person. Asks no service, so it works without network.",
    ],
    [
      "`s3-offload-agent doctor`",
      "Tries out credentials, bucket, parameters, logs and directories as the agent would, and says what to mend, with the command or the policy statement. Run it as root.",
    ],
    [
      "`s3-offload-agent sweep --dry-run`",
      "For each file: whether it would go, wait or stay, and why.",
    ],
    ["`journalctl -u s3-offload-agent`", "Every record, those too that never reached CloudWatch."],
  ]),
  paragraph(
    "A file that does not go is named by `status`. If it fails for a reason of its own it is tried again after pauses that grow to six hours; after ten failures, counted only while other files succeed, it is set aside below `.s3oa-quarantine` in the watched directory. Nothing is ever removed from there. When the cause is mended, `s3-offload-agent retry` saves the wait.",
  ),
];

const EXIT_STATUS = terms([
  ["0", "Done. Files that wait or are kept for a reason are no failure."],
  ["1", "Some files failed, or something is wrong on this host."],
  [
    "2",
    "The command line, the bootstrap file, the configuration, or the watched directory that it names.",
  ],
  ["3", "A service or credential that the agent needs is out of reach or refused."],
  ["4", "Another agent holds the watched directory or the state directory."],
  ["128 + <n>", "Ended by signal <n> before it was done."],
]);

const SIGNALS = terms([
  [
    "SIGTERM, SIGINT",
    "The files in flight are finished, for 30 seconds at most; nothing new begins. `run` then ends with 0, other commands with 128 + the signal's number. A second signal ends it at once, which is safe as well: what is not done is done after the next start.",
  ],
  [
    "SIGHUP",
    "`run` takes the parameters as they are now, without waiting for its next poll: `systemctl reload s3-offload-agent`.",
  ],
]);

const ENVIRONMENT = terms([
  [
    "S3_OFFLOAD_*",
    "Each key of the bootstrap file has such a variable, which wins over the file: see `s3-offload-agent.yaml`(5). For the service they may stand in `/etc/default/s3-offload-agent` or `/etc/sysconfig/s3-offload-agent`.",
  ],
  [
    "AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL, ...",
    "The variables of the AWS SDKs work as everywhere. An endpoint that is an address or localhost takes path style.",
  ],
  [
    "STATE_DIRECTORY, RUNTIME_DIRECTORY, CREDENTIALS_DIRECTORY",
    "Set by `systemd`(1) for the service.",
  ],
  ["NO_COLOR", "If set, nothing is coloured on a terminal."],
]);

const FILES = terms([
  [
    "`/etc/s3-offload-agent/agent.yaml`",
    "The bootstrap file, `s3-offload-agent.yaml`(5). Packages never overwrite it.",
  ],
  [
    "`/etc/default/s3-offload-agent`, `/etc/sysconfig/s3-offload-agent`",
    "Variables of the service, if there. Packages bring neither.",
  ],
  [
    "`/etc/systemd/system/s3-offload-agent.service.d/`",
    "Drop-ins of the service. `allowed-roots.conf` there is made by `s3-offload-agent allow` and by each start of the service, which may write below the allowed roots by it.",
  ],
  ["`/var/spool/s3-offload/`", "The watched directory, unless parameters say otherwise."],
  [
    "`.s3oa-*`",
    "In a watched directory: the agent's own names, for files that are being removed, and `.s3oa-quarantine` for those that were set aside.",
  ],
  [
    "`/var/lib/s3-offload-agent/`",
    "What must survive a restart: the last good configuration, what was uploaded, what failed, log records that wait. Nothing there is ever the reason for a removal.",
  ],
  ["`/run/s3-offload-agent/`", "What the daemon tells `s3-offload-agent status`."],
  ["`/usr/lib/s3-offload-agent/`", "The program, with the Node.js that it runs on."],
]);

const EXAMPLES = terms([
  [
    "Set up a host of the fleet `web`, and see that nothing is missing:",
    [
      example(
        [
          "echo 'fleet: web' >>/etc/s3-offload-agent/agent.yaml",
          "s3-offload-agent doctor",
          "systemctl status s3-offload-agent",
        ].join("\n"),
      ),
    ],
  ],
  [
    "Take files from another directory, too, once a parameter names it:",
    [example("s3-offload-agent allow /srv/measurements\nsystemctl restart s3-offload-agent")],
  ],
  [
    "Why are there files left?",
    [example("s3-offload-agent status\ns3-offload-agent sweep --dry-run")],
  ],
  ["The cause is mended; do not wait for the next try:", [example("s3-offload-agent retry")]],
  [
    "Where does each setting come from, and does this host take a new one?",
    [example("s3-offload-agent config show --origin\ns3-offload-agent config check web.yaml")],
  ],
  [
    "Which hosts of the fleet are not well? (from an operator's machine)",
    [example("s3-offload-agent fleet hosts --fleet web")],
  ],
]);
