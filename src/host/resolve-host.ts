import type { Clock } from "../lib/clock.ts";
import { AgentError, configurationError, ExitCode, errnoOf, messageOf } from "../lib/errors.ts";
import type { Finding } from "./finding.ts";
import { findHostId } from "./host-id.ts";
import { InstanceFacts, type MetadataAnswer } from "./instance-facts.ts";
import { type Machine, readMachine } from "./machine.ts";
import { NAME_EXPECTS, NAME_PATTERN } from "./names.ts";
import { hasOwnRegion } from "./profile-region.ts";
import {
  type IdSource,
  identityFile,
  readIdentity,
  type SavedIdentity,
  writeIdentity,
} from "./saved-identity.ts";
import { readSsmRegistration } from "./ssm-registration.ts";
import { SystemFiles } from "./system-files.ts";

/** The tag of an EC2 instance that may name its fleet. */
export const FLEET_TAG = "s3-offload-agent:fleet";

/** Nobody has said yet what fleet this host is of. */
export class NoFleetError extends AgentError {}

/** What the bootstrap file leaves open, and where to find it. */
export interface HostQuestion {
  /** A name, a source (`ec2`, `ssm`, `hostname`, `machine-id`), or undefined: the first there is. */
  readonly hostId: string | undefined;
  readonly fleet: string | undefined;
  readonly region: string | undefined;
  /** Named where something has to be set in it. */
  readonly bootstrapFile: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute. */
  readonly stateDirectory: string;
  /** Whether the instance metadata may be asked; else what was saved stands for it. */
  readonly mayAsk: boolean;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Where the machine's own files are; `/` if left out. */
  readonly systemRoot?: string;
}

/** Who this host is. */
export interface Host {
  readonly hostId: string;
  readonly idSource: IdSource;
  readonly fleet: string;
  /** Undefined: as the SDK finds it (AWS_REGION, the profile). */
  readonly region: string | undefined;
  /** 12 hexadecimal digits; two machines with one host id differ in them. */
  readonly machine: string;
  readonly findings: readonly Finding[];
  /** What is to be saved of it; undefined: it is saved already, or must not be. */
  readonly unsaved: SavedIdentity | undefined;
}

/**
 * Finds out who this host is. Writes nothing. What is said explicitly costs no question: with host
 * id, fleet and region given nobody is asked, and where nothing speaks for EC2 neither.
 * @throws AgentError with exit code 2 if there is no fleet or no name for the host, with 3 if the
 *   one source asked for does not answer; the signal's reason
 */
export async function resolveHost(question: HostQuestion): Promise<Host> {
  const { env, stateDirectory, mayAsk } = question;
  const files = new SystemFiles(question.systemRoot);
  const machine = await readMachine(files);
  const saved = await readIdentity(stateDirectory);
  const ownSaved = saved?.machine === machine.digest ? saved : undefined;
  const isLikely =
    machine.isEc2 || question.hostId === "ec2" || Boolean(env["AWS_EC2_METADATA_SERVICE_ENDPOINT"]);
  using instance = new InstanceFacts({ ...question, isLikely: isLikely && mayAsk });

  const findings: Finding[] = [];
  const name = await findHostId(
    {
      wanted: question.hostId,
      machine,
      saved: ownSaved,
      instanceId: () => instance.ask("instance-id"),
      registration: () => readSsmRegistration(files, env),
    },
    findings,
  );
  const fleet = question.fleet ?? (await findFleet(instance, ownSaved, question, findings));
  const region =
    question.region ??
    ((await hasOwnRegion(env)) ? undefined : await findRegion(instance, ownSaved, files, env));

  const changed = changeOf(saved, { ...name, machine }, stateDirectory);
  if (changed !== undefined) findings.push(changed);
  const identity: SavedIdentity = {
    ...name,
    machine: machine.digest,
    // Only what had to be asked for: what is said elsewhere is said there the next time as well.
    fleet: question.fleet === undefined ? fleet : ownSaved?.fleet,
    region: question.region === undefined && region !== undefined ? region : ownSaved?.region,
  };
  const isSaved = saved !== undefined && isSame(saved, identity);
  return {
    ...name,
    fleet,
    region,
    machine: machine.digest,
    findings,
    // While a clone is not sorted out the file says whose the name was.
    unsaved: isSaved || changed?.kind === "host.cloned" ? undefined : identity,
  };
}

/**
 * Saves who this host is, if that has changed, for a start at which a source is silent.
 * @returns a finding if it cannot be saved; the agent works on without
 */
export async function saveHost(
  stateDirectory: string,
  { unsaved }: Host,
): Promise<Finding | undefined> {
  if (unsaved === undefined) return undefined;
  try {
    await writeIdentity(stateDirectory, unsaved);
    return undefined;
  } catch (error) {
    return {
      kind: "host.unsaved",
      message: `Who this host is cannot be saved in ${identityFile(stateDirectory)}: ${errnoOf(error) ?? messageOf(error)}.`,
      wayOut: "Make the state directory writable for the agent's user, or set `hostId`.",
    };
  }
}

async function findFleet(
  instance: InstanceFacts,
  saved: SavedIdentity | undefined,
  { bootstrapFile }: HostQuestion,
  findings: Finding[],
): Promise<string> {
  const answer = await instance.ask(`tags/instance/${FLEET_TAG}`);
  if (answer.kind === "told") {
    if (NAME_PATTERN.test(answer.value)) return answer.value;
    throw configurationError(
      `The instance's tag ${FLEET_TAG} ${NAME_EXPECTS}: value was ${JSON.stringify(answer.value)}.`,
      "Mend the tag, or set `fleet` in the bootstrap file.",
    );
  }
  if (answer.kind === "silent" && saved?.fleet !== undefined) {
    if (answer.reason !== undefined) {
      findings.push({
        kind: "host.recalled",
        message: `${answer.reason.message}: the fleet is the one saved before, ${saved.fleet}.`,
        wayOut: answer.reason.wayOut,
      });
    }
    return saved.fleet;
  }
  const { because, wayOut } = await whyNoTag(instance, answer);
  throw new NoFleetError(
    `fleet is required and not set: neither in ${bootstrapFile} nor by S3_OFFLOAD_FLEET${because}.`,
    {
      exitCode: ExitCode.configuration,
      hint: `Set \`fleet: NAME\` in ${bootstrapFile}, or S3_OFFLOAD_FLEET.${wayOut}`,
    },
  );
}

async function whyNoTag(
  instance: InstanceFacts,
  answer: MetadataAnswer,
): Promise<{ readonly because: string; readonly wayOut: string }> {
  if (answer.kind === "silent") {
    if (answer.reason === undefined) return { because: "", wayOut: "" };
    const { message, wayOut } = answer.reason;
    return {
      because: `, nor is the instance's tag ${FLEET_TAG} to be had: ${message}`,
      wayOut: ` ${wayOut}`,
    };
  }
  const tags = await instance.ask("tags/instance");
  if (tags.kind !== "absent") {
    return {
      because: `, and the instance has no tag ${FLEET_TAG}`,
      wayOut: ` Or tag the instance: aws ec2 create-tags --resources ID --tags Key=${FLEET_TAG},Value=NAME`,
    };
  }
  return {
    because: ", and the instance has no tags, or they are not in its metadata",
    wayOut: ` Or let the tag ${FLEET_TAG} be read: aws ec2 modify-instance-metadata-options --instance-id ID --instance-metadata-tags enabled`,
  };
}

async function findRegion(
  instance: InstanceFacts,
  saved: SavedIdentity | undefined,
  files: SystemFiles,
  env: HostQuestion["env"],
): Promise<string | undefined> {
  const answer = await instance.ask("placement/region");
  if (answer.kind === "told" && NAME_PATTERN.test(answer.value)) return answer.value;
  if (answer.kind === "silent" && saved?.region !== undefined) return saved.region;
  const registration = await readSsmRegistration(files, env);
  return registration.kind === "registered" ? registration.region : undefined;
}

/** What has changed since the agent last worked with this state directory. */
function changeOf(
  saved: SavedIdentity | undefined,
  now: { readonly hostId: string; readonly idSource: IdSource; readonly machine: Machine },
  stateDirectory: string,
): Finding | undefined {
  if (saved === undefined) return undefined;
  const { hostId, idSource, machine } = now;
  if (saved.hostId !== hostId) {
    // A clone that has got a name of its own is as it should be.
    if (saved.machine !== machine.digest) return undefined;
    return {
      kind: "host.renamed",
      message: `This host is ${hostId} (${idSource}) from now on; it was ${saved.hostId} (${saved.idSource}).`,
      wayOut: `If it is to keep its name, set \`hostId: ${saved.hostId}\` in the bootstrap file.`,
    };
  }
  // The metadata service gives no id to two instances.
  if (saved.machine === machine.digest || idSource === "ec2") return undefined;
  return {
    kind: "host.cloned",
    message: `Another machine (${saved.machine}) was the host ${hostId} with this very state directory: this one (${machine.digest}) is a clone of it, or has got other hardware.`,
    wayOut: `If both are there, give each a \`hostId\` of its own and this one an empty state directory. If it is the same host, remove ${identityFile(stateDirectory)}.`,
  };
}

function isSame(one: SavedIdentity, other: SavedIdentity): boolean {
  const names = ["hostId", "idSource", "machine", "fleet", "region"] as const;
  return names.every((name) => one[name] === other[name]);
}
