import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { configurationError, errnoOf, isErrno, messageOf } from "../lib/errors.ts";
import { parseLog, type RecordFormat } from "../lib/record-log.ts";
import { StateFile } from "../lib/state-file.ts";
import { ATTEMPTS_FORMAT, type Attempt, Attempts } from "./attempts.ts";
import { HOST_FORMAT, type HostState, readHost } from "./host-state.ts";
import { LEDGER_FORMAT, Ledger, type Uploaded } from "./ledger.ts";

/** The state directory as it stands on disk at one moment. */
export interface StateSnapshot {
  readonly host: HostState;
  /** Files that wait, fail or are in quarantine. */
  readonly attempts: readonly Attempt[];
  /** Files that are in the bucket and, as far as is known, still on disk. */
  readonly uploaded: readonly Uploaded[];
  /** State files that can only be read in part; the agent sets them aside at its next start. */
  readonly damages: readonly { readonly path: string; readonly reason: string }[];
}

/**
 * Reads the state directory beside an agent at work: takes no lock, writes nothing. Each file is
 * whole in itself (it is replaced as a whole, or added to line by line), but they need not all be
 * of the same moment.
 * @throws AgentError with exit code 2 if it is not there or cannot be read
 */
export async function readStateDirectory(path: string): Promise<StateSnapshot> {
  const damages: { path: string; reason: string }[] = [];
  const read = async (name: string, format: RecordFormat): Promise<readonly unknown[]> => {
    const file = join(path, name);
    const content = await readFile(file).catch((error: unknown) => {
      // What was never written says nothing, and that is no damage.
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    });
    if (content === undefined) return [];
    const { records, reason } = parseLog(content, format);
    if (reason !== undefined) damages.push({ path: file, reason });
    return records;
  };
  // Only what was read counts here; nobody writes through these.
  const nobody = (name: string, format: RecordFormat) =>
    new StateFile(join(path, name), format, () => undefined);
  try {
    await stat(join(path, "."));
    const attempts = await read("attempts", ATTEMPTS_FORMAT);
    const ledger = await read("ledger", LEDGER_FORMAT);
    return {
      host: readHost(await read("host", HOST_FORMAT)),
      attempts: [...Attempts.of(nobody("attempts", ATTEMPTS_FORMAT), attempts).list()],
      uploaded: [...Ledger.of(nobody("ledger", LEDGER_FORMAT), ledger).list()],
      damages,
    };
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): Error {
  if (isErrno(error, "ENOENT")) {
    return configurationError(
      `There is no state directory ${path}: no agent has worked with it yet.`,
      "Start one (systemctl start s3-offload-agent), or name the right `stateDirectory` in the bootstrap file (S3_OFFLOAD_STATE_DIRECTORY).",
      error,
    );
  }
  return configurationError(
    `The state directory ${path} cannot be read: ${errnoOf(error) ?? messageOf(error)}.`,
    "Ask as the agent's user or as root (sudo), or name the right `stateDirectory` in the bootstrap file (S3_OFFLOAD_STATE_DIRECTORY).",
    error,
  );
}
