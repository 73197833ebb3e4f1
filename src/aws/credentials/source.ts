import type { AwsCredentialIdentity } from "@smithy/types";
import type { Clock } from "../../lib/clock.ts";
import { CredentialsError } from "../errors.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** What every source may need. */
export interface SourceContext {
  /** Read anew every time: what it says may change. */
  readonly env: Environment;
  readonly clock: Clock;
}

/** An identity of its parts: the SDK takes no member that is undefined. */
export function identityOf(parts: {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
  readonly accountId: string | undefined;
}): AwsCredentialIdentity {
  const { accessKeyId, secretAccessKey, sessionToken, accountId } = parts;
  return {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
    ...(accountId === undefined ? {} : { accountId }),
  };
}

/** Credentials as a source gave them. */
export interface Reading {
  readonly identity: AwsCredentialIdentity;
  /** Where they come from, for a person: "instance profile web-role". Holds no secret. */
  readonly source: string;
  /**
   * When they end, in milliseconds since 1970; undefined: never, as far as the source says;
   * `unknown`: the source does not say, and replaces them without notice.
   */
  readonly expiresAt: number | undefined | "unknown";
}

/**
 * Reads credentials, once.
 * @param options.isRenewal we hold some from there already: look nowhere else
 * @throws CredentialsError
 */
export type ReadCredentials = (options: { readonly isRenewal: boolean }) => Promise<Reading>;

/**
 * Reads an answer in JSON, of a metadata service or a credential process. The parser's own message
 * would repeat a part of the text, so none of it is told.
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
 * @param tokenMember what the writer calls the session token
 * @returns the credentials; undefined: the text holds none
 */
export function parseAnswer(
  text: string,
  tokenMember: "Token" | "SessionToken",
):
  | { readonly identity: AwsCredentialIdentity; readonly expiresAt: number | undefined }
  | undefined {
  const answer = parseObject(text);
  if (answer === undefined) return undefined;
  const member = (name: string): string | undefined => {
    const value = answer[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const accessKeyId = member("AccessKeyId");
  const secretAccessKey = member("SecretAccessKey");
  const sessionToken = member(tokenMember);
  const accountId = member("AccountId");
  const expiration = member("Expiration");
  const expiresAt = expiration === undefined ? undefined : Date.parse(expiration);
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  if (Number.isNaN(expiresAt) || isTokenMissing(accessKeyId, sessionToken)) return undefined;
  return {
    identity: identityOf({ accessKeyId, secretAccessKey, sessionToken, accountId }),
    expiresAt,
  };
}

/** Reads an object in JSON; undefined: it is none. */
export function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return value as Record<string, unknown>;
}

/**
 * Temporary keys begin with ASIA and are nothing without their session token.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
 */
export function isTokenMissing(accessKeyId: string, sessionToken: string | undefined): boolean {
  return accessKeyId.startsWith("ASIA") && sessionToken === undefined;
}

/** While AWS cannot make new credentials it serves those that have ended, and its services take them. */
const STABILITY_MS = 5 * 60_000;

/**
 * The end of credentials that a service has given just now. If that is past, the service knows
 * better or this host's clock is wrong: they are used, and soon asked for again.
 */
export function endOf(expiresAt: number, now: number): number {
  return expiresAt > now ? expiresAt : now + STABILITY_MS;
}

/** The error of a source that this host says nothing of. */
export function absent(what: string, hint: string): CredentialsError {
  return new CredentialsError(what, hint, { isAbsent: true });
}

/** The text without any of these, which somebody may have repeated in an answer. */
export function withoutSecrets(text: string, secrets: readonly (string | undefined)[]): string {
  return secrets.reduce<string>(
    (rest, secret) =>
      secret === undefined || secret === "" ? rest : rest.replaceAll(secret, "(hidden)"),
    text,
  );
}
