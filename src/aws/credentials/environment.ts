import { CredentialsError } from "../errors.ts";
import { absent, identityOf, isTokenMissing, type Reading, type SourceContext } from "./source.ts";

const HINT =
  "Set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for temporary ones, AWS_SESSION_TOKEN, or choose another source by `credentials`.";

/** Reads the variables of the AWS SDKs. @throws CredentialsError */
export async function readEnvironment({ env, clock }: SourceContext): Promise<Reading> {
  // Systemd and shells make empty variables easily.
  const value = (name: string): string | undefined => env[name] || undefined;
  const accessKeyId = value("AWS_ACCESS_KEY_ID");
  const secretAccessKey = value("AWS_SECRET_ACCESS_KEY");
  const sessionToken = value("AWS_SESSION_TOKEN");
  const expiration = value("AWS_CREDENTIAL_EXPIRATION");
  const accountId = value("AWS_ACCOUNT_ID");
  if (accessKeyId === undefined && secretAccessKey === undefined) {
    throw absent("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set.", HINT);
  }
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    const missing = accessKeyId === undefined ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY";
    throw absent(`${missing} is not set, its fellow is.`, HINT);
  }
  if (isTokenMissing(accessKeyId, sessionToken)) {
    throw new CredentialsError(
      "AWS_ACCESS_KEY_ID is that of temporary credentials, and AWS_SESSION_TOKEN is not set.",
      HINT,
    );
  }
  const expiresAt = expiration === undefined ? undefined : Date.parse(expiration);
  if (Number.isNaN(expiresAt)) {
    throw new CredentialsError("AWS_CREDENTIAL_EXPIRATION is not a time.", HINT);
  }
  if (expiresAt !== undefined && expiresAt <= clock.now()) {
    throw new CredentialsError(
      `The credentials in the environment ended at ${new Date(expiresAt).toISOString()} (AWS_CREDENTIAL_EXPIRATION).`,
      "Start the agent again with new ones, or choose a source that renews them by `credentials`; check the clock.",
    );
  }
  return {
    identity: identityOf({ accessKeyId, secretAccessKey, sessionToken, accountId }),
    source: "environment",
    expiresAt,
  };
}
