import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomically } from "../lib/atomic-file.ts";
import { makeDirectory } from "../lib/state-file.ts";
import { NAME_PATTERN } from "./names.ts";

/** Where a host's id comes from. `explicit`: somebody wrote it down. */
export type IdSource = "explicit" | "ec2" | "ssm" | "hostname" | "machine-id";

/** Who this host was when the agent last worked. */
export interface SavedIdentity {
  readonly hostId: string;
  readonly idSource: IdSource;
  /** The digest of the machine that it was on. */
  readonly machine: string;
  /** What the instance metadata said; undefined: it was not asked. */
  readonly fleet: string | undefined;
  readonly region: string | undefined;
}

const FILE_NAME = "identity.json";

/** Where the identity is kept. */
export function identityFile(stateDirectory: string): string {
  return join(stateDirectory, FILE_NAME);
}

/** Reads what was saved; undefined if that is nothing, or nothing that can be read. */
export async function readIdentity(stateDirectory: string): Promise<SavedIdentity | undefined> {
  try {
    const saved: unknown = JSON.parse(await readFile(identityFile(stateDirectory), "utf8"));
    return isIdentity(saved) ? saved : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Saves the identity, as a whole.
 * @throws system errors; what was saved before is then as it was
 */
export async function writeIdentity(
  stateDirectory: string,
  identity: SavedIdentity,
): Promise<void> {
  await makeDirectory(stateDirectory);
  await writeFileAtomically(identityFile(stateDirectory), `${JSON.stringify(identity)}\n`);
}

function isIdentity(saved: unknown): saved is SavedIdentity {
  if (typeof saved !== "object" || saved === null) return false;
  const { hostId, idSource, machine, fleet, region } = saved as Readonly<Record<string, unknown>>;
  const isName = (value: unknown) => typeof value === "string" && NAME_PATTERN.test(value);
  return (
    [hostId, idSource, machine].every(isName) &&
    [fleet, region].every((value) => value === undefined || isName(value))
  );
}
