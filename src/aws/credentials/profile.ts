import { CredentialsError } from "../errors.ts";
import { readContainer } from "./container.ts";
import { readEnvironment } from "./environment.ts";
import { readProcess } from "./process.ts";
import { type Profile, readSharedFiles, type SharedFiles } from "./shared-files.ts";
import { absent, identityOf, isTokenMissing, type Reading, type SourceContext } from "./source.ts";
import type { Sts } from "./sts.ts";

/** What a profile may send us on to. */
export interface ProfileContext extends SourceContext {
  readonly sts: Sts;
  readInstanceProfile(): Promise<Reading>;
}

interface Visit {
  readonly files: SharedFiles;
  readonly context: ProfileContext;
  /** The profiles that led here, by `source_profile`. */
  readonly visited: readonly string[];
}

/**
 * Reads a profile of the shared files, with what it may say of a role, a process or another profile.
 * The SDK parses the files; its own provider would run processes without a limit, tell their output,
 * and ask instance metadata of version 1.
 * @param which.name undefined: AWS_PROFILE, else `default`
 * @param which.file this credentials file alone, instead of the two of the SDKs
 * @throws CredentialsError
 */
export async function readProfile(
  which: { readonly name?: string | undefined; readonly file?: string | undefined },
  context: ProfileContext,
): Promise<Reading> {
  const { env } = context;
  const files = await readSharedFiles(env, which.file);
  const named = which.name ?? (env["AWS_PROFILE"] || undefined);
  const name = named ?? "default";
  const profile = files.profile(name);
  if (profile !== undefined) return await readKeys(name, profile, { files, context, visited: [] });
  const message = `There is no profile ${name} in ${files.told}.`;
  // Nobody asked for `default`; any other name, or a file, was somebody's wish.
  if (named === undefined && which.file === undefined) throw absent(message, HINT);
  throw new CredentialsError(message, which.file === undefined ? HINT : HALF_WRITTEN_HINT);
}

const HINT = "Check AWS_PROFILE and the file, or choose another source by `credentials`.";
const HALF_WRITTEN_HINT =
  "If something is just writing the file, the agent reads it again; else mend it.";

/** A key is in the shared files for as long as somebody wishes; they may be replaced at any time. */
function staticReading(name: string, profile: Profile, { files }: Visit): Reading | undefined {
  const accessKeyId = profile["aws_access_key_id"];
  const secretAccessKey = profile["aws_secret_access_key"];
  const sessionToken = profile["aws_session_token"];
  const accountId = profile["aws_account_id"];
  if (accessKeyId === undefined && secretAccessKey === undefined) return undefined;
  const path = files.pathOf(name);
  if (
    accessKeyId === undefined ||
    secretAccessKey === undefined ||
    isTokenMissing(accessKeyId, sessionToken)
  ) {
    throw new CredentialsError(
      `The profile ${name} in ${path} holds only a part of a key.`,
      HALF_WRITTEN_HINT,
    );
  }
  return {
    identity: identityOf({ accessKeyId, secretAccessKey, sessionToken, accountId }),
    source: `shared file ${path}, profile ${name}`,
    expiresAt: "unknown",
  };
}

/** The order is the SDK's. */
async function readKeys(name: string, profile: Profile, visit: Visit): Promise<Reading> {
  const { context, visited } = visit;
  const roleArn = profile["role_arn"];
  const tokenFile = profile["web_identity_token_file"];
  const command = profile["credential_process"];
  const hasSource =
    profile["source_profile"] !== undefined || profile["credential_source"] !== undefined;
  // A profile may name itself as the source of its role: then its own keys are meant.
  const keys = staticReading(name, profile, visit);
  if (keys !== undefined && visited.length > 0) return keys;
  if (roleArn !== undefined && hasSource) return await readRole(name, roleArn, profile, visit);
  if (keys !== undefined) return keys;
  if (roleArn !== undefined && tokenFile !== undefined) {
    const role = { arn: roleArn, sessionName: profile["role_session_name"] };
    return await context.sts.assumeRoleWithToken(tokenFile, role);
  }
  if (command !== undefined) return await readProcess(command, context);
  if (Object.keys(profile).some((key) => /^(sso_|login_session$)/.test(key))) {
    throw new CredentialsError(
      `The profile ${name} needs a person who logs in (SSO), which an agent has not.`,
      "Choose a role of the host's own by `credentials`.",
    );
  }
  throw absent(`The profile ${name} in ${visit.files.pathOf(name)} holds no credentials.`, HINT);
}

async function readRole(
  name: string,
  arn: string,
  profile: Profile,
  visit: Visit,
): Promise<Reading> {
  if (profile["mfa_serial"] !== undefined) {
    throw new CredentialsError(
      `The profile ${name} asks for a code (mfa_serial), which an agent has not.`,
      "Choose a role of the host's own by `credentials`.",
    );
  }
  const base = await readBase(name, profile, visit).catch((error: unknown) => {
    // The profile says that there is something: no other source stands in for it.
    throw error instanceof CredentialsError && error.isAbsent
      ? new CredentialsError(`The profile ${name} has no source: ${error.message}`, error.hint)
      : error;
  });
  const seconds = profile["duration_seconds"];
  return await visit.context.sts.assumeRole(base, {
    arn,
    sessionName: profile["role_session_name"],
    externalId: profile["external_id"],
    durationSeconds: seconds === undefined ? undefined : Number.parseInt(seconds, 10),
    region: profile["region"],
  });
}

async function readBase(name: string, profile: Profile, visit: Visit): Promise<Reading> {
  const { files, context, visited } = visit;
  const source = profile["source_profile"];
  if (source !== undefined) {
    const next = files.profile(source);
    if (visited.includes(source) || next === undefined) {
      throw new CredentialsError(
        next === undefined
          ? `The profile ${name} names a source_profile ${source}, which is not there.`
          : `The profiles ${[...visited, source].join(", ")} lead back to ${source}.`,
        "Mend source_profile in the shared files.",
      );
    }
    return await readKeys(source, next, { ...visit, visited: [...visited, source] });
  }
  switch (profile["credential_source"]) {
    case "Environment":
      return await readEnvironment(context);
    case "EcsContainer":
      return await readContainer(context);
    case "Ec2InstanceMetadata":
      return await context.readInstanceProfile();
    default:
      throw new CredentialsError(
        `The profile ${name} has an unknown credential_source.`,
        "It is one of Environment, EcsContainer and Ec2InstanceMetadata.",
      );
  }
}
