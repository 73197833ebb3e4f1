import type { RouteConfig } from "../config/config.ts";
import type { Origin } from "../config/merge.ts";
import {
  HOST_SETTING_NAMES,
  ROUTE_SETTING_NAMES,
  type SettingName,
  settingsSchema,
} from "../config/schema.ts";
import { ExitCode } from "../lib/errors.ts";
import { formatDuration } from "../lib/units.ts";
import type { CommandContext, CommonOptions } from "./context.ts";
import { startAgent } from "./start-agent.ts";
import { table } from "./text.ts";

const SIZES: ReadonlySet<string> = new Set(["bandwidth-limit", "log-spool-limit"]);
const DURATIONS: ReadonlySet<string> = new Set(["min-age", "refresh-interval", "splay"]);

/**
 * `config show`: every setting with its value and where that comes from, as the parameters say now.
 * @throws AgentError if the configuration cannot be read or is refused
 */
export async function configShow(
  options: CommonOptions & { readonly origin?: boolean },
  context: CommandContext,
): Promise<ExitCode> {
  const { agent, bootstrap } = await startAgent(options, context, []);
  try {
    const config = await agent.readConfig(context.stop);
    const { fleet, hostId: host } = bootstrap;
    const { hash: configHash, cohort, expectedHosts } = config;
    const settings = shownSettings(HOST_SETTING_NAMES, config);
    const routes = config.routes.map((route: RouteConfig) => ({
      name: route.name,
      isImplied: route.isImplied,
      settings: shownSettings(ROUTE_SETTING_NAMES, route),
    }));
    if (options.json === true) {
      const { unknown } = config;
      const answer = { fleet, host, configHash, cohort, expectedHosts, settings, routes, unknown };
      context.stdout.write(`${JSON.stringify(answer)}\n`);
      return ExitCode.done;
    }
    const rows = (shown: readonly ShownSetting[]) =>
      table([
        ["setting", "value", "from"],
        ...shown.map(({ name, value, origin, parameter }) => [
          name,
          value,
          options.origin === true && parameter !== undefined ? parameter : origin,
        ]),
      ]);
    context.stdout.write(
      `fleet ${fleet}, host ${host} (${cohort}), configuration ${configHash}\n\n${rows(settings)}`,
    );
    for (const { name, isImplied, settings: own } of routes) {
      const note = isImplied ? " (swept where its directory exists)" : "";
      context.stdout.write(`\nroute ${name}${note}\n${rows(own)}`);
    }
    for (const { parameter, reason } of config.unknown) {
      context.stdout.write(`\n${parameter} ${reason}\n`);
    }
    return ExitCode.done;
  } finally {
    await agent.stop();
  }
}

interface ShownSetting {
  readonly name: string;
  readonly value: string;
  readonly origin: string;
  /** The whole name of the parameter that it comes from; undefined: the default. */
  readonly parameter: string | undefined;
}

function shownSettings<Name extends SettingName>(
  names: readonly Name[],
  {
    settings,
    origins,
  }: {
    readonly settings: Readonly<Record<Name, unknown>>;
    readonly origins: Readonly<Record<Name, Origin>>;
  },
): readonly ShownSetting[] {
  return names.map((name) => ({
    name,
    value: settingText(name, settings[name]),
    origin: origins[name].layer,
    parameter: origins[name].parameter,
  }));
}

/** A setting's value as a person would write it into a parameter. */
export function settingText(name: SettingName, value: unknown): string {
  const isEmpty = value === "" || value === 0 || (Array.isArray(value) && value.length === 0);
  if (isEmpty && "takesNone" in settingsSchema[name]) return "none";
  if (SIZES.has(name)) return `${value}B`;
  if (typeof value === "number") return DURATIONS.has(name) ? formatDuration(value) : String(value);
  if (Array.isArray(value)) {
    return value.map((part) => (Array.isArray(part) ? part.join("=") : String(part))).join(",");
  }
  return String(value);
}
