import { readFile } from "node:fs/promises";
import { fromTemporaryCredentials, fromTokenFile } from "@aws-sdk/credential-providers";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import type { AwsCredentialIdentity } from "@smithy/types";
import type { Clock } from "../../lib/clock.ts";
import { errnoOf } from "../../lib/errors.ts";
import { CredentialsError, type FailureKind, readFailure } from "../errors.ts";
import { absent, endOf, type Reading, type SourceContext, withoutSecrets } from "./source.ts";

/** STS, which makes credentials of others or of a web identity's token. */
export interface Sts {
  /** Assumes a role with credentials. @throws CredentialsError */
  assumeRole(base: Reading, role: Role): Promise<Reading>;
  /** Assumes a role with the token in a file, which is read each time. @throws CredentialsError */
  assumeRoleWithToken(tokenFile: string, role: Role): Promise<Reading>;
  /** Closes its connections. */
  destroy(): void;
}

export interface Role {
  readonly arn: string;
  /** Undefined: named after the host. */
  readonly sessionName?: string | undefined;
  readonly externalId?: string | undefined;
  readonly durationSeconds?: number | undefined;
  /** Undefined: that of the agent. */
  readonly region?: string | undefined;
}

const CONNECTION_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 15_000;

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/** Makes it. @param options.region undefined: as the SDK finds it */
export function makeSts(options: {
  readonly region: string | undefined;
  readonly hostId: string;
  readonly clock: Clock;
}): Sts {
  const requestHandler = new NodeHttpHandler({
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    throwOnRequestTimeout: true,
  });

  function clientConfig(role: Role) {
    const region = role.region ?? options.region;
    return { ...(region === undefined ? {} : { region }), requestHandler, logger: SILENT };
  }

  function readingOf(identity: AwsCredentialIdentity, source: string): Reading {
    const { expiration, ...rest } = identity;
    const expiresAt =
      expiration === undefined ? undefined : endOf(expiration.getTime(), options.clock.now());
    return { identity: rest, source, expiresAt };
  }

  return {
    async assumeRole(base, role) {
      const source = `assumed role ${role.arn} over ${base.source}`;
      // A client of its own each time: one that is kept would keep its first credentials, too.
      const provider = fromTemporaryCredentials({
        masterCredentials: base.identity,
        params: {
          RoleArn: role.arn,
          RoleSessionName: role.sessionName ?? sessionNameOf(options.hostId),
          ...(role.externalId === undefined ? {} : { ExternalId: role.externalId }),
          ...(role.durationSeconds === undefined ? {} : { DurationSeconds: role.durationSeconds }),
        },
        clientConfig: clientConfig(role),
        logger: SILENT,
      });
      try {
        return readingOf(await provider(), source);
      } catch (error) {
        const { secretAccessKey, sessionToken } = base.identity;
        throw refusal(role, `over ${base.source}`, error, [secretAccessKey, sessionToken]);
      }
    },
    async assumeRoleWithToken(tokenFile, role) {
      const token = await readToken(tokenFile);
      const provider = fromTokenFile({
        webIdentityTokenFile: tokenFile,
        roleArn: role.arn,
        roleSessionName: role.sessionName ?? sessionNameOf(options.hostId),
        clientConfig: clientConfig(role),
        logger: SILENT,
      });
      try {
        return readingOf(await provider(), `web identity, role ${role.arn}`);
      } catch (error) {
        throw refusal(role, `with the web identity token ${tokenFile}`, error, [token]);
      }
    },
    destroy: () => requestHandler.destroy(),
  };
}

/** Reads what EKS and others put into the environment. @throws CredentialsError */
export async function readWebIdentity({ env }: SourceContext, sts: Sts): Promise<Reading> {
  const tokenFile = env["AWS_WEB_IDENTITY_TOKEN_FILE"];
  const arn = env["AWS_ROLE_ARN"];
  if (!tokenFile || !arn) {
    throw absent(
      "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are not both set.",
      "EKS sets both for a service account with a role; elsewhere choose another source by `credentials`.",
    );
  }
  const sessionName = env["AWS_ROLE_SESSION_NAME"] || undefined;
  return await sts.assumeRoleWithToken(tokenFile, { arn, sessionName });
}

async function readToken(file: string): Promise<string> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (error) {
    throw new CredentialsError(
      `The web identity token ${file} cannot be read: ${errnoOf(error)}.`,
      "Check AWS_WEB_IDENTITY_TOKEN_FILE, and that the agent may read the file.",
    );
  }
}

/** A session's name has 2 to 64 characters; host ids are made of those that it may have. */
function sessionNameOf(hostId: string): string {
  return hostId.length < 2 ? `host-${hostId}` : hostId.slice(0, 64);
}

const HINTS: Readonly<Partial<Record<FailureKind, string>>> = {
  denied:
    "Let the role's trust policy name this host's own identity or its provider, and that identity's policy allow sts:AssumeRole.",
  credentials: "Check the credentials that the role is assumed with; those may have ended.",
  "clock-skew": "Set the host's clock right, with NTP or chrony.",
  transient: "Check the network, the region and the endpoint (AWS_ENDPOINT_URL_STS).",
  throttled: "Try again later; the service asks for fewer requests.",
};

function refusal(
  role: Role,
  how: string,
  error: unknown,
  secrets: readonly (string | undefined)[],
): CredentialsError {
  const { kind, code, message } = readFailure(error);
  // Anything else may quote an answer that is not the service's.
  const isServices = error instanceof Error && ("$fault" in error || errnoOf(error) !== undefined);
  const told = isServices ? `${code}: ${withoutSecrets(message, secrets)}` : code;
  return new CredentialsError(
    `Cannot assume the role ${role.arn} ${how}: ${told}.`,
    HINTS[kind] ?? "Check the ARN of the role and the region.",
  );
}
