import { mkdir, readFile, realpath, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { BOOTSTRAP_FILE_DEFAULT, type LocalBootstrap, readBootstrap } from "../config/bootstrap.ts";
import { withAllowedRoots } from "../config/bootstrap-roots.ts";
import { UNIT } from "../host/unit-drop-in.ts";
import { writeFileAtomically } from "../lib/atomic-file.ts";
import { AgentError, configurationError, ExitCode, isErrno, messageOf } from "../lib/errors.ts";
import { shellWord } from "../lib/shell-word.ts";
import { type ListChange, toAllow, toDisallow } from "./allow-list.ts";
import type { CommandContext, CommonOptions } from "./context.ts";
import { printable } from "./text.ts";
import {
  type DropInChange,
  isUnitActive,
  makeCredentialsFolder,
  ownPlaces,
  putDropIn,
  ROOTS_VARIABLE,
  type UnitHost,
  variableFile,
  wantedDropIn,
} from "./write-access.ts";

export interface AllowOptions extends CommonOptions {
  /** Take the directories from the list. */
  readonly remove?: boolean;
  /** Make the directories that are not there. */
  readonly make?: boolean;
  /** Only bring the unit's write access in line with the bootstrap file. */
  readonly sync?: boolean;
}

/** What the machine is to the command, but for tests. */
export interface AllowHost {
  readonly systemRoot: string;
  readonly euid: number | undefined;
}

/**
 * `allow`: puts directories on the bootstrap file's list of allowed roots, or takes them from it,
 * and gives the unit write access to what is on it. A second call changes nothing. With `--sync` it
 * only does the latter, as each start of the unit does.
 * @throws AgentError with exit code 2 if a directory is refused or the bootstrap file is wrong, and
 *   nothing has changed then; with 1 if something cannot be written
 */
export async function allow(
  directories: readonly string[],
  options: AllowOptions,
  context: CommandContext,
  host: AllowHost = { systemRoot: "/", euid: process.geteuid?.() },
): Promise<ExitCode> {
  assertUsage(directories, options);
  assertRoot(directories, options, host);
  const { env, workingDirectory } = context;
  const named =
    options.config === undefined ? undefined : resolve(workingDirectory, options.config);
  const file = named ?? BOOTSTRAP_FILE_DEFAULT;
  const asked = directories.map((directory) => resolve(workingDirectory, directory));
  const unitHost: UnitHost = { systemRoot: host.systemRoot, env };

  const before = readBootstrap({ file: named, env: { ...env, [ROOTS_VARIABLE]: "" } });
  const change = await changeOf(asked, file, options, before);
  const made = options.make === true ? await makeMissing(asked) : [];
  const isFileChanged = change.add.length + change.remove.length > 0;
  if (isFileChanged) await changeFile(file, before.allowedRoots, change);

  const notes = [...change.notes];
  if (options.remove !== true) notes.push(...(await notThere(asked)));
  const unitsFile = await variableFile(unitHost);
  const variableIn = unitsFile ?? (env[ROOTS_VARIABLE] ? "the environment" : undefined);
  const isSync = options.sync === true;
  if (variableIn !== undefined && !isSync) {
    notes.push(
      `The list of ${file} has no effect: ${ROOTS_VARIABLE} is set in ${variableIn} and stands for it.`,
    );
  }
  // What the unit's own variable says is known when the unit starts.
  const dropIn =
    unitsFile !== undefined && !isSync
      ? undefined
      : await bringInLine(readBootstrap({ file: named, env }), { file, unitHost, notes });
  const isChanged = dropIn?.isChanged === true || (isFileChanged && dropIn !== undefined);
  const isActive = !isSync && isChanged && (await isUnitActive(unitHost));
  tell({ file, ...change, made, notes, dropIn, isRestartNeeded: isActive }, options, context);
  return ExitCode.done;
}

function assertUsage(directories: readonly string[], options: AllowOptions): void {
  const { sync = false, remove = false, make = false } = options;
  if (sync && (directories.length > 0 || remove || make)) {
    throw configurationError(
      "allow --sync takes no directory, and neither --remove nor --make: it obeys the bootstrap file.",
      "s3-offload-agent allow --sync",
    );
  }
  if (remove && make) {
    throw configurationError("--remove and --make do not go together.", "Leave one of them out.");
  }
  if (!sync && directories.length === 0) {
    throw configurationError(
      "allow needs at least one directory.",
      "s3-offload-agent allow DIR..., or s3-offload-agent allow --remove DIR...",
    );
  }
}

function assertRoot(
  directories: readonly string[],
  { sync, remove }: AllowOptions,
  { euid }: AllowHost,
): void {
  if (euid === 0) return;
  const words = [...(sync ? ["--sync"] : []), ...(remove ? ["--remove"] : []), ...directories];
  throw configurationError(
    "Only root may say which directories the agent takes files from.",
    `sudo s3-offload-agent allow ${words.map(shellWord).join(" ")}`,
  );
}

/** Decides on the list of the file itself, whatever a variable says. */
async function changeOf(
  asked: readonly string[],
  file: string,
  options: AllowOptions,
  { allowedRoots, stateDirectory }: LocalBootstrap,
): Promise<ListChange> {
  if (options.sync === true) return { add: [], remove: [], notes: [] };
  if (options.remove === true) return await toDisallow(asked, allowedRoots);
  return await toAllow(asked, allowedRoots, await ownPlaces(stateDirectory, file));
}

async function makeMissing(asked: readonly string[]): Promise<readonly string[]> {
  const made: string[] = [];
  for (const path of asked) {
    try {
      if ((await mkdir(path, { recursive: true, mode: 0o755 })) !== undefined) made.push(path);
    } catch (error) {
      throw unwritten(`The directory ${path} cannot be made`, error);
    }
  }
  return made;
}

/** The file is replaced as a whole, with the mode and owner that it had. */
async function changeFile(
  file: string,
  allowedRoots: readonly string[],
  { add, remove }: ListChange,
): Promise<void> {
  const roots = [...allowedRoots.filter((root) => !remove.includes(root)), ...add];
  try {
    // A link to it stays one.
    const path = await realpath(file).catch((error: unknown) => {
      if (isErrno(error, "ENOENT")) return file;
      throw error;
    });
    const before = await stat(path).catch((error: unknown) => {
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    });
    const text = before === undefined ? "" : await readFile(path, "utf8");
    const changed = withAllowedRoots(text, file, { roots, add, remove });
    await writeFileAtomically(path, changed, async (beside) => {
      if (before !== undefined) await beside.chown(before.uid, before.gid);
      await beside.chmod(before === undefined ? 0o644 : before.mode & 0o7777);
    });
  } catch (error) {
    if (error instanceof AgentError) throw error;
    throw unwritten(`The bootstrap file ${file} cannot be written`, error);
  }
}

function unwritten(what: string, error: unknown): AgentError {
  return new AgentError(`${what}: ${messageOf(error)}.`, {
    exitCode: ExitCode.failed,
    hint: "See that its folder is there, and its filesystem mounted writable and not full.",
    cause: error,
  });
}

async function notThere(asked: readonly string[]): Promise<readonly string[]> {
  const notes = await Promise.all(
    asked.map(async (path) => {
      const exists = await stat(path).then(
        () => true,
        () => false,
      );
      return exists ? [] : [`${path} is not there: make it for whoever writes to it.`];
    }),
  );
  return notes.flat();
}

async function bringInLine(
  local: LocalBootstrap,
  about: { readonly file: string; readonly unitHost: UnitHost; readonly notes: string[] },
): Promise<DropInChange> {
  const { file, unitHost, notes } = about;
  await makeCredentialsFolder(local, unitHost);
  const wanted = await wantedDropIn(local, file, unitHost);
  notes.push(...wanted.leftOut.map(({ reason, wayOut }) => `${reason} ${wayOut}`));
  return await putDropIn(wanted.text, unitHost);
}

function tell(
  done: {
    readonly file: string;
    readonly add: readonly string[];
    readonly remove: readonly string[];
    readonly made: readonly string[];
    readonly notes: readonly string[];
    /** Undefined: it is left to the unit's start. */
    readonly dropIn: DropInChange | undefined;
    readonly isRestartNeeded: boolean;
  },
  { json, sync }: AllowOptions,
  { stdout }: CommandContext,
): void {
  const { file, add, remove, made, notes, dropIn, isRestartNeeded } = done;
  if (json === true) {
    const answer = {
      bootstrapFile: file,
      added: add,
      removed: remove,
      made,
      dropIn: dropIn?.file ?? null,
      isDropInChanged: dropIn?.isChanged ?? false,
      isReloaded: dropIn?.reload === "done",
      isRestartNeeded,
      notes,
    };
    stdout.write(`${JSON.stringify(answer)}\n`);
    return;
  }
  const lines = [
    ...made.map((path) => `made ${path}; it belongs to root: give it to whoever writes to it`),
    ...add.map((path) => `allowed ${path} in ${file}`),
    ...remove.map((path) => `no longer allowed: ${path}, in ${file}`),
    ...(sync === true && dropIn?.isChanged !== true ? [] : [dropInLine(dropIn)]),
    ...notes,
    ...(isRestartNeeded ? [`What is left to do: systemctl restart ${UNIT}`] : []),
  ];
  stdout.write(lines.map((line) => `${printable(line)}\n`).join(""));
}

function dropInLine(dropIn: DropInChange | undefined): string {
  if (dropIn === undefined) return "The unit gets its write access when it starts.";
  const { file, isChanged, reload } = dropIn;
  if (!isChanged) return `The unit's write access (${file}) is as it must be.`;
  const told =
    reload === "done" ? "systemd has read it" : "systemd does not run here, nothing was reloaded";
  return `wrote the unit's write access to ${file}; ${told}`;
}
