import { AgentError, configurationError, ExitCode } from "../lib/errors.ts";
import type { Finding } from "./finding.ts";
import type { MetadataAnswer } from "./instance-facts.ts";
import { INSTANCE_ID_PATTERN, type Machine } from "./machine.ts";
import { NAME_EXPECTS, NAME_PATTERN } from "./names.ts";
import type { IdSource, SavedIdentity } from "./saved-identity.ts";
import type { SsmRegistration } from "./ssm-registration.ts";

/** What can be known about the name of a host, each asked for only if it comes to that. */
export interface IdFacts {
  /** What the bootstrap file says: a name, a source, or nothing. */
  readonly wanted: string | undefined;
  readonly machine: Machine;
  /** Who this very machine was before; undefined: nobody knows, or it was another machine. */
  readonly saved: SavedIdentity | undefined;
  /** `silent` if it is not asked. */
  instanceId(): Promise<MetadataAnswer>;
  registration(): Promise<SsmRegistration>;
}

export interface HostName {
  readonly hostId: string;
  readonly idSource: IdSource;
}

/** Names that most machines have before anybody gives them one. */
const NO_NAME_PATTERN = /^$|^\(none\)$|^localhost(?:\.|$)/;

const SOURCES: readonly string[] = ["ec2", "ssm", "hostname", "machine-id"] satisfies IdSource[];

/**
 * Finds the name of this host: what somebody wrote down, else the EC2 instance id, else the managed
 * instance id of SSM, else the host name. A source that does not tell just now leaves the name that
 * it gave this machine before: a host must not be another one for a moment.
 * @param findings is added to
 * @throws AgentError with exit code 2, or 3 if the one source asked for does not answer
 */
export async function findHostId(facts: IdFacts, findings: Finding[]): Promise<HostName> {
  const { wanted, machine } = facts;
  if (wanted !== undefined && !SOURCES.includes(wanted)) {
    return { hostId: wanted, idSource: "explicit" };
  }
  if (wanted === "machine-id") {
    if (machine.appId !== undefined) return { hostId: machine.appId, idSource: "machine-id" };
    throw configurationError(
      "`hostId` is machine-id, and this host has none in /etc/machine-id.",
      "Make one (systemd-machine-id-setup), or set another `hostId`.",
    );
  }
  if (wanted === "ec2" || wanted === undefined) {
    const found = await fromInstance(facts, findings);
    if (found !== undefined) return found;
  }
  if (wanted === "ssm" || wanted === undefined) {
    const found = await fromRegistration(facts, findings);
    if (found !== undefined) return found;
  }
  return fromHostname(facts, findings);
}

async function fromInstance(facts: IdFacts, findings: Finding[]): Promise<HostName | undefined> {
  const { wanted, machine, saved } = facts;
  const answer = await facts.instanceId();
  if (answer.kind === "told" && INSTANCE_ID_PATTERN.test(answer.value)) {
    return { hostId: answer.value, idSource: "ec2" };
  }
  if (answer.kind === "silent") {
    // Not asked, since nothing speaks for EC2 here: that is no trouble to tell of.
    const why = answer.reason;
    if (saved?.idSource === "ec2") {
      if (why !== undefined) {
        findings.push({
          kind: "host.recalled",
          message: `${why.message}: the instance id is the one saved before, ${saved.hostId}.`,
          wayOut: why.wayOut,
        });
      }
      return { hostId: saved.hostId, idSource: "ec2" };
    }
    if (machine.firmwareInstanceId !== undefined) {
      return { hostId: machine.firmwareInstanceId, idSource: "ec2" };
    }
    if (wanted === undefined && machine.isEc2 && why !== undefined) {
      findings.push({
        kind: "host.unsure",
        message: `This is an EC2 instance, but its id is not to be had: ${why.message}.`,
        wayOut: why.wayOut,
      });
    }
  }
  if (wanted === undefined) return undefined;
  const { message, wayOut } = (answer.kind === "silent" ? answer.reason : undefined) ?? {
    message: "no instance metadata service tells one",
    wayOut: "Set another `hostId` where this is no EC2 instance.",
  };
  throw new AgentError(`\`hostId\` is ec2, and the instance id is not to be had: ${message}.`, {
    exitCode: ExitCode.unreachable,
    hint: wayOut,
  });
}

async function fromRegistration(
  { wanted, saved, registration }: IdFacts,
  findings: Finding[],
): Promise<HostName | undefined> {
  const found = await registration();
  if (found.kind === "registered") return { hostId: found.instanceId, idSource: "ssm" };
  if (found.kind === "unreadable") {
    const { message, wayOut } = found;
    if (saved?.idSource === "ssm") {
      const recalled = `${message} The managed instance id is the one saved before, ${saved.hostId}.`;
      findings.push({ kind: "host.recalled", message: recalled, wayOut });
      return { hostId: saved.hostId, idSource: "ssm" };
    }
    if (wanted === "ssm") throw configurationError(`\`hostId\` is ssm. ${message}`, wayOut);
    findings.push({ kind: "host.unsure", message, wayOut });
  }
  if (wanted === undefined) return undefined;
  throw configurationError(
    "`hostId` is ssm, and this host is not registered with an activation of SSM.",
    "Register it (amazon-ssm-agent -register), or set another `hostId`.",
  );
}

function fromHostname({ machine, saved }: IdFacts, findings: Finding[]): HostName {
  const { hostname } = machine;
  if (NO_NAME_PATTERN.test(hostname)) {
    // DHCP may give the name only after the agent was started.
    if (saved?.idSource === "hostname") {
      findings.push({
        kind: "host.recalled",
        message: `The host has no name of its own just now (${JSON.stringify(hostname)}): it is called ${saved.hostId} as before.`,
        wayOut: "Give it a lasting one: hostnamectl set-hostname NAME.",
      });
      return { hostId: saved.hostId, idSource: "hostname" };
    }
    throw noId(hostname, "many hosts are called so");
  }
  if (!NAME_PATTERN.test(hostname)) throw noId(hostname, `it ${NAME_EXPECTS}`);
  return { hostId: hostname, idSource: "hostname" };
}

function noId(hostname: string, why: string): AgentError {
  return configurationError(
    `The host name ${JSON.stringify(hostname)} cannot serve as host id: ${why}.`,
    "Set `hostId` in the bootstrap file, or S3_OFFLOAD_HOST_ID; or give the host a name: hostnamectl set-hostname NAME.",
  );
}
