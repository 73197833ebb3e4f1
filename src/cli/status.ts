import { resolve } from "node:path";
import type { DaemonView } from "../agent/daemon-view.ts";
import { type LocalBootstrap, readBootstrap } from "../config/bootstrap.ts";
import { systemClock } from "../lib/clock.ts";
import { AgentError, ExitCode } from "../lib/errors.ts";
import { readStateDirectory } from "../sweep/state-snapshot.ts";
import type { CommandContext, CommonOptions } from "./context.ts";
import { type DaemonReport, daemonJson, daemonNeeds, findDaemon } from "./daemon-status.ts";
import { type FilesStatus, filesJson, filesStatusOf } from "./files-status.ts";
import { readHost } from "./read-host.ts";
import { statusText } from "./status-text.ts";

/** What is known on this host of its files and of its daemon. */
export interface Status {
  readonly fleet: string;
  readonly host: string;
  readonly stateDirectory: string;
  /** Undefined: the state directory cannot be read, and `filesProblem` says why. */
  readonly files: FilesStatus | undefined;
  readonly filesProblem: string | undefined;
  readonly daemon: DaemonReport;
  /** What of the daemon needs a person, in sentences. */
  readonly needs: readonly string[];
  /** Nothing that is known needs a person. */
  readonly isWell: boolean;
}

/**
 * `status`: how the daemon says it is, and what the state directory knows of this host's files and
 * of its last sweeps. Asks nobody, locks nothing, writes nothing. Who may not enter the state
 * directory is told what everybody may know.
 * @returns 1 if something needs a person: a file in quarantine or not to be removed, a last sweep
 *   of any route that failed, a state file that is damaged, and what `daemonNeeds` finds
 * @throws AgentError (exit code 2) if nothing can be read
 */
export async function status(options: CommonOptions, context: CommandContext): Promise<ExitCode> {
  const local = readBootstrap({ file: options.config, env: context.env });
  const stateDirectory = resolve(context.workingDirectory, local.stateDirectory);
  const now = systemClock.now();
  const { fleet: wanted } = local;
  const daemon = await findDaemon({ stateDirectory, fleet: wanted, env: context.env });
  const { view } = daemon;
  const { files, problem } = await readFiles(stateDirectory, now);
  if (problem !== undefined && view === undefined) throw problem;
  const { fleet, host } = await whose(options, context, { local, view, areFilesKnown: !problem });
  const needs = daemonNeeds(daemon, now);
  const found: Status = {
    fleet,
    host,
    stateDirectory,
    files,
    filesProblem: problem?.message,
    daemon,
    needs,
    isWell: needs.length === 0 && files?.isWell !== false,
  };
  const isJson = options.json === true;
  const text = isJson ? `${JSON.stringify(toJson(found, now))}\n` : statusText(found, now);
  context.stdout.write(text);
  return found.isWell ? ExitCode.done : ExitCode.failed;
}

async function readFiles(stateDirectory: string, now: number) {
  try {
    const files = filesStatusOf(await readStateDirectory(stateDirectory), now);
    return { files, problem: undefined };
  } catch (error) {
    if (error instanceof AgentError) return { files: undefined, problem: error };
    throw error;
  }
}

/** Who cannot read what was saved of the host's identity believes the daemon. */
async function whose(
  options: CommonOptions,
  context: CommandContext,
  known: {
    readonly local: LocalBootstrap;
    readonly view: DaemonView | undefined;
    readonly areFilesKnown: boolean;
  },
): Promise<{ readonly fleet: string; readonly host: string }> {
  const { fleet, host } = known.view ?? {};
  if (!known.areFilesKnown && fleet !== undefined && host !== undefined) return { fleet, host };
  const { bootstrap } = await readHost(options, context, { mayAsk: false });
  return { fleet: bootstrap.fleet, host: bootstrap.hostId };
}

function toJson(found: Status, now: number) {
  const { fleet, host, stateDirectory, files, filesProblem, daemon, needs, isWell } = found;
  return {
    fleet,
    host,
    stateDirectory,
    isWell,
    needs,
    daemon: daemonJson(daemon, now),
    filesProblem: filesProblem ?? null,
    ...(files === undefined ? {} : filesJson(files)),
  };
}
