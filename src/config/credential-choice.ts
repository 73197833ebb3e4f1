/** What is all said by its name. */
const PLAIN = ["auto", "environment", "web-identity", "container", "instance-profile"] as const;

/** Where the bootstrap file says that AWS credentials come from. */
export type CredentialChoice =
  /** `auto`: the first that this host has, in the order of the AWS SDKs. */
  | { readonly kind: (typeof PLAIN)[number] }
  /** A profile of the shared files; undefined: AWS_PROFILE, else `default`. */
  | { readonly kind: "profile"; readonly name: string | undefined }
  /** A shared credentials file that another program keeps fresh. */
  | { readonly kind: "shared-file"; readonly path: string }
  /** A command that writes credentials as a profile's `credential_process` does. */
  | { readonly kind: "process"; readonly command: string };

/** Where amazon-ssm-agent, which runs as root, writes the credentials of a hybrid activation. */
const SSM_HYBRID_FILE = "/root/.aws/credentials";

export const CREDENTIAL_CHOICE_PATTERN =
  /^(auto|environment|profile|profile:[^\0\s]+|shared-file:\/[^\0]+|ssm-hybrid|process:\s*\S[^\0]*|web-identity|container|instance-profile)$/;

/** Ends "must be"; it repeats nothing of what stands there, which may be a secret. */
export const CREDENTIAL_CHOICE_EXPECTS =
  "must be auto, environment, profile, profile:NAME, shared-file:/PATH, ssm-hybrid, process:COMMAND, web-identity, container or instance-profile";

/** Reads a text that CREDENTIAL_CHOICE_PATTERN matches. @throws RangeError if it does not match */
export function parseCredentialChoice(text: string): CredentialChoice {
  if (!CREDENTIAL_CHOICE_PATTERN.test(text)) throw new RangeError(CREDENTIAL_CHOICE_EXPECTS);
  const plain = PLAIN.find((kind) => kind === text);
  if (plain !== undefined) return { kind: plain };
  if (text === "ssm-hybrid") return { kind: "shared-file", path: SSM_HYBRID_FILE };
  const [word = "", ...parts] = text.split(":");
  const value = parts.join(":").trim();
  if (word === "shared-file") return { kind: word, path: value };
  if (word === "process") return { kind: word, command: value };
  return { kind: "profile", name: value === "" ? undefined : value };
}
