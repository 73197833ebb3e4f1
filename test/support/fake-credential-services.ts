import {
  type LocalAnswer,
  type LocalRequest,
  type LocalServer,
  startLocalServer,
} from "./local-server.ts";

/** A key as the services give it. */
export interface FakeKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** Answers in the service's place, by the request's index; undefined: the service does. */
export type Fault = (request: LocalRequest, index: number) => LocalAnswer | undefined;

export interface FakeService extends LocalServer {
  /** What it gives from now on. */
  give(key: FakeKey): void;
  onRequest(fault: Fault): void;
}

const TOKEN_PATH = "/latest/api/token";
const ROLES_PATH = "/latest/meta-data/iam/security-credentials/";

/**
 * Instance metadata of version 2, as its guide has it: a token by PUT with a life of 1 to 21,600
 * seconds and never through a proxy, and nothing without that token.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
 * @param options.version 1: knows no tokens, as before 2019
 */
export async function startFakeMetadata(options: {
  readonly role: string;
  readonly key: FakeKey;
  readonly version?: 1 | 2;
}): Promise<FakeService> {
  const { role, version = 2 } = options;
  const tokens = new Set<string>();
  return await startService(options.key, (request, key) => {
    const { method, path, headers } = request;
    if (method === "PUT" && path === TOKEN_PATH && version === 2) {
      const seconds = Number(headers["x-aws-ec2-metadata-token-ttl-seconds"]);
      if (headers["x-forwarded-for"] !== undefined) return { status: 403 };
      if (!Number.isInteger(seconds) || seconds < 1 || seconds > 21_600) return { status: 400 };
      tokens.add(`token-${tokens.size}`);
      return { status: 200, body: `token-${tokens.size - 1}` };
    }
    if (method !== "GET") return { status: 405 };
    if (version === 2 && !tokens.has(`${headers["x-aws-ec2-metadata-token"]}`)) {
      return { status: 401 };
    }
    if (path === ROLES_PATH) return role === "" ? { status: 404 } : { status: 200, body: role };
    if (path !== ROLES_PATH + role) return { status: 404 };
    return { status: 200, body: JSON.stringify({ Code: "Success", ...answerOf(key) }) };
  });
}

/** The path at which the container's endpoint has credentials. */
export const CONTAINER_PATH = "/v1/credentials";

/**
 * The endpoint of ECS and of EKS Pod Identity: nothing without the token of now.
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
 */
export async function startFakeContainer(options: {
  readonly key: FakeKey;
  token(): string;
}): Promise<FakeService> {
  return await startService(options.key, ({ method, path, headers }, key) => {
    if (method !== "GET" || path !== CONTAINER_PATH) return { status: 404 };
    if (headers.authorization !== options.token()) return { status: 401 };
    return { status: 200, body: JSON.stringify(answerOf(key)) };
  });
}

/**
 * STS: AssumeRole signed with a known access key, and AssumeRoleWithWebIdentity with a known token
 * and no signature.
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
 */
export async function startFakeSts(options: {
  readonly key: FakeKey;
  /** Access key id or web identity token of those that may assume roles. */
  mayAssume(who: string): boolean;
}): Promise<FakeService> {
  return await startService(options.key, ({ body, headers }, key) => {
    const input = new URLSearchParams(body);
    const action = input.get("Action");
    const signer = /Credential=([^/]+)\//.exec(headers.authorization ?? "")?.[1];
    const isByToken = action === "AssumeRoleWithWebIdentity";
    if (!isByToken && action !== "AssumeRole") return refusal(400, "InvalidAction");
    if (input.get("Version") !== "2011-06-15") return refusal(400, "InvalidAction");
    if (!/^arn:aws:iam::\d{12}:role\/[\w+=,.@/-]+$/.test(input.get("RoleArn") ?? "")) {
      return refusal(400, "ValidationError");
    }
    if (!/^[\w+=,.@-]{2,64}$/.test(input.get("RoleSessionName") ?? "")) {
      return refusal(400, "ValidationError");
    }
    const who = isByToken ? input.get("WebIdentityToken") : signer;
    if (isByToken === (signer !== undefined) || !options.mayAssume(`${who}`)) {
      return refusal(isByToken ? 400 : 403, isByToken ? "InvalidIdentityToken" : "AccessDenied");
    }
    return {
      status: 200,
      body: `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result>
        <Credentials><AccessKeyId>${key.accessKeyId}</AccessKeyId>
        <SecretAccessKey>${key.secretAccessKey}</SecretAccessKey>
        <SessionToken>${key.sessionToken}</SessionToken>
        <Expiration>${new Date(key.expiresAt).toISOString()}</Expiration></Credentials>
        </${action}Result></${action}Response>`,
    };
  });
}

/** What STS says when it refuses. */
export function refusal(status: number, code: string, message = "No."): LocalAnswer {
  return {
    status,
    body: `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`,
  };
}

async function startService(
  first: FakeKey,
  answer: (request: LocalRequest, key: FakeKey) => LocalAnswer,
): Promise<FakeService> {
  let key = first;
  let fault: Fault = () => undefined;
  const server = await startLocalServer(
    (request, index) => fault(request, index) ?? answer(request, key),
  );
  return {
    ...server,
    give(next) {
      key = next;
    },
    onRequest(next) {
      fault = next;
    },
  };
}

function answerOf(key: FakeKey): Readonly<Record<string, string>> {
  return {
    AccessKeyId: key.accessKeyId,
    SecretAccessKey: key.secretAccessKey,
    Token: key.sessionToken,
    Expiration: new Date(key.expiresAt).toISOString(),
  };
}
