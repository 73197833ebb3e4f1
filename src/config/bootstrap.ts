import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import type { Schema } from "convict";
import { LineCounter, parseDocument } from "yaml";
import { configurationError, isErrno, messageOf } from "../lib/errors.ts";
import {
  CREDENTIAL_CHOICE_EXPECTS,
  CREDENTIAL_CHOICE_PATTERN,
  type CredentialChoice,
  parseCredentialChoice,
} from "./credential-choice.ts";
import { convict } from "./formats.ts";
import { problemsOf } from "./schema.ts";

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

export const BOOTSTRAP_FILE_DEFAULT = "/etc/s3-offload-agent/agent.yaml";

const ENVIRONMENT_PREFIX = "S3_OFFLOAD_";

/** As a path segment in the Parameter Store, a log stream and an object key all take it. */
const NAME_PATTERN = /^[A-Za-z0-9._-]{1,128}$/;
const NAME_EXPECTS = "must be 1 to 128 letters, digits, dots, underscores and hyphens";

const bootstrapSchema = {
  fleet: {
    doc: "Name of the fleet that this host belongs to.",
    format: "text",
    default: null,
    env: "S3_OFFLOAD_FLEET",
    pattern: NAME_PATTERN,
    expects: NAME_EXPECTS,
  },
  region: {
    doc: "AWS region. Default: AWS_REGION, or the region of the profile.",
    format: "text",
    default: "",
    env: "S3_OFFLOAD_REGION",
    pattern: /^([a-z]{2,}(-[a-z]+)+-\d)?$/,
    expects: "must be a region such as eu-west-1",
  },
  hostId: {
    doc: "Name of this host in keys, parameters and logs. Default: the host name.",
    format: "text",
    default: "",
    env: "S3_OFFLOAD_HOST_ID",
    pattern: /^[A-Za-z0-9._-]{0,128}$/,
    expects: NAME_EXPECTS,
  },
  parameterRoot: {
    doc: "Where in the Parameter Store the agent's parameters are.",
    format: "text",
    default: "/s3-offload-agent",
    env: "S3_OFFLOAD_PARAMETER_ROOT",
    pattern: /^(\/[A-Za-z0-9._-]+)+$/,
    expects: "must be a parameter path such as /s3-offload-agent, without a slash at the end",
  },
  allowedRoots: {
    doc: "Directories that files may be taken from, and everything below them.",
    format: "paths",
    default: ["/var/spool/s3-offload"],
    env: "S3_OFFLOAD_ALLOWED_ROOTS",
  },
  allowedBuckets: {
    doc: "Buckets that may be written to. Default: any.",
    format: "buckets",
    default: ["*"],
    env: "S3_OFFLOAD_ALLOWED_BUCKETS",
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
 * @throws AgentError (exit code 2) that names the file, the line and the key
 */
export function readBootstrap(options: {
  readonly file: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}): Bootstrap {
  const file = options.file ?? BOOTSTRAP_FILE_DEFAULT;
  const values = readYaml(file, options.file !== undefined);
  assertKnownVariables(options.env);

  const env = Object.fromEntries(
    Object.entries(options.env).filter(
      ([name, text]) => name.startsWith(ENVIRONMENT_PREFIX) && text !== "",
    ),
  );
  const schema = bootstrapSchema as unknown as Schema<BootstrapValues>;
  const config = convict<BootstrapValues>(schema, { args: [], env });
  config.load(values ?? {});
  try {
    config.validate({ allowed: "strict" });
  } catch (error) {
    throw refuse(problemsOf(error), { file, isPresent: values !== undefined, env });
  }
  const read = config.getProperties();
  return {
    fleet: read.fleet,
    region: read.region === "" ? undefined : read.region,
    hostId: read.hostId === "" ? hostIdOf(hostname()) : read.hostId,
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

function hostIdOf(name: string): string {
  if (NAME_PATTERN.test(name)) return name;
  throw configurationError(
    `The host name ${JSON.stringify(name)} cannot serve as host id: it ${NAME_EXPECTS}.`,
    "Set `hostId` in the bootstrap file, or S3_OFFLOAD_HOST_ID.",
  );
}

function readYaml(file: string, isRequired: boolean): Record<string, unknown> | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (!isRequired && isErrno(error, "ENOENT")) return undefined;
    throw configurationError(
      `The bootstrap file ${file} cannot be read: ${messageOf(error)}.`,
      "Write it (it needs at least `fleet: NAME`), or name another one with --config FILE.",
      error,
    );
  }
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    // Every value is text, as in a variable: a bare `30` must not become 30 of some unit, nor 007 a 7.
    schema: "failsafe",
  });
  const [problem] = document.errors;
  if (problem !== undefined) {
    const { line, col } = lines.linePos(problem.pos[0]);
    throw configurationError(
      `The bootstrap file ${file} is not valid YAML at line ${line}, column ${col}: ${problem.message}.`,
      "Mend that line; the file holds one `key: value` a line.",
    );
  }
  const content: unknown = document.toJS();
  if (content === null || content === "") return {};
  if (typeof content !== "object" || Array.isArray(content)) {
    throw configurationError(
      `The bootstrap file ${file} does not hold keys and values.`,
      "Write one `key: value` a line, at least `fleet: NAME`.",
    );
  }
  for (const item of Object.keys(content)) {
    if (Object.hasOwn(bootstrapSchema, item)) continue;
    const at = text.split("\n").findIndex((line) => line.split(":")[0]?.trim() === item);
    throw configurationError(
      `The bootstrap file ${file} has an unknown key in line ${at + 1}: ${item}.`,
      `Known keys are ${Object.keys(bootstrapSchema).join(", ")}.`,
    );
  }
  return content as Record<string, unknown>;
}

function assertKnownVariables(env: Readonly<Record<string, string | undefined>>): void {
  const known: readonly string[] = Object.values(bootstrapSchema).map((entry) => entry.env);
  for (const name of Object.keys(env)) {
    if (!name.startsWith(ENVIRONMENT_PREFIX) || known.includes(name)) continue;
    throw configurationError(
      `The environment has an unknown variable ${name}.`,
      `Known variables are ${known.join(", ")}.`,
    );
  }
}

function refuse(
  problems: readonly { setting: string; reason: string }[],
  source: { file: string; isPresent: boolean; env: Record<string, unknown> },
): Error {
  const texts = problems.map(({ setting, reason }) => {
    const entry = BOOTSTRAP_KEYS.find(({ key }) => key === setting);
    const variable = entry !== undefined && entry.env in source.env ? entry.env : undefined;
    return `${variable ?? setting} ${reason}`;
  });
  const where = source.isPresent
    ? `The bootstrap file ${source.file}`
    : "The bootstrap configuration";
  const absent = source.isPresent ? "" : ` (there is no file ${source.file})`;
  return configurationError(
    `${where} is not usable${absent}: ${texts.join("; ")}.`,
    `Mend it in ${source.file} or by an S3_OFFLOAD_ variable; the least is \`fleet: NAME\`.`,
  );
}
