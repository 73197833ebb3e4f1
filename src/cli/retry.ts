import { resolve } from "node:path";
import { type LocalBootstrap, readBootstrap } from "../config/bootstrap.ts";
import { AgentError, configurationError, ExitCode } from "../lib/errors.ts";
import { Directories } from "../sweep/directory.ts";
import { pathText } from "../sweep/entry.ts";
import { unescapePath } from "../sweep/escape-path.ts";
import { isOwnName, QUARANTINE } from "../sweep/own-names.ts";
import { namesOf } from "../sweep/path-bytes.ts";
import { type Retried, retryFiles } from "../sweep/retry.ts";
import { readStateDirectory } from "../sweep/state-snapshot.ts";
import { openWatchedDirectory } from "../sweep/watched-directory.ts";
import type { CommandContext, CommonOptions } from "./context.ts";
import { startAgent } from "./start-agent.ts";
import { printable } from "./text.ts";

export interface RetryOptions extends CommonOptions {
  /** The watched directory; undefined: the configuration names it. */
  readonly directory?: string;
}

/** What a person can do about a file that could not be given another try. */
const WAYS_OUT: Readonly<Record<string, string>> = {
  taken: "move the file that has its place elsewhere, or let the agent upload it, and retry",
  absent: "see the names with s3-offload-agent status; they are relative to the watched directory",
  EACCES: "run it as root or as the agent's user",
  EPERM: "run it as root or as the file's owner; see lsattr for an immutable file or folder",
  EROFS: "mount the filesystem writable",
};

/**
 * `retry`: gives quarantined files their places back and makes deferred ones due, for an agent that
 * may be at work. Takes no lock: it removes and replaces nothing.
 * @param paths as `status` shows them; none: all of them
 * @returns 1 if any file could not be given another try
 * @throws AgentError if the directory or the configuration cannot be read, or a path is none
 */
export async function retry(
  paths: readonly string[],
  options: RetryOptions,
  context: CommandContext,
): Promise<ExitCode> {
  const bootstrap = readBootstrap({ file: options.config, env: context.env });
  const asked = options.directory ?? (await configuredDirectories(options, context));
  const all = typeof asked === "string" ? [asked] : asked;
  if (paths.length > 0 && all.length > 1) {
    throw configurationError(
      "There are several watched directories, and paths are relative to one of them.",
      `Say which one: --directory DIR with one of ${all.join(", ")}.`,
    );
  }
  let hasFailed = false;
  for (const directory of all) {
    const found = await retryDirectory(directory, paths, { bootstrap, options, context });
    hasFailed ||= found.some(({ kind }) => kind === "failed");
  }
  return hasFailed ? ExitCode.failed : ExitCode.done;
}

async function retryDirectory(
  asked: string,
  paths: readonly string[],
  about: {
    readonly bootstrap: LocalBootstrap;
    readonly options: RetryOptions;
    readonly context: CommandContext;
  },
): Promise<readonly Retried[]> {
  const { bootstrap, options, context } = about;
  await using directory = await openWatchedDirectory({
    directory: asked,
    allowedRoots: bootstrap.allowedRoots,
    workingDirectory: context.workingDirectory,
    stateDirectory: bootstrap.stateDirectory,
    isReadOnly: true,
  });
  const named = paths.map((path) => readPath(path, directory.path));
  const deferred = named.length > 0 ? [] : await deferredFiles(bootstrap, directory.path, context);
  await using directories = new Directories(directory.root);
  const found: Retried[] = [];
  const isJson = options.json === true;
  for await (const retried of retryFiles({
    directories,
    paths: named.length > 0 ? named : undefined,
    deferred,
    stop: context.stop,
  })) {
    found.push(retried);
    if (!isJson) context.stdout.write(`${printable(lineOf(retried))}\n`);
  }
  context.stdout.write(isJson ? jsonOf(found, directory.path) : summaryOf(found, directory.path));
  return found;
}

async function configuredDirectories(
  options: RetryOptions,
  context: CommandContext,
): Promise<readonly string[]> {
  const { agent } = await startAgent(options, context, []);
  try {
    const { routes } = await agent.readConfigOrLast(context.stop, () => undefined);
    return routes.map(({ settings }) => settings.directory);
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    const { message, exitCode, hint } = error;
    throw new AgentError(message, {
      exitCode,
      hint: `${hint} Or name the watched directory with --directory DIR.`,
      cause: error,
    });
  } finally {
    await agent.stop();
  }
}

/** A path as a person writes it: as `status` shows it, or absolute. @throws AgentError */
function readPath(text: string, root: string): Buffer {
  const whole = unescapePath(text);
  const bases = [`${root}/`, `${QUARANTINE.toString()}/`].map((base) => Buffer.from(base));
  const path = bases.reduce(
    (rest, base) =>
      rest.subarray(0, base.length).equals(base) ? rest.subarray(base.length) : rest,
    whole,
  );
  const isName = (name: Buffer) =>
    name.length > 0 && ![".", ".."].includes(name.toString("latin1")) && !isOwnName(name);
  const names = namesOf(path);
  if (names.length > 0 && path.at(-1) !== 0x2f && !path.includes(0) && names.every(isName)) {
    return path;
  }
  throw configurationError(
    `${JSON.stringify(text)} is no path of a file in the watched directory ${root}.`,
    "Write it as s3-offload-agent status shows it: relative to the watched directory, without . and .. in it.",
  );
}

/** Files of which the state says that they wait for their next try. */
async function deferredFiles(
  bootstrap: LocalBootstrap,
  root: string,
  context: CommandContext,
): Promise<readonly Buffer[]> {
  const stateDirectory = resolve(context.workingDirectory, bootstrap.stateDirectory);
  try {
    const { attempts } = await readStateDirectory(stateDirectory);
    return attempts
      .filter((one) => one.root === root && !one.isQuarantined && one.reason !== "")
      .map(({ path }) => unescapePath(path))
      .filter((path) => namesOf(path).every((name) => !name.equals(Buffer.from(".."))));
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    context.stderr.write(
      `s3-offload-agent: warning: ${error.message} Only what is in quarantine is retried; name other files.\n`,
    );
    return [];
  }
}

function lineOf(retried: Retried): string {
  const path = pathText(retried.path);
  if (retried.kind !== "failed") return `${retried.kind.padEnd(9)} ${path}`;
  return `FAILED    ${path}  (${retried.reason}: ${retried.message})`;
}

function summaryOf(found: readonly Retried[], directory: string): string {
  const count = (kind: Retried["kind"]) => found.filter((one) => one.kind === kind).length;
  if (found.length === 0) return `Nothing in ${printable(directory)} waits for another try.\n`;
  const reasons = new Set(found.flatMap((one) => (one.kind === "failed" ? [one.reason] : [])));
  const waysOut = [...reasons].flatMap((reason) => WAYS_OUT[reason] ?? []);
  const counts = `${count("released")} released, ${count("due")} due, ${count("failed")} failed`;
  return [
    `${counts}: they go in the first sweep that finds them settled\n`,
    ...waysOut.map((text) => `  way out: ${text}\n`),
  ].join("");
}

function jsonOf(found: readonly Retried[], directory: string): string {
  const paths = (kind: Retried["kind"]) =>
    found.filter((one) => one.kind === kind).map(({ path }) => pathText(path));
  const failed = found.flatMap((one) =>
    one.kind === "failed"
      ? [{ path: pathText(one.path), reason: one.reason, message: one.message }]
      : [],
  );
  const answer = { directory, released: paths("released"), due: paths("due"), failed };
  return `${JSON.stringify(answer)}\n`;
}
