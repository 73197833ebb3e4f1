import type { LocalBootstrap } from "../../config/bootstrap.ts";
import type { Finding } from "../../host/finding.ts";
import type { Host } from "../../host/resolve-host.ts";
import { type Check, ok, problem, warning } from "./check.ts";

const SOURCES: Readonly<Record<Host["idSource"], string>> = {
  explicit: "as the bootstrap file or its variable says",
  ec2: "the EC2 instance id",
  ssm: "the managed instance id of SSM",
  hostname: "the host name",
  "machine-id": "made from the machine id",
};

/** Who this host is, in words. */
export function hostDetail({ hostId, idSource, fleet, machine }: Host): string {
  return `${hostId} (${SOURCES[idSource]}) of fleet ${fleet}, on machine ${machine}`;
}

/** One check for each thing that is odd about who this host is. */
export function findingChecks(findings: readonly Finding[]): readonly Check[] {
  return findings.map(({ kind, message, wayOut }) => ({
    name: "host id",
    about: kind,
    // Two hosts under one name count as one, and take each other's keys.
    run: async () => (kind === "host.cloned" ? problem : warning)(message, wayOut),
  }));
}

/** Where the region comes from. Pure. */
export function regionOrigin(
  env: Readonly<Record<string, string | undefined>>,
  local: Pick<LocalBootstrap, "region">,
  host: Pick<Host, "region">,
): string {
  if (local.region !== undefined) {
    return env["S3_OFFLOAD_REGION"] ? "S3_OFFLOAD_REGION" : "the bootstrap file";
  }
  if (host.region !== undefined) return "the instance's metadata or the SSM registration";
  return env["AWS_REGION"] ? "AWS_REGION" : "the profile of the shared files";
}

/** @param region that requests are signed for */
export function regionCheck(region: () => Promise<string>, origin: string): Check {
  return { name: "region", run: async () => ok(`${await region()}, from ${origin}`) };
}
