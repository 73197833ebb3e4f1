import { BOOTSTRAP_FILE_DEFAULT, BOOTSTRAP_KEYS } from "../../../src/config/bootstrap.ts";
import { example, paragraph, section, terms } from "../roff.ts";

/** s3-offload-agent.yaml(5), but for its head: the bootstrap file. */
export function bootstrapPage(): string {
  return [
    section(
      "Name",
      paragraph("s3-offload-agent.yaml - what s3-offload-agent must know before it can ask"),
    ),
    section("Synopsis", paragraph(`\`${BOOTSTRAP_FILE_DEFAULT}\``)),
    section("Description", ...DESCRIPTION),
    section("Keys", terms(BOOTSTRAP_KEYS.map((entry) => [`\`${entry.key}\``, meaningOf(entry)]))),
    section("Allowed roots", ALLOWED_ROOTS),
    section("Safety", ...SAFETY),
    section("Examples", ...EXAMPLES),
    section(
      "See also",
      paragraph(
        "`s3-offload-agent`(1), `s3-offload-agent-fleet`(1), `s3-offload-agent-parameters`(7), `systemd.exec`(5)",
      ),
    ),
  ].join("");
}

function meaningOf({ doc, default: value, env }: (typeof BOOTSTRAP_KEYS)[number]) {
  const values = typeof value === "string" ? value : value.join(", ");
  const isSaid = values === "" || values === "*" || doc.includes("Default");
  return [
    paragraph(isSaid ? doc : `${doc} Default: \`${values}\`.`),
    paragraph(`Variable: \`${env}\`.`),
  ];
}

const DESCRIPTION = [
  paragraph(
    `The bootstrap file says which fleet a host belongs to, and what the fleet's parameters may make it do. It is YAML, one key a line. Only \`fleet\` is required, and not even that on EC2 where the instance has the tag \`s3-offload-agent:fleet\` and its tags are in the metadata. Every command of the host takes \`--config <file>\` for another one than \`${BOOTSTRAP_FILE_DEFAULT}\`.`,
  ),
  paragraph(
    "Each key can also be given as an environment variable, which wins; lists are separated by colons there. A key or variable `S3_OFFLOAD_*` that is not known is refused, with the nearest known one. An error names the line.",
  ),
  paragraph(
    "After a change `s3-offload-agent doctor` says whether all is well, and `systemctl restart s3-offload-agent` puts it in effect. A service that waits for its `fleet` sees it by itself.",
  ),
];

const ALLOWED_ROOTS = paragraph(
  "`s3-offload-agent allow <dir>` adds a directory to `allowedRoots` and gives the service write access to it. If the list is changed by hand instead, the next start of the service does the latter.",
);

const SAFETY = [
  paragraph(
    "The file is the host's guard against its own remote configuration: nothing in the Parameter Store widens `allowedRoots` or `allowedBuckets`, or lowers `minAgeFloor`. So the agent, started as root or by systemd, refuses it with exit status 2 unless the file, every folder above it and every link that leads to it belong to root or the agent's user, and nobody else may write to them. A sticky folder such as `/tmp` is fine. The message names the folder, its mode and the `chmod` that mends it.",
  ),
  paragraph(
    "Links in `allowedRoots` are resolved; one that another user made, and could lead elsewhere, is not followed.",
  ),
];

const EXAMPLES = [
  paragraph("All that most hosts need:"),
  example("fleet: web"),
  paragraph("A machine outside of AWS, with two directories and one bucket:"),
  example(
    [
      "fleet: plant",
      "region: eu-central-1",
      "hostId: hostname",
      "credentials: ssm-hybrid",
      "allowedRoots:",
      "  - /var/spool/s3-offload",
      "  - /srv/measurements",
      "allowedBuckets: [plant-archive]",
    ].join("\n"),
  ),
];
