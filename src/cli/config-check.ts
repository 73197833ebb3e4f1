import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Agent } from "../agent/agent.ts";
import type { Bootstrap } from "../config/bootstrap.ts";
import type { Config, Resolved } from "../config/config.ts";
import type { ParameterSet } from "../config/parameters.ts";
import { parseFleetFile } from "../fleet/fleet-file.ts";
import { keyOf } from "../fleet/keys.ts";
import { laidOver } from "../fleet/laid-over.ts";
import { systemClock } from "../lib/clock.ts";
import { configurationError, ExitCode, errnoOf, messageOf, ServiceError } from "../lib/errors.ts";
import { formatDuration } from "../lib/units.ts";
import { changesBetween, routeChanges } from "./config-changes.ts";
import type { CommandContext, CommonOptions } from "./context.ts";
import { startAgent } from "./start-agent.ts";
import { printable, table } from "./text.ts";

/** Whose configuration is checked, and what is checked. */
interface About {
  readonly fleet: string;
  readonly host: string;
  /** Undefined: the parameters as they are now. */
  readonly file: string | undefined;
  /** Why the file is checked by itself, and not over what is there. */
  readonly alone: string | undefined;
  /** Where a parameter is written in the file. */
  where(parameter: string): string;
}

/**
 * `config check [FILE]`: whether this host would take the parameters as they are now, or as they
 * will be once a fleet file is applied, and what that would change. Changes nothing.
 * @returns 0 if it would; 2 if it refuses them, with everything that is wrong
 * @throws AgentError if the parameters or the file cannot be read
 */
export async function configCheck(
  file: string | undefined,
  options: CommonOptions,
  context: CommandContext,
): Promise<ExitCode> {
  const { agent, bootstrap } = await startAgent(options, context, []);
  try {
    const { fleet, hostId: host } = bootstrap;
    const asked = { fleet, host, file, alone: undefined, where: (parameter: string) => parameter };
    const { set, about } =
      file === undefined
        ? { set: await agent.readSet(context.stop), about: asked }
        : await readFleetFile(file, { agent, bootstrap, context });
    const resolved = agent.resolve(set);
    const inEffect = await agent.lastConfig();
    const text =
      options.json === true
        ? `${JSON.stringify(toJson(resolved, inEffect, about))}\n`
        : checkText(resolved, inEffect, about, systemClock.now());
    context.stdout.write(text);
    return "config" in resolved ? ExitCode.done : ExitCode.configuration;
  } finally {
    await agent.stop();
  }
}

/** What the file makes of the parameters that are there, or says by itself where nobody tells. */
async function readFleetFile(
  file: string,
  from: { readonly agent: Agent; readonly bootstrap: Bootstrap; readonly context: CommandContext },
): Promise<{ readonly set: ParameterSet; readonly about: About }> {
  const { agent, bootstrap, context } = from;
  const { fleet, hostId: host } = bootstrap;
  const read = parseFleetFile(await readText(file, context.workingDirectory), file);
  if (read.fleet !== fleet) {
    throw configurationError(
      `The fleet file ${file} is of the fleet ${read.fleet}, and this host is of ${fleet}.`,
      "Check the file of this host's own fleet, or name another bootstrap file with --config.",
    );
  }
  let alone: string | undefined;
  const there = await agent.readSet(context.stop).catch((error: unknown) => {
    if (!(error instanceof ServiceError)) throw error;
    alone = error.message;
    return { fleet: [], host: [] };
  });
  const place = { parameterRoot: bootstrap.parameterRoot, fleet };
  const where = (parameter: string) => {
    const line = read.lines.get(keyOf(parameter, place) ?? "");
    return line === undefined ? parameter : `${file}:${line}: ${keyOf(parameter, place)}`;
  };
  const set = laidOver(there, read, { place, host });
  return { set, about: { fleet, host, file, alone, where } };
}

async function readText(file: string, workingDirectory: string): Promise<string> {
  try {
    return await readFile(resolve(workingDirectory, file), "utf8");
  } catch (error) {
    throw configurationError(
      `The fleet file ${file} cannot be read: ${errnoOf(error) ?? messageOf(error)}.`,
      "Name a file that is there; `fleet pull` writes one.",
      error,
    );
  }
}

function toJson(
  resolved: Resolved,
  inEffect: Config | undefined,
  { fleet, host, file, alone, where }: About,
) {
  const config = "config" in resolved ? resolved.config : undefined;
  return {
    fleet,
    host,
    file: file ?? null,
    alone: alone ?? null,
    isValid: config !== undefined,
    cohort: resolved.cohort,
    configHash: resolved.hash,
    effectiveHash: inEffect?.hash ?? null,
    problems:
      "problems" in resolved
        ? resolved.problems.map((one) => ({ ...one, where: where(one.parameter) }))
        : [],
    unknown: config?.unknown ?? ("unknown" in resolved ? resolved.unknown : []),
    changes:
      config === undefined || inEffect === undefined
        ? null
        : changesBetween(inEffect, config).map((change) => ({
            route: change.route ?? null,
            setting: change.setting,
            from: change.from ?? null,
            to: change.to ?? null,
            parameter: change.parameter ?? null,
          })),
  };
}

function checkText(
  resolved: Resolved,
  before: Config | undefined,
  about: About,
  now: number,
): string {
  const { hash, cohort } = resolved;
  const { file, alone, where } = about;
  const lines = [`fleet ${about.fleet}, host ${about.host} (${cohort}), configuration ${hash}`];
  if (file !== undefined) lines.push(`checked: ${file}, as applied over what is there`);
  if (alone !== undefined) lines.push(`by itself: what is there is not known. ${alone}`);
  lines.push(
    before === undefined
      ? `in effect: not known: no daemon has had a configuration here yet, or this user may not read it`
      : `in effect: ${before.hash}, read ${formatDuration(now - before.readAt)} ago`,
  );
  if (!("config" in resolved)) {
    const { problems, unknown } = resolved;
    lines.push("", `REFUSED, ${problems.length} to mend; what is in effect stays:`);
    for (const { parameter, reason } of [...problems, ...unknown]) {
      lines.push(`  ${where(parameter)} ${reason}`);
    }
    if (file !== undefined) return textOf(lines);
    lines.push("  way out: put a right value with aws ssm put-parameter --overwrite");
    return textOf(lines);
  }
  const { config } = resolved;
  lines.push("valid");
  for (const { parameter, reason } of config.unknown) lines.push(`  ${parameter} ${reason}`);
  if (before === undefined) return textOf(lines);
  const { added, ended } = routeChanges(before, config);
  for (const { name, settings } of added) lines.push(`route ${name} begins: ${settings.directory}`);
  for (const { name, settings } of ended) {
    lines.push(`route ${name} ends: files in ${settings.directory} stay where they are`);
  }
  const changes = changesBetween(before, config).filter(
    ({ from, to }) => from !== undefined && to !== undefined,
  );
  if (changes.length === 0 && added.length + ended.length === 0) lines.push("nothing would change");
  if (changes.length === 0) return textOf(lines);
  const rows = changes.map(({ route, setting, from = "", to = "", parameter = "default" }) => [
    route === undefined ? setting : `${route}: ${setting}`,
    printable(from),
    printable(to),
    parameter,
  ]);
  return `${textOf([...lines, ""])}${table([["would change", "from", "to", "by"], ...rows])}`;
}

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${printable(line)}\n`).join("");
}
