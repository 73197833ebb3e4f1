import type { CredentialChoice } from "../../config/credential-choice.ts";
import { CredentialsError } from "../errors.ts";
import { readContainer } from "./container.ts";
import { readEnvironment } from "./environment.ts";
import { readInstanceProfile } from "./instance-metadata.ts";
import { readProcess } from "./process.ts";
import { type ProfileContext, readProfile } from "./profile.ts";
import { absent, type ReadCredentials, type Reading, type SourceContext } from "./source.ts";
import { readWebIdentity, type Sts } from "./sts.ts";

interface Link {
  /** What a person calls it. */
  readonly name: string;
  read(): Promise<Reading>;
}

/** Makes what reads the credentials that the bootstrap file chooses. */
export function makeSource(
  choice: CredentialChoice,
  options: SourceContext & { readonly sts: Sts; readonly allowImdsV1: boolean },
): ReadCredentials {
  const { env, clock, sts, allowImdsV1: allowV1 } = options;
  const instanceProfile = () => readInstanceProfile({ env, clock, allowV1 });
  const context: ProfileContext = { env, clock, sts, readInstanceProfile: instanceProfile };
  switch (choice.kind) {
    case "environment":
      return () => readEnvironment(context);
    case "profile":
      return () => readProfile({ name: choice.name }, context);
    case "shared-file":
      return () => readProfile({ file: choice.path }, context);
    case "process":
      return () => readProcess(choice.command, context);
    case "web-identity":
      return () => readWebIdentity(context, sts);
    case "container":
      return () => readContainer(context);
    case "instance-profile":
      return instanceProfile;
    case "auto":
      return chain([
        { name: "environment", read: () => environmentUnlessProfile(context) },
        { name: "profile", read: () => readProfile({}, context) },
        { name: "web identity", read: () => readWebIdentity(context, sts) },
        { name: "container", read: () => readContainer(context) },
        { name: "instance profile", read: instanceProfile },
      ]);
  }
}

/** Puts a role on top of a source: it is assumed with credentials that are read for that. */
export function withRole(read: ReadCredentials, arn: string, sts: Sts): ReadCredentials {
  return async (options) => await sts.assumeRole(await read(options), { arn });
}

/** The SDKs of several languages differ here; that of JavaScript has a profile win. */
async function environmentUnlessProfile(context: ProfileContext): Promise<Reading> {
  if (context.env["AWS_PROFILE"]) throw absent("AWS_PROFILE is set, which wins.", "");
  return await readEnvironment(context);
}

/**
 * The first link that this host says anything of. A link that fails ends the chain: with the next
 * one the agent would be somebody else. For the same reason, a renewal asks the link that answered
 * before, for as long as we hold credentials of it.
 */
function chain(links: readonly Link[]): ReadCredentials {
  let answered: Link | undefined;
  return async ({ isRenewal }) => {
    if (isRenewal && answered !== undefined) return await answered.read();
    const tried: string[] = [];
    for (const link of links) {
      try {
        const reading = await link.read();
        answered = link;
        return reading;
      } catch (error) {
        if (!(error instanceof CredentialsError && error.isAbsent)) throw error;
        tried.push(`${link.name}: ${error.message}`);
      }
    }
    throw new CredentialsError(
      `There are no AWS credentials. ${tried.join(" ")}`,
      "Give the host an instance profile, a shared credentials file, or AWS_ACCESS_KEY_ID and its fellows; `credentials` in the bootstrap file says which.",
    );
  };
}
