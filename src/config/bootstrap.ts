import type { Schema } from "convict";
import { NAME_EXPECTS, NAME_PATTERN } from "../host/names.ts";
import { configurationError } from "../lib/errors.ts";
import { nearest } from "../lib/nearest.ts";
import { readBootstrapFile } from "./bootstrap-file.ts";
import { type BootstrapEntries, parseBootstrap } from "./bootstrap-yaml.ts";
import {
  CREDENTIAL_CHOICE_EXPECTS,
  CREDENTIAL_CHOICE_PATTERN,
  type CredentialChoice,
  parseCredentialChoice,
} from "./credential-choice.ts";
import { convict } from "./formats.ts";
import { settingsSchema } from "./schema.ts";
import { problemsOf } from "./validate.ts";

/** The few local settings that the agent needs before it can read any parameter. */
export interface Bootstrap {
  readonly fleet: string;
  /** Undefined: as the SDK finds it (AWS_REGION, the profile). */
  readonly region: string | undefined;
  readonly hostId: string;
  /** Where in the Parameter Store the agent's parameters are, without a slash at the end. */
  readonly parameterRoot: string;
  /** Directories that files may be taken from. Nothing in the Parameter Store widens this. */
  readonly allowedRoots: readonly string[];
  /** Buckets that may be written to; undefined: any. */
  readonly allowedBuckets: readonly string[] | undefined;
  readonly stateDirectory: string;
  readonly credentials: CredentialChoice;
  /** Whether instance metadata may be asked without a token. */
  readonly allowImdsV1: boolean;
  /** Role to assume with the host's own credentials; undefined: use those as they are. */
  readonly roleArn: string | undefined;
  /** Whether the parameter `on-conflict` may be `overwrite`. */
  readonly allowOverwrite: boolean;
  /** The least `min-age` that a parameter may set, in milliseconds. */
  readonly minAgeFloorMs: number;
}

/** What the file and the variables say. What they leave open is found out on the host. */
export interface LocalBootstrap extends Omit<Bootstrap, "fleet" | "hostId"> {
  readonly fleet: string | undefined;
  /** A name, or `ec2`, `ssm`, `hostname` or `machine-id`: where to take it from. */
  readonly hostId: string | undefined;
}

export const BOOTSTRAP_FILE_DEFAULT = "/etc/s3-offload-agent/agent.yaml";

const ENVIRONMENT_PREFIX = "S3_OFFLOAD_";

/** A name that may also be left open. */
const NAME_OR_NOTHING = new RegExp(`^$|${NAME_PATTERN.source}`);

/**
 * The Parameter Store takes 15 levels and keeps names that begin with aws or ssm for itself
 * (https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html);
 * CloudWatch Logs keeps aws/ and takes 512 characters. Below the root come five levels at most, and
 * names of 128.
 */
export const PARAMETER_ROOT_PATTERN =
  /^(?=.{1,256}$)(?!\/(?:aws|ssm))(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+){1,10}$/i;

const bootstrapSchema = {
  fleet: {
    doc: "Name of the fleet that this host belongs to. Default: on EC2, the instance's tag `s3-offload-agent:fleet`, if its tags are in the metadata.",
    format: "text",
    default: "",
    env: "S3_OFFLOAD_FLEET",
    pattern: NAME_OR_NOTHING,
    expects: NAME_EXPECTS,
  },
  region: {
    doc: "AWS region. Default: AWS_REGION, the region of the profile, or that of the EC2 instance or of the SSM registration.",
    format: "text",
    default: "",
    env: "S3_OFFLOAD_REGION",
    pattern: /^([a-z]{2,}(-[a-z]+)+-\d)?$/,
    expects: "must be a region such as eu-west-1",
  },
  hostId: {
    doc: "Name of this host in keys, parameters and logs, or where to take it from: `ec2` (instance id), `ssm` (managed instance id), `hostname`, or `machine-id` (one made from it). Default: the first of `ec2`, `ssm` and `hostname` that there is.",
    format: "text",
    default: "",
    env: "S3_OFFLOAD_HOST_ID",
    pattern: NAME_OR_NOTHING,
    expects: NAME_EXPECTS,
  },
  parameterRoot: {
    doc: "Where in the Parameter Store the agent's parameters are.",
    format: "text",
    default: "/s3-offload-agent",
    env: "S3_OFFLOAD_PARAMETER_ROOT",
    pattern: PARAMETER_ROOT_PATTERN,
    expects:
      "must be a parameter path such as /s3-offload-agent: at most 10 names and 256 characters, the first name not beginning with aws or ssm, without a slash at the end",
  },
  allowedRoots: {
    doc: "Directories that files may be taken from, and everything below them.",
    format: "paths",
    default: ["/var/spool/s3-offload"],
    env: "S3_OFFLOAD_ALLOWED_ROOTS",
  },
  allowedBuckets: {
    doc: "Buckets that may be written to: exact names, or ARNs of access points. Default: any.",
    format: "buckets",
    default: ["*"],
    env: "S3_OFFLOAD_ALLOWED_BUCKETS",
    // What no parameter could name would allow nothing.
    pattern: settingsSchema.bucket.pattern,
    expects: `must be a list, and each item ${settingsSchema.bucket.expects.replace("must be ", "")}, no pattern; or "*" for any`,
  },
  stateDirectory: {
    doc: "Where the agent keeps what must survive a restart. Default: systemd's `STATE_DIRECTORY`, else `/var/lib/s3-offload-agent`.",
    format: "text",
    default: "",
    env: "S3_OFFLOAD_STATE_DIRECTORY",
    pattern: /^[^\0]*$/,
    expects: "must be a path",
  },
  credentials: {
    doc: "Where AWS credentials come from. `auto`: the first that this host has of environment, profile, web identity, container and instance profile, in the order of the AWS SDKs. A choice of one of them tries no other: `environment`, `profile` (`AWS_PROFILE`, else `default`), `profile:NAME`, `shared-file:/PATH` (a credentials file that another program keeps fresh), `ssm-hybrid` (that of amazon-ssm-agent, `/root/.aws/credentials`), `process:COMMAND` (as `credential_process`, for IAM Roles Anywhere; at most 30 s), `web-identity`, `container` (ECS, EKS Pod Identity) or `instance-profile`.",
    format: "text",
    default: "auto",
    env: "S3_OFFLOAD_CREDENTIALS",
    pattern: CREDENTIAL_CHOICE_PATTERN,
    expects: CREDENTIAL_CHOICE_EXPECTS,
    // A refusal does not repeat it: somebody may have put a key there.
    sensitive: true,
  },
  allowImdsV1: {
    doc: "Whether instance metadata may be asked without a token (IMDSv1) where it gives none: `true` or `false`.",
    format: ["true", "false"],
    default: "false",
    env: "S3_OFFLOAD_ALLOW_IMDS_V1",
  },
  roleArn: {
    doc: "Role to assume with the host's own credentials.",
    format: "text",
    default: "",
    env: "S3_OFFLOAD_ROLE_ARN",
    pattern: /^(arn:[a-z-]+:iam::\d{12}:role\/.+)?$/,
    expects: "must be the ARN of a role",
  },
  allowOverwrite: {
    doc: "Whether the parameter `on-conflict` may be `overwrite`: `true` or `false`.",
    format: ["true", "false"],
    default: "false",
    env: "S3_OFFLOAD_ALLOW_OVERWRITE",
  },
  minAgeFloor: {
    doc: "The least `min-age` that a parameter may set.",
    format: "duration",
    default: "30s",
    env: "S3_OFFLOAD_MIN_AGE_FLOOR",
    min: 0,
    max: settingsSchema["min-age"].max,
  },
} as const;

interface BootstrapValues {
  fleet: string;
  region: string;
  hostId: string;
  parameterRoot: string;
  allowedRoots: string[];
  allowedBuckets: string[];
  stateDirectory: string;
  credentials: string;
  allowImdsV1: "true" | "false";
  roleArn: string;
  allowOverwrite: "true" | "false";
  minAgeFloor: number;
}

/** Every key of the bootstrap file with its environment variable and meaning, for documents. */
export const BOOTSTRAP_KEYS = Object.entries(bootstrapSchema).map(([key, entry]) => ({
  key,
  env: entry.env,
  doc: entry.doc,
  default: entry.default,
}));

/**
 * Reads the bootstrap configuration: the file, then the `S3_OFFLOAD_*` variables above it.
 * @param options.file the file a person named; undefined: the default one, which may be absent if
 *   the variables say enough
 * @throws AgentError (exit code 2) that names the file, the line and the key, or who else could
 *   change the file
 */
export function readBootstrap(options: {
  readonly file: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}): LocalBootstrap {
  const file = options.file ?? BOOTSTRAP_FILE_DEFAULT;
  const text = readBootstrapFile(file, {
    isRequired: options.file !== undefined,
    env: options.env,
  });
  const entries =
    text === undefined ? undefined : parseBootstrap(text, file, Object.keys(bootstrapSchema));
  assertKnownVariables(options.env);

  const env = Object.fromEntries(
    Object.entries(options.env).filter(
      ([name, value]) => name.startsWith(ENVIRONMENT_PREFIX) && value !== "",
    ),
  );
  const schema = bootstrapSchema as unknown as Schema<BootstrapValues>;
  const config = convict<BootstrapValues>(schema, { args: [], env });
  config.load(entries?.values ?? {});
  try {
    config.validate({ allowed: "strict" });
  } catch (error) {
    throw refuse(problemsOf(error), { file, entries, env });
  }
  const read = config.getProperties();
  const textOrNothing = (value: string) => (value === "" ? undefined : value);
  return {
    fleet: textOrNothing(read.fleet),
    region: textOrNothing(read.region),
    hostId: textOrNothing(read.hostId),
    parameterRoot: read.parameterRoot,
    allowedRoots: read.allowedRoots,
    allowedBuckets: read.allowedBuckets.includes("*") ? undefined : read.allowedBuckets,
    stateDirectory: read.stateDirectory || stateDirectoryOf(options.env),
    credentials: parseCredentialChoice(read.credentials),
    allowImdsV1: read.allowImdsV1 === "true",
    roleArn: read.roleArn === "" ? undefined : read.roleArn,
    allowOverwrite: read.allowOverwrite === "true",
    minAgeFloorMs: read.minAgeFloor,
  };
}

/** systemd gives a list separated by colons (systemd.exec(5), StateDirectory=). */
function stateDirectoryOf(env: Readonly<Record<string, string | undefined>>): string {
  return env["STATE_DIRECTORY"]?.split(":")[0] || "/var/lib/s3-offload-agent";
}

function assertKnownVariables(env: Readonly<Record<string, string | undefined>>): void {
  const known: readonly string[] = Object.values(bootstrapSchema).map((entry) => entry.env);
  for (const name of Object.keys(env)) {
    if (!name.startsWith(ENVIRONMENT_PREFIX) || known.includes(name)) continue;
    const rest = (variable: string) => variable.slice(ENVIRONMENT_PREFIX.length);
    const meant = nearest(rest(name), known.map(rest));
    const question = meant === undefined ? "" : `Did you mean ${ENVIRONMENT_PREFIX}${meant}? `;
    throw configurationError(
      `The environment has an unknown variable ${name}.`,
      `${question}Known variables are ${known.join(", ")}.`,
    );
  }
}

function refuse(
  problems: readonly { setting: string; reason: string }[],
  source: {
    file: string;
    entries: BootstrapEntries | undefined;
    env: Record<string, unknown>;
  },
): Error {
  const texts = problems.map(({ setting, reason }) => {
    const entry = BOOTSTRAP_KEYS.find(({ key }) => key === setting);
    if (entry !== undefined && entry.env in source.env) return `${entry.env} ${reason}`;
    const line = source.entries?.lines.get(setting);
    return line === undefined ? `${setting} ${reason}` : `line ${line}: ${setting} ${reason}`;
  });
  const where =
    source.entries === undefined
      ? "The bootstrap configuration"
      : `The bootstrap file ${source.file}`;
  const absent = source.entries === undefined ? ` (there is no file ${source.file})` : "";
  return configurationError(
    `${where} is not usable${absent}: ${texts.join("; ")}.`,
    `Mend it in ${source.file} or by an S3_OFFLOAD_ variable; the least is \`fleet: NAME\`.`,
  );
}
