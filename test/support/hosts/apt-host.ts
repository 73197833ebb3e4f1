import { UNIT } from "./agent-host.ts";
import type { ImageName } from "./images.ts";
import type { SignedRepository } from "./signed-repository.ts";
import { SystemdHost } from "./systemd-host.ts";

/** The two versions in the repositories of the upgrade tests, as packages have them. */
export const OLD = "0.2.0";
export const NEW = "0.3.0";

/**
 * A host of which the agent was installed by apt from a repository, and which is off again: a root
 * to make hosts of. It knows the repository, and what else there is in it.
 */
export async function hostByApt(
  image: Exclude<ImageName, "rpm">,
  repository: SignedRepository,
  version = OLD,
): Promise<SystemdHost> {
  const host = await SystemdHost.start(image);
  try {
    await repository.introduce(host, "apt");
    await host.must("apt-get update");
    await host.must(install(version));
    await host.shutDown();
    return host;
  } catch (error) {
    await host[Symbol.asyncDispose]();
    throw error;
  }
}

/** The command that brings a host to a version, up or down. Nobody is there to be asked. */
export function install(version: string): string {
  return `apt-get -y --allow-downgrades install s3-offload-agent=${version}-1 <&-`;
}

/** Versions of the agents that have begun their work on a host so far, in order. */
export async function startedVersions(host: SystemdHost): Promise<unknown[]> {
  await readSoFar(host);
  const started = host.records.filter(({ event }) => event === "agent.started");
  return started.map(({ version }) => version);
}

/** How often systemd has started the agent of a host so far. */
export async function countStarts(host: SystemdHost): Promise<number> {
  await readSoFar(host);
  return host.entries.filter(
    ({ identifier, unit, message }) =>
      identifier === "systemd" && unit === UNIT && message.startsWith("Started "),
  ).length;
}

let marks = 0;

/** Resolves when everything that is in the journal now has been read. */
export async function readSoFar(host: SystemdHost): Promise<void> {
  marks += 1;
  const mark = `so far ${marks}`;
  await host.must(["systemd-cat", "--identifier=mark", "echo", mark]);
  await host.entry(({ identifier, message }) => identifier === "mark" && message === mark);
}

/** What dpkg has of the agent's package: such as `install ok installed 0.2.0-1`. */
export async function packageState(host: SystemdHost): Promise<string> {
  const query = "dpkg-query -W -f '${Status} ${Version}' s3-offload-agent";
  return (await host.run(query)).stdout;
}
