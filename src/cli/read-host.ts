import { resolve } from "node:path";
import { BOOTSTRAP_FILE_DEFAULT, type Bootstrap, readBootstrap } from "../config/bootstrap.ts";
import { type Host, resolveHost } from "../host/resolve-host.ts";
import { systemClock } from "../lib/clock.ts";
import type { CommandContext, CommonOptions } from "./context.ts";

/**
 * Reads the bootstrap configuration, and finds out on the host what it leaves open. Writes nothing.
 * @param how.mayAsk whether the instance metadata may be asked; else what was saved stands for it
 * @throws AgentError with exit code 2 or 3; the reason of `context.stop`
 */
export async function readHost(
  options: CommonOptions,
  context: CommandContext,
  how: { readonly mayAsk: boolean } = { mayAsk: true },
): Promise<{ readonly bootstrap: Bootstrap; readonly host: Host }> {
  const local = readBootstrap({ file: options.config, env: context.env });
  const host = await resolveHost({
    hostId: local.hostId,
    fleet: local.fleet,
    region: local.region,
    bootstrapFile: options.config ?? BOOTSTRAP_FILE_DEFAULT,
    env: context.env,
    stateDirectory: resolve(context.workingDirectory, local.stateDirectory),
    mayAsk: how.mayAsk,
    signal: context.stop,
    clock: systemClock,
  });
  const { fleet, hostId, region } = host;
  return { bootstrap: { ...local, fleet, hostId, region }, host };
}
