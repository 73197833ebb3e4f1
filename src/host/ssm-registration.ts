import { join } from "node:path";
import type { SystemFiles } from "./system-files.ts";

/** What amazon-ssm-agent wrote down when it was registered with an activation. */
export type SsmRegistration =
  | {
      readonly kind: "registered";
      readonly instanceId: string;
      readonly region: string | undefined;
    }
  /** No such registration; on EC2 the file may be there with the instance's own id. */
  | { readonly kind: "none" }
  | { readonly kind: "unreadable"; readonly message: string; readonly wayOut: string };

/** Of the packages and of the snap alike, which is a classic one. */
const REGISTRATION_FILE = "/var/lib/amazon/ssm/registration";

/** The name by which a unit hands the file on to an agent that is not root. */
export const REGISTRATION_CREDENTIAL = "ssm-registration";

/** https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_InstanceInformation.html */
const MANAGED_ID_PATTERN = /^mi-[0-9a-z]{17}$/;

/**
 * Reads the registration. Only root can, where the SSM agent keeps it; a unit may hand it on:
 * `LoadCredential=ssm-registration:/var/lib/amazon/ssm/registration`.
 */
export async function readSsmRegistration(
  files: SystemFiles,
  env: Readonly<Record<string, string | undefined>>,
): Promise<SsmRegistration> {
  const handedOn = env["CREDENTIALS_DIRECTORY"];
  const paths = [...(handedOn ? [join(handedOn, REGISTRATION_CREDENTIAL)] : []), REGISTRATION_FILE];
  for (const path of paths) {
    const text = await files.look(path);
    if (text === undefined) continue;
    if (typeof text === "string") return parse(text);
    return {
      kind: "unreadable",
      message: `The registration of the SSM agent, ${path}, cannot be read: ${text.unreadable}.`,
      wayOut: `Hand it on in the unit (LoadCredential=${REGISTRATION_CREDENTIAL}:${REGISTRATION_FILE}), or set \`hostId\` in the bootstrap file.`,
    };
  }
  return { kind: "none" };
}

function parse(text: string): SsmRegistration {
  let registration: Readonly<Record<string, unknown>>;
  try {
    registration = JSON.parse(text);
  } catch {
    return { kind: "none" };
  }
  const { ManagedInstanceID: instanceId, Region: region } = registration ?? {};
  if (typeof instanceId !== "string" || !MANAGED_ID_PATTERN.test(instanceId)) {
    return { kind: "none" };
  }
  return {
    kind: "registered",
    instanceId,
    region: typeof region === "string" && region !== "" ? region : undefined,
  };
}
