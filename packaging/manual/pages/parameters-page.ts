import {
  FLEET_PARAMETERS,
  HOST_SETTING_NAMES,
  ROUTE_SETTING_NAMES,
  type SettingName,
  settingsSchema,
} from "../../../src/config/schema.ts";
import { type Block, example, paragraph, section, terms } from "../roff.ts";

/** s3-offload-agent-parameters(7), but for its head: what is set in the Parameter Store. */
export function parametersPage(): string {
  return [
    section(
      "Name",
      paragraph("s3-offload-agent-parameters - what s3-offload-agent is told by Parameter Store"),
    ),
    section("Description", ...DESCRIPTION),
    section("Parameters of a route", settings(ROUTE_SETTING_NAMES)),
    section("Parameters of a host", settings(HOST_SETTING_NAMES)),
    section("Parameters of a fleet", fleetParameters()),
    section("Layers", ...LAYERS),
    section("Routes", ...ROUTES),
    section("Changes", ...CHANGES),
    section("Values", VALUES),
    section("Examples", ...EXAMPLES),
    section(
      "See also",
      paragraph("`s3-offload-agent`(1), `s3-offload-agent-fleet`(1), `s3-offload-agent.yaml`(5)"),
    ),
  ].join("");
}

function settings(names: readonly SettingName[]): Block {
  return terms(
    names.map((name) => {
      const { doc, default: value, format } = settingsSchema[name];
      const isListed =
        typeof format === "string" || format.every((one) => doc.includes(`\`${one}\``));
      const values = typeof format === "string" ? [] : format.map((one) => `\`${one}\``);
      const text = isListed ? doc : `${doc} One of ${values.join(", ")}.`;
      return [`\`${name}\``, withDefault(text, value)];
    }),
  );
}

function fleetParameters(): Block {
  return terms(
    Object.entries(FLEET_PARAMETERS).map(([name, { doc, default: value }]) => [
      `\`${name}\``,
      withDefault(doc, value),
    ]),
  );
}

function withDefault(doc: string, value: string | null): string {
  return `${doc} ${value === null ? "Required." : `Default: \`${value}\`.`}`;
}

const DESCRIPTION = [
  paragraph(
    "What the hosts of a fleet do is set by plain String (or StringList) parameters of the AWS SSM Parameter Store, one for each setting, below `/s3-offload-agent/fleets/<fleet>/`, and for a single host below `/s3-offload-agent/hosts/<host-id>/`. The key `parameterRoot` of `s3-offload-agent.yaml`(5) puts them elsewhere.",
  ),
  paragraph(
    "They can be written one by one, by whatever tool. `s3-offload-agent fleet apply` writes them from a file, after it has checked them with the code of the hosts, and can try them on some hosts first: see `s3-offload-agent-fleet`(1).",
  ),
  paragraph(
    "`s3-offload-agent config show --origin` on a host tells each setting in effect there and the parameter that it comes from.",
  ),
];

const LAYERS = [
  paragraph("A value is looked for in these places, and the last one found counts:"),
  terms([
    ["the default", "As said above."],
    ["`/s3-offload-agent/fleets/<fleet>/<parameter>`", "All hosts of the fleet."],
    [
      "`/s3-offload-agent/fleets/<fleet>/canary/<parameter>`",
      "Only hosts within `canary/percent`, which are always the same ones for the same number.",
    ],
    ["`/s3-offload-agent/hosts/<host-id>/<parameter>`", "One host."],
  ]),
];

const ROUTES = [
  paragraph(
    "`routes/<name>/<parameter>` watches a further directory with a destination of its own. What a route does not set it has from the top level, which stays a route too, called `default`. Names are up to 32 lower-case letters, digits and hyphens; there may be 32 routes; their directories must not lie in one another, and the host's bootstrap file must allow each of them.",
  ),
];

const CHANGES = [
  paragraph(
    "A change is taken as a whole. It is applied 30 seconds after its last write, so that several writes land as one, and between two sweeps. `systemctl reload s3-offload-agent`, `sweep` and `config check` take what is there at once.",
  ),
  paragraph(
    "If any value is wrong, nothing of the change is taken and the last good configuration stays. The log, the heartbeats and `s3-offload-agent status` say which parameter is wrong and what would be right. A name that is not known is reported, and the rest is taken.",
  ),
];

const VALUES = terms([
  ["`none`", "Stands for an empty value, which SSM does not take."],
  ["Durations", "A number with a unit: `ms`, `s`, `m`, `h` or `d`, such as `90s`."],
  [
    "Sizes",
    "A number of bytes with a unit such as `KiB`, `MiB` or `GiB`. `bandwidth-limit` is in bytes a second.",
  ],
  [
    "Schedules",
    "`rate(10 minutes)` (also seconds, hours, days); five cron fields such as `*/10 * * * *`; or `cron(...)` with five fields, or with the six of AWS, where days of the week count from 1 = Sunday. Each host has a place of its own within the `splay`, so that hosts do not sweep all at once.",
  ],
  [
    "Globs",
    "`*` any part of a name, `**` any number of folders (at the end: all below), `?` one character, `[a-z]` and `[!a-z]` one of a set, `{a,b}` either. They are matched against the path relative to the watched directory: `*.log` takes its own files, `**/*.log` those below it too.",
  ],
]);

const EXAMPLES = [
  paragraph("A fleet with nothing but a bucket, by hand:"),
  example(
    [
      "aws ssm put-parameter --type String \\",
      "  --name /s3-offload-agent/fleets/web/bucket --value my-bucket",
    ].join("\n"),
  ),
  paragraph("One host sweeps more often, until this is taken away again:"),
  example(
    [
      "s3-offload-agent fleet host i-0abc set 'schedule=rate(1 minute)' --fleet web",
      "s3-offload-agent fleet host i-0abc unset schedule --fleet web",
    ].join("\n"),
  ),
];
