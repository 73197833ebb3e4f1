import { readFile } from "node:fs/promises";
import { errnoOf } from "../../lib/errors.ts";
import { CredentialsError } from "../errors.ts";
import { ask, askRepeatedly, tell } from "./local-request.ts";
import {
  absent,
  type Environment,
  endOf,
  parseAnswer,
  type Reading,
  type SourceContext,
} from "./source.ts";

const RELATIVE = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

/** https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html */
const ECS_ENDPOINT = "http://169.254.170.2";
/** ECS; EKS Pod Identity by IPv4 and by IPv6. */
const PLAIN_HOSTS = new Set([
  "169.254.170.2",
  "169.254.170.23",
  "[fd00:ec2::23]",
  "[::1]",
  "localhost",
]);

const HINT = "Check the task role or the Pod Identity association, and its agent.";

/** The credentials of an ECS task or of EKS Pod Identity. @throws CredentialsError */
export async function readContainer({ env, clock }: SourceContext): Promise<Reading> {
  const url = endpointOf(env);
  const answer = await askRepeatedly(clock, async () => {
    // The token file is replaced every few hours: it is read for each request.
    const token = await readToken(env);
    const headers: Record<string, string> = token === undefined ? {} : { Authorization: token };
    return await ask(url, { method: "GET", headers });
  });
  if (answer.kind === "failed" || answer.status !== 200) {
    throw new CredentialsError(
      `The container's credentials endpoint ${url.host} gives none: ${tell(answer)}.`,
      HINT,
    );
  }
  const read = parseAnswer(answer.body, "Token");
  if (read?.expiresAt === undefined) {
    throw new CredentialsError(
      `The container's credentials endpoint ${url.host} answers something else than credentials.`,
      HINT,
    );
  }
  return {
    identity: read.identity,
    source: `container endpoint ${url.host}`,
    expiresAt: endOf(read.expiresAt, clock.now()),
  };
}

/** The token goes in plain text only to where nobody else can listen, as the SDKs have it. */
function endpointOf(env: Environment): URL {
  const relative = env[RELATIVE];
  const text = relative ? ECS_ENDPOINT + relative : env[FULL];
  if (!text) {
    throw absent(
      `Neither ${RELATIVE} nor ${FULL} is set.`,
      "ECS and EKS Pod Identity set one of them; elsewhere choose another source by `credentials`.",
    );
  }
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const host = url?.hostname ?? "";
  const isPlain = PLAIN_HOSTS.has(host) || /^127(\.\d{1,3}){3}$/.test(host);
  if (url?.protocol === "https:" || (url?.protocol === "http:" && isPlain)) return url;
  throw new CredentialsError(
    `${FULL} is neither https nor an address of this host, of ECS or of EKS.`,
    "Set it as ECS or EKS does.",
  );
}

async function readToken(env: Environment): Promise<string | undefined> {
  const file = env[TOKEN_FILE];
  if (!file) return env[TOKEN] || undefined;
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (error) {
    throw new CredentialsError(
      `The container's authorization token ${file} cannot be read: ${errnoOf(error)}.`,
      `Check ${TOKEN_FILE}, and that the agent may read the file.`,
    );
  }
}
