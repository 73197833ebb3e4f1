import type { Clock } from "../../lib/clock.ts";
import { CredentialsError } from "../errors.ts";
import { type Answer, ask, askRepeatedly, tell } from "./local-request.ts";
import {
  absent,
  type Environment,
  endOf,
  parseAnswer,
  parseObject,
  type Reading,
} from "./source.ts";

/** Asks the instance metadata service for a path such as `/latest/meta-data/instance-id`. */
export type AskMetadata = (path: string) => Promise<Answer>;

interface MetadataOptions {
  readonly env: Environment;
  readonly clock: Clock;
  /** Whether to ask without a token where none is given. */
  readonly allowV1: boolean;
}

/** Six hours, the longest there is. */
const TOKEN_TTL_SECONDS = "21600";

const ROLES_PATH = "/latest/meta-data/iam/security-credentials/";

/** Instance metadata answers these to a token request where it is of version 1, or something else. */
const NO_TOKENS = new Set([403, 404, 405]);

const CHOOSE = "or choose another source by `credentials` in the bootstrap file.";

/**
 * Asks for a token (IMDSv2), with which metadata can be asked for the next hours.
 * The SDK's own provider asks once for the token and hides why there is none; and it turns to
 * version 1 for good when one such request fails.
 * @throws CredentialsError if there is no token
 */
export async function openMetadata(options: MetadataOptions): Promise<AskMetadata> {
  const { env, clock, allowV1 } = options;
  if (isTrue(env["AWS_EC2_METADATA_DISABLED"])) {
    throw absent(
      "Instance metadata is not to be asked: AWS_EC2_METADATA_DISABLED is set.",
      `Take AWS_EC2_METADATA_DISABLED away, ${CHOOSE}`,
    );
  }
  const endpoint = endpointOf(env);
  const token = await askRepeatedly(clock, () =>
    ask(new URL("/latest/api/token", endpoint), {
      method: "PUT",
      headers: { "x-aws-ec2-metadata-token-ttl-seconds": TOKEN_TTL_SECONDS },
    }),
  );
  const isGiven = token.kind === "answered" && token.status === 200;
  const mayGoWithout = allowV1 && !isTrue(env["AWS_EC2_METADATA_V1_DISABLED"]);
  if (!isGiven && !(mayGoWithout && givesNoTokens(token))) throw tokenError(token, endpoint);
  const headers: Record<string, string> = isGiven ? { "x-aws-ec2-metadata-token": token.body } : {};
  return (path) =>
    askRepeatedly(clock, () => ask(new URL(path, endpoint), { method: "GET", headers }));
}

/** Reads the credentials of the instance's role. @throws CredentialsError */
export async function readInstanceProfile(options: MetadataOptions): Promise<Reading> {
  const askMetadata = await openMetadata(options);
  const roles = await askMetadata(ROLES_PATH);
  const role = roles.kind === "answered" ? roles.body.split("\n")[0]?.trim() : undefined;
  if (roles.kind === "answered" && (roles.status === 404 || (roles.status === 200 && !role))) {
    throw absent(
      "This instance has no instance profile.",
      `Attach one whose role may put objects, ${CHOOSE}`,
    );
  }
  if (roles.kind === "failed" || roles.status !== 200 || role === undefined) {
    throw metadataError("the instance's role", roles);
  }
  const answer = await askMetadata(ROLES_PATH + encodeURIComponent(role));
  if (answer.kind === "failed" || answer.status !== 200) {
    throw metadataError(`the credentials of role ${role}`, answer);
  }
  const read = parseAnswer(answer.body, "Token");
  if (read?.expiresAt === undefined) throw unreadable(role, answer.body);
  return {
    identity: read.identity,
    source: `instance profile ${role}`,
    expiresAt: endOf(read.expiresAt, options.clock.now()),
  };
}

/** The SDKs' variables; IPv6 has an address of its own. */
function endpointOf(env: Environment): URL {
  const isV6 = env["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"]?.toLowerCase() === "ipv6";
  const text =
    env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] ||
    (isV6 ? "http://[fd00:ec2::254]" : "http://169.254.169.254");
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return new URL(text);
  throw new CredentialsError(
    "AWS_EC2_METADATA_SERVICE_ENDPOINT is not an address such as http://169.254.169.254.",
    "Set it right, or take it away.",
  );
}

function isTrue(text: string | undefined): boolean {
  return text !== undefined && text !== "" && text.toLowerCase() !== "false";
}

function givesNoTokens(answer: Answer): boolean {
  return answer.kind === "failed" ? answer.code === "ETIMEDOUT" : NO_TOKENS.has(answer.status);
}

/** Why there is no token: each kind of refusal has its own usual reason. */
function tokenError(answer: Answer, endpoint: URL): CredentialsError {
  const message = `Instance metadata at ${endpoint.host} gives no token (IMDSv2): ${tell(answer)}.`;
  if (answer.kind === "failed") {
    return answer.code === "ETIMEDOUT"
      ? absent(
          message,
          `On EC2 in a container, raise the instance's metadata hop limit (HttpPutResponseHopLimit) to 2; on other hosts there is none: ${choose()}`,
        )
      : absent(
          message,
          `Only EC2 instances have it; there, look for a firewall before it. ${choose()}`,
        );
  }
  if (answer.status === 403) {
    return new CredentialsError(
      message,
      `Turn instance metadata on for this instance (HttpEndpoint: enabled), ${CHOOSE}`,
    );
  }
  if (NO_TOKENS.has(answer.status)) {
    return new CredentialsError(
      message,
      `It is of version 1, or a proxy is before it. Allow that by \`allowImdsV1\` if it must be, ${CHOOSE}`,
    );
  }
  return new CredentialsError(message, "It is in trouble; the agent asks again.");
}

function choose(): string {
  return CHOOSE.replace(/^or c/, "C");
}

function metadataError(what: string, answer: Answer): CredentialsError {
  return new CredentialsError(
    `Instance metadata does not give ${what}: ${tell(answer)}.`,
    `Try again later, ${CHOOSE}`,
  );
}

/** An answer may say why it holds none, such as AssumeRoleUnauthorizedAccess: one word, no more. */
function unreadable(role: string, body: string): CredentialsError {
  const code = parseObject(body)?.["Code"];
  const isTold = typeof code === "string" && /^[A-Za-z]{1,40}$/.test(code) && code !== "Success";
  return new CredentialsError(
    `Instance metadata has no credentials for role ${role}${isTold ? `: ${code}` : ""}.`,
    "Check that the role is there and that ec2.amazonaws.com may assume it.",
  );
}
