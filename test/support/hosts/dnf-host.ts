import type { SignedRepository } from "./signed-repository.ts";
import { SystemdHost } from "./systemd-host.ts";

/** A host managed by dnf that knows the repository, and is off. A root to make hosts of. */
export async function hostForDnf(repository: SignedRepository): Promise<SystemdHost> {
  const host = await SystemdHost.make("rpm");
  await repository.introduce(host, "dnf");
  return host;
}

/** The same with a version of the agent installed by dnf, in the booted host; it is off again. */
export async function hostByDnf(
  from: SystemdHost,
  name = "s3-offload-agent",
): Promise<SystemdHost> {
  const host = await SystemdHost.start(from);
  try {
    await transact(host, "install", name);
    await host.shutDown();
    return host;
  } catch (error) {
    await host[Symbol.asyncDispose]();
    throw error;
  }
}

/** A command of dnf. Nobody is there to be asked. */
export function dnf(...args: readonly string[]): string {
  return `dnf --assumeyes ${args.join(" ")} <&-`;
}

/**
 * Runs dnf to its end.
 * @returns all it said
 * @throws Error if it fails, or if a scriptlet does, which alone fails no transaction
 */
export async function transact(host: SystemdHost, ...args: readonly string[]): Promise<string> {
  const said = await host.must(`${dnf(...args)} 2>&1`);
  if (/scriptlet failed|Error in \w+ scriptlet/.test(said)) throw new Error(said);
  return said;
}

/** Which version rpm has of the agent, such as `0.2.0-1`. */
export async function rpmVersion(host: SystemdHost): Promise<string> {
  return (await host.run("rpm -q --queryformat '%{VERSION}-%{RELEASE}' s3-offload-agent")).stdout;
}

/** What `rpm -V` finds changed since the installation: such as `S.5....T.  c /etc/...`, a line each. */
export async function rpmDifferences(host: SystemdHost): Promise<string[]> {
  const { stdout, stderr } = await host.run("rpm --verify s3-offload-agent");
  return `${stdout}${stderr}`.split("\n").filter((line) => line !== "");
}
