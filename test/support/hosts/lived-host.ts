import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type AgentWorld, is, SPOOL, UNIT } from "./agent-host.ts";
import type { SystemdHost } from "./systemd-host.ts";

/** Where the agent keeps what must survive a restart, unless it is told otherwise. */
export const STATE = "/var/lib/s3-offload-agent";

/** The agent's environment where CloudWatch Logs is out of reach: nothing answers there. */
export const NO_LOGS = { AWS_ENDPOINT_URL_CLOUDWATCH_LOGS: "http://127.0.0.1:9" };

/** Adds variables to those of the agent. They take effect at its next start. */
export async function addEnvironment(
  host: SystemdHost,
  variables: Readonly<Record<string, string>>,
): Promise<void> {
  const file = "/etc/default/s3-offload-agent";
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
  await host.write(file, `${await host.read(file)}${lines.join("")}`, { mode: 0o600 });
}

/**
 * Boots a host on which the agent comes to have something of everything that it keeps: a file that
 * is uploaded and cannot be removed, an upload of parts that has come half way, a state file that
 * was set aside, a configuration, and records that cannot be sent.
 * @returns how to let go of the file that cannot be removed, which must be done before the host ends
 */
export async function liveOn(host: SystemdHost, world: AgentWorld): Promise<AsyncDisposable> {
  await world.configure(host);
  await addEnvironment(host, NO_LOGS);
  await host.write(`${STATE}/attempts`, "no state file at all");
  await world.produce(host, `${SPOOL}/stays.csv`, "uploaded, and not to be removed");
  await world.produce(host, `${SPOOL}/large.csv`, Buffer.alloc(20_000_000, "large"));
  world.s3.onPut(({ partNumber }) =>
    partNumber === 2 ? { kind: "status", status: 500, code: "InternalError" } : undefined,
  );
  const chattr = (how: string) =>
    promisify(execFile)("chattr", [how, host.path(`${SPOOL}/stays.csv`)]);
  await chattr("+i");
  const letGo = {
    async [Symbol.asyncDispose]() {
      await chattr("-i");
    },
  };
  try {
    await host.boot();
    await refresh(host);
    await host.first(is("file.failed", { path: "stays.csv", reason: "not-removable" }));
    await host.first(is("file.failed", { path: "large.csv", reason: "InternalError" }));
    await host.first(is("logs.unavailable"));
    return letGo;
  } catch (error) {
    await letGo[Symbol.asyncDispose]();
    throw error;
  }
}

/** Makes the agent read its parameters now, not when its first minute has spread the fleet. */
export async function refresh(host: SystemdHost): Promise<void> {
  await host.must(["systemctl", "reload", UNIT]);
}
