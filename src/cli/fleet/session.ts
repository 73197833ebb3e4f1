import { randomInt } from "node:crypto";
import { hostname } from "node:os";
import { type FleetAccess, openFleetAccess } from "../../agent/fleet-access.ts";
import { PARAMETER_ROOT_PATTERN } from "../../config/bootstrap.ts";
import type { FleetPlace } from "../../fleet/keys.ts";
import type { LiveHost } from "../../fleet/live-hosts.ts";
import type { Patience } from "../../fleet/read-fleet.ts";
import { NAME_EXPECTS, NAME_PATTERN } from "../../host/names.ts";
import { type Clock, systemClock } from "../../lib/clock.ts";
import {
  AgentError,
  configurationError,
  ExitCode,
  messageOf,
  ServiceError,
} from "../../lib/errors.ts";
import { makePalette, type Palette } from "../../lib/palette.ts";
import type { CommandContext } from "../context.ts";
import { type FleetCommand, permissionsText } from "./permissions.ts";

/** Options that every `fleet` command has. */
export interface FleetOptions {
  readonly fleet?: string;
  readonly parameterRoot?: string;
  readonly region?: string;
  readonly json?: boolean;
}

/** What a `fleet` command works with. */
export interface FleetSession extends AsyncDisposable {
  readonly command: FleetCommand;
  readonly context: CommandContext;
  readonly options: FleetOptions;
  readonly place: FleetPlace;
  /** The one host that it is about. */
  readonly host: string | undefined;
  readonly access: FleetAccess;
  readonly patience: Patience;
  readonly palette: Palette;
  /** Tells a person; with --json, nothing of it is for standard output. */
  tell(text: string): void;
  /** Prints the one JSON object of `--json`. */
  answer(value: unknown): void;
}

/** Reaches the services. A test has its own. */
export type OpenAccess = (options: {
  readonly region: string | undefined;
  readonly parameterRoot: string;
  readonly clock: Clock;
}) => Promise<FleetAccess>;

const PARAMETER_ROOT = "/s3-offload-agent";

/**
 * Opens what a command needs. The names come from the options, else from the variables that hosts
 * have as well; no bootstrap file is read.
 * @param fleet what the fleet file or the plan says
 * @throws AgentError (exit code 2)
 */
export async function openSession(
  command: FleetCommand,
  options: FleetOptions,
  context: CommandContext,
  {
    fleet,
    parameterRoot,
    host,
    open = openFleetAccess,
  }: {
    readonly fleet?: string | undefined;
    readonly parameterRoot?: string | undefined;
    readonly host?: string;
    readonly open?: OpenAccess | undefined;
  },
): Promise<FleetSession> {
  const place: FleetPlace = {
    fleet: fleetName(options.fleet, fleet, context),
    parameterRoot: rootName(options.parameterRoot, parameterRoot, context),
  };
  const region = options.region ?? context.env["S3_OFFLOAD_REGION"];
  const access = await open({
    region,
    parameterRoot: place.parameterRoot,
    clock: systemClock,
  });
  return {
    command,
    context,
    options,
    place,
    host,
    access,
    patience: { clock: access.clock, random: Math.random, signal: context.stop },
    palette: makePalette(context.isTerminal, context.env),
    tell: (text) => (options.json === true ? context.stderr : context.stdout).write(text),
    answer: (value) => {
      if (options.json === true) context.stdout.write(`${JSON.stringify(value)}\n`);
    },
    async [Symbol.asyncDispose]() {
      access.close();
    },
  };
}

function fleetName(
  option: string | undefined,
  file: string | undefined,
  { env }: CommandContext,
): string {
  if (option !== undefined && file !== undefined && option !== file) {
    throw configurationError(
      `The file is of fleet ${file}, and --fleet says ${option}.`,
      "Leave --fleet out, or name the right file.",
    );
  }
  const fleet = option ?? file ?? env["S3_OFFLOAD_FLEET"];
  if (fleet === undefined || fleet === "") {
    throw configurationError("No fleet is named.", "Add --fleet NAME, or set S3_OFFLOAD_FLEET.");
  }
  if (!NAME_PATTERN.test(fleet)) {
    throw configurationError(`The fleet's name ${NAME_EXPECTS}.`, "Mend --fleet.");
  }
  return fleet;
}

function rootName(
  option: string | undefined,
  planned: string | undefined,
  { env }: CommandContext,
): string {
  const asked = option ?? env["S3_OFFLOAD_PARAMETER_ROOT"];
  const root = asked ?? planned ?? PARAMETER_ROOT;
  if (planned !== undefined && root !== planned) {
    throw configurationError(
      `The plan is for ${planned}, and this asks for ${root}.`,
      "Leave --parameter-root out, or plan again.",
    );
  }
  if (PARAMETER_ROOT_PATTERN.test(root)) return root;
  throw configurationError(
    `The parameter root ${root} is none.`,
    "Name a path such as /s3-offload-agent, without a slash at the end.",
  );
}

/**
 * Runs a command's work; if the credentials do not allow it, the error names all that the command
 * takes.
 */
export async function withPermissions<T>(
  session: FleetSession,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explained(error, session);
  }
}

/** The error, or one whose hint names all IAM actions of the command. */
export function explained(error: unknown, session: FleetSession): unknown {
  if (!(error instanceof ServiceError) || error.deniedAction === undefined) return error;
  return new AgentError(error.message, {
    exitCode: ExitCode.unreachable,
    hint: `Allow ${error.deniedAction} to your own credentials. ${permissionsOf(session)}`,
    cause: error,
  });
}

function permissionsOf({ command, place, access, host }: FleetSession): string {
  return permissionsText(command, { place, host, region: access.region });
}

/** The live hosts; undefined: they could not be asked, which is told and stops nobody. */
export async function askLiveHosts(
  session: FleetSession,
): Promise<readonly LiveHost[] | undefined> {
  const { access, place, patience, context } = session;
  if (access.heartbeats === undefined) return undefined;
  try {
    return await access.heartbeats.liveHosts(place.fleet, patience.signal);
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    const permissions = error.deniedAction === undefined ? "" : ` ${permissionsOf(session)}`;
    context.stderr.write(`The heartbeats cannot be read: ${messageOf(error)}${permissions}\n`);
    return undefined;
  }
}

/** Who asks, as his machine calls him. */
export function operatorOf({ env }: CommandContext): string {
  return `${env["USER"] || env["LOGNAME"] || "somebody"}@${hostname()}`;
}

/** A name for a release that no other has. */
export function makeReleaseId(now: number): string {
  const time = new Date(now).toISOString().replace(/[-:]|\.\d+/g, "");
  return `${time}-${randomInt(0x10000).toString(16).padStart(4, "0")}`;
}
