import { DescribeInstancesCommand, EC2Client } from "@aws-sdk/client-ec2";
import { DescribeInstanceInformationCommand, type SSMClient } from "@aws-sdk/client-ssm";
import type { ExpectedHost } from "../fleet/hosts/expected-hosts.ts";
import { type Patience, patiently } from "../fleet/read-fleet.ts";
import { unreachableError } from "./errors.ts";

/** The tag that says which fleet an instance belongs to. */
const FLEET_TAG = "s3-offload-agent:fleet";

/** DescribeInstances: most of a page (EC2 API reference, MaxResults). */
const EC2_PAGE_MAX = 1_000;

/** DescribeInstanceInformation: most of a page (SSM API reference, MaxResults). */
const SSM_PAGE_MAX = 50;

/**
 * The EC2 instances that carry the fleet's tag and run, or are about to.
 * @param ssm whose region and credentials hold here too
 * @throws ServiceError; the signal's reason
 */
export async function expectedOfEc2(
  ssm: SSMClient,
  fleet: string,
  patience: Patience,
): Promise<readonly ExpectedHost[]> {
  const { region, credentials, logger, requestHandler } = ssm.config;
  const ec2 = new EC2Client({ region, credentials, logger, requestHandler, maxAttempts: 1 });
  return await pages(patience, async (token) => {
    const answer = await ask(
      () =>
        ec2.send(
          new DescribeInstancesCommand({
            Filters: [
              { Name: `tag:${FLEET_TAG}`, Values: [fleet] },
              { Name: "instance-state-name", Values: ["pending", "running"] },
            ],
            MaxResults: EC2_PAGE_MAX,
            NextToken: token,
          }),
          { abortSignal: patience.signal },
        ),
      `list the EC2 instances with the tag ${FLEET_TAG} = ${fleet}`,
      "ec2:DescribeInstances",
      patience.signal,
    );
    const instances = (answer.Reservations ?? []).flatMap(({ Instances = [] }) => Instances);
    const hosts = instances.flatMap(({ InstanceId, LaunchTime }) => hostOf(InstanceId, LaunchTime));
    return { hosts, token: answer.NextToken };
  });
}

/**
 * The managed nodes of Systems Manager that carry the fleet's tag: on-premises hosts, and EC2
 * instances whose own tags say so.
 * @throws ServiceError; the signal's reason
 */
export async function expectedOfSsm(
  ssm: SSMClient,
  fleet: string,
  patience: Patience,
): Promise<readonly ExpectedHost[]> {
  return await pages(patience, async (token) => {
    const answer = await ask(
      () =>
        ssm.send(
          new DescribeInstanceInformationCommand({
            Filters: [{ Key: `tag:${FLEET_TAG}`, Values: [fleet] }],
            MaxResults: SSM_PAGE_MAX,
            NextToken: token,
          }),
          { abortSignal: patience.signal },
        ),
      `list the managed nodes with the tag ${FLEET_TAG} = ${fleet}`,
      "ssm:DescribeInstanceInformation",
      patience.signal,
    );
    const nodes = answer.InstanceInformationList ?? [];
    const hosts = nodes.flatMap(({ InstanceId, RegistrationDate }) =>
      hostOf(InstanceId, RegistrationDate),
    );
    return { hosts, token: answer.NextToken };
  });
}

function hostOf(host: string | undefined, since: Date | undefined): readonly ExpectedHost[] {
  if (host === undefined) return [];
  return [since === undefined ? { host } : { host, since: since.getTime() }];
}

async function pages(
  patience: Patience,
  read: (
    token: string | undefined,
  ) => Promise<{ readonly hosts: readonly ExpectedHost[]; readonly token: string | undefined }>,
): Promise<readonly ExpectedHost[]> {
  const found: ExpectedHost[] = [];
  let token: string | undefined;
  do {
    const from = token;
    const page = await patiently(patience, () => read(from));
    for (const host of page.hosts) found.push(host);
    token = page.token;
  } while (token !== undefined && token !== "");
  return found;
}

async function ask<T>(
  send: () => Promise<T>,
  what: string,
  action: string,
  signal: AbortSignal,
): Promise<T> {
  try {
    return await send();
  } catch (error) {
    signal.throwIfAborted();
    throw unreachableError(what, action, error);
  }
}
