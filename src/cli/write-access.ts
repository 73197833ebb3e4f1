import { execFile } from "node:child_process";
import { mkdir, readFile, realpath, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import type { LocalBootstrap } from "../config/bootstrap.ts";
import { DROP_IN_FILE, dropInText, hiddenFolderOf, UNIT } from "../host/unit-drop-in.ts";
import { writeFileAtomically } from "../lib/atomic-file.ts";
import { AgentError, ExitCode, isErrno, messageOf } from "../lib/errors.ts";
import { lookAtRoot, type OwnPlaces, refusalOf } from "./allowed-directory.ts";

const run = promisify(execFile);

/** systemd reads all units anew within this even on a busy host. */
const SYSTEMCTL_MS_MAX = 30_000;

/** Where the machine's own files are, and how its tools are found. */
export interface UnitHost {
  /** `/` but for tests. */
  readonly systemRoot: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The drop-in as it must be for a bootstrap configuration. */
export interface WantedDropIn {
  readonly text: string;
  /** What the unit gets no access to, and why. */
  readonly leftOut: readonly { readonly reason: string; readonly wayOut: string }[];
}

/**
 * Makes out what the unit must see and write. Roots are bound where they really are, since the
 * agent opens them there; relative ones are taken from `/`, where systemd starts the unit.
 */
export async function wantedDropIn(
  local: Pick<LocalBootstrap, "allowedRoots" | "credentials" | "stateDirectory">,
  bootstrapFile: string,
  { systemRoot }: UnitHost,
): Promise<WantedDropIn> {
  const leftOut: { reason: string; wayOut: string }[] = [];
  const leave = ({ message, hint }: AgentError) => leftOut.push({ reason: message, wayOut: hint });
  const own = await ownPlaces(local.stateDirectory, bootstrapFile);
  const roots = new Set<string>();
  for (const root of local.allowedRoots) {
    try {
      const place = await lookAtRoot(resolve("/", root));
      const refusal = refusalOf(place, own);
      if (refusal === undefined) roots.add(place.realPath);
      else leave(refusal);
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      leave(error);
    }
  }
  const readOnly: string[] = [];
  const { credentials } = local;
  const hidden = credentials.kind === "shared-file" ? hiddenFolderOf(credentials.path) : undefined;
  if (hidden !== undefined && "tooWide" in hidden) {
    leftOut.push({
      reason: `The unit does not see the credentials file in ${hidden.tooWide}: it is given no home directory as a whole.`,
      wayOut: "Keep the file in a folder of its own, such as /root/.aws.",
    });
  } else if (hidden !== undefined && (await isDirectory(join(systemRoot, hidden.folder)))) {
    // systemd 237 fails the start where it is not there, hyphen or not.
    readOnly.push(hidden.folder);
  }
  return { text: dropInText({ bootstrapFile, roots: [...roots], readOnly }), leftOut };
}

/**
 * Makes the folder that another program, such as amazon-ssm-agent, will put the credentials file in:
 * the unit sees no folder that is made after its start. Only one of root's own, such as /root/.aws;
 * whoever has another home has made his folders.
 */
export async function makeCredentialsFolder(
  { credentials }: Pick<LocalBootstrap, "credentials">,
  { systemRoot }: UnitHost,
): Promise<void> {
  const hidden = credentials.kind === "shared-file" ? hiddenFolderOf(credentials.path) : undefined;
  if (hidden === undefined || "tooWide" in hidden || dirname(hidden.folder) !== "/root") return;
  // What cannot be made is told by the agent, which lacks the file.
  await mkdir(join(systemRoot, hidden.folder), { mode: 0o700 }).catch(() => undefined);
}

/** The agent's own places by their real paths. @param bootstrapFile absolute */
export async function ownPlaces(stateDirectory: string, bootstrapFile: string): Promise<OwnPlaces> {
  const real = async (path: string) => await realpath(path).catch(() => path);
  return {
    stateDirectory: await real(resolve("/", stateDirectory)),
    bootstrapFile: await real(bootstrapFile),
  };
}

/** The drop-in as it stands; undefined: there is none. @throws system errors */
export async function readDropIn({ systemRoot }: UnitHost): Promise<string | undefined> {
  try {
    return await readFile(join(systemRoot, DROP_IN_FILE), "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

/** What became of the drop-in. */
export interface DropInChange {
  readonly file: string;
  readonly isChanged: boolean;
  /** `none`: there was nothing to tell systemd. */
  readonly reload: "done" | "none" | "no systemd";
}

/**
 * Puts the drop-in in its place and lets systemd read it, if it is not there already.
 * @throws AgentError if it cannot be written, or systemd cannot be told
 */
export async function putDropIn(text: string, host: UnitHost): Promise<DropInChange> {
  const file = join(host.systemRoot, DROP_IN_FILE);
  try {
    if ((await readDropIn(host)) === text) return { file, isChanged: false, reload: "none" };
    await mkdir(dirname(file), { recursive: true, mode: 0o755 });
    await writeFileAtomically(file, text, async (beside) => await beside.chmod(0o644));
  } catch (error) {
    throw failure(
      `The unit's write access cannot be written to ${file}: ${messageOf(error)}.`,
      "Make the folder writable for root, and call it again: s3-offload-agent allow --sync.",
      error,
    );
  }
  if (!(await isBooted(host))) {
    return { file, isChanged: true, reload: "no systemd" };
  }
  try {
    await systemctl(["daemon-reload"], host);
  } catch (error) {
    throw failure(
      `The unit's write access is in ${file}, and systemd could not be told: ${messageOf(error)}.`,
      "Tell it by hand: systemctl daemon-reload.",
      error,
    );
  }
  return { file, isChanged: true, reload: "done" };
}

/** sd_booted(3): whether systemd runs here, and not only lies here, as in a chroot. */
async function isBooted({ systemRoot }: UnitHost): Promise<boolean> {
  return await isDirectory(join(systemRoot, "/run/systemd/system"));
}

export const ROOTS_VARIABLE = "S3_OFFLOAD_ALLOWED_ROOTS";

/** The unit takes variables from these, if they are there. */
const ENVIRONMENT_FILES = ["/etc/default/s3-offload-agent", "/etc/sysconfig/s3-offload-agent"];

/** The file from which the unit's start takes the list of allowed roots; undefined: from none. */
export async function variableFile({ systemRoot }: UnitHost): Promise<string | undefined> {
  for (const file of ENVIRONMENT_FILES) {
    const text = await readFile(join(systemRoot, file), "utf8").catch(() => "");
    if (new RegExp(`^\\s*${ROOTS_VARIABLE}=`, "m").test(text)) return file;
  }
  return undefined;
}

/** Whether the unit runs now; false where nobody knows. */
export async function isUnitActive(host: UnitHost): Promise<boolean> {
  if (!(await isBooted(host))) return false;
  return await systemctl(["is-active", "--quiet", UNIT], host).then(
    () => true,
    () => false,
  );
}

async function systemctl(args: readonly string[], { env }: UnitHost): Promise<void> {
  await run("systemctl", args, { timeout: SYSTEMCTL_MS_MAX, env: { PATH: env["PATH"] ?? "" } });
}

function failure(message: string, hint: string, cause: unknown): AgentError {
  return new AgentError(message, { exitCode: ExitCode.failed, hint, cause });
}

async function isDirectory(path: string): Promise<boolean> {
  return await stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}
