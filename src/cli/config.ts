import { SETTING_NAMES, type Settings } from "../config/schema.ts";
import { ExitCode } from "../lib/errors.ts";
import { formatDuration } from "../lib/units.ts";
import type { CommandContext, CommonOptions } from "./context.ts";
import { startAgent } from "./start-agent.ts";
import { table } from "./text.ts";

const DURATIONS: ReadonlySet<string> = new Set(["min-age", "refresh-interval", "splay"]);

/**
 * `config show`: every setting in effect with its value and where that comes from.
 * @throws AgentError if the configuration cannot be read or is refused
 */
export async function configShow(
  options: CommonOptions,
  context: CommandContext,
): Promise<ExitCode> {
  const { agent, bootstrap } = await startAgent(options, context, []);
  try {
    const config = await agent.readConfig(context.stop);
    const settings = SETTING_NAMES.map((name) => ({
      name,
      value: textOf(name, config.settings),
      origin: config.origins[name],
    }));
    const { fleet, hostId: host } = bootstrap;
    const unknown = config.unknownParameters;
    if (options.json === true) {
      const text = JSON.stringify({ fleet, host, configHash: config.hash, settings, unknown });
      context.stdout.write(`${text}\n`);
    } else {
      const rows = settings.map(({ name, value, origin }) => [name, value, origin]);
      context.stdout.write(`fleet ${fleet}, host ${host}, configuration ${config.hash}\n\n`);
      context.stdout.write(table([["setting", "value", "from"], ...rows]));
      for (const name of unknown) context.stdout.write(`unknown to this version: ${name}\n`);
    }
    return ExitCode.done;
  } finally {
    await agent.stop();
  }
}

/** As a person would write it into a parameter. */
function textOf(name: keyof Settings, settings: Settings): string {
  const value = settings[name];
  if (typeof value === "number") return DURATIONS.has(name) ? formatDuration(value) : String(value);
  if (typeof value === "string") return value;
  return value.map((part) => (typeof part === "string" ? part : part.join("="))).join(",");
}
