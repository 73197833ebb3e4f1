import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tryTool } from "./tool.ts";

/** Tells whose signatures hold. */
export interface Verifier {
  /** Fingerprints of the primary keys, sorted, of a text with signatures in it. */
  signersOfClear(file: string): Promise<readonly string[]>;
  /** The same for a file with its signatures beside it. */
  signersOfDetached(signature: string, file: string): Promise<readonly string[]>;
}

/** @param publicKeys binary; signatures of other keys do not hold */
export async function makeVerifier(options: {
  readonly publicKeys: Buffer;
  readonly work: string;
  readonly signal: AbortSignal;
}): Promise<Verifier> {
  const { publicKeys, work, signal } = options;
  const keyring = join(work, "keyring.gpg");
  await writeFile(keyring, publicKeys);
  const signers = async (files: readonly string[]) => {
    const args = ["--status-fd", "1", "--keyring", keyring, ...files];
    const { stdout } = await tryTool("gpgv", args, { signal });
    // GnuPG's doc/DETAILS: the last field of VALIDSIG is the primary key's fingerprint.
    const valid = stdout.toString().matchAll(/^\[GNUPG:\] VALIDSIG .* ([0-9A-F]{40,64})$/gm);
    return [...valid].map(([, fingerprint = ""]) => fingerprint).sort();
  };
  return {
    signersOfClear: (file) => signers([file]),
    signersOfDetached: (signature, file) => signers([signature, file]),
  };
}

/** Whether both name the same keys, in whatever order. */
export function areSameSigners(one: readonly string[], other: readonly string[]): boolean {
  return [...one].sort().join() === [...other].sort().join();
}
