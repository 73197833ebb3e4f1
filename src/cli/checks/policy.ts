/** Where the resources of a policy are. */
export interface PolicyPlace {
  readonly region: string;
  /** Undefined: not known; then any. */
  readonly account: string | undefined;
}

/** The ARN of a resource. @param resource what follows the account, such as `parameter/x` */
export function arnOf(service: string, resource: string, { region, account }: PolicyPlace): string {
  return `arn:${partitionOf(region)}:${service}:${region}:${account ?? "*"}:${resource}`;
}

/** The ARN of objects; those of an access point come below its own. @param key may end in `*` */
export function objectArn(bucket: string, key: string, region: string): string {
  if (bucket.startsWith("arn:")) return `${bucket}/object/${key}`;
  return `arn:${partitionOf(region)}:s3:::${bucket}/${key}`;
}

/** China and GovCloud are partitions of their own (IAM reference, "Amazon Resource Names"). */
function partitionOf(region: string): string {
  if (region.startsWith("cn-")) return "aws-cn";
  return region.startsWith("us-gov-") ? "aws-us-gov" : "aws";
}

/** What to do about a permission that is missing: the statement, on one line, to be pasted. */
export function allow(actions: readonly string[], resources: readonly string[]): string {
  const statement = { Effect: "Allow", Action: actions, Resource: resources };
  return `Add to the policy of the host's role: ${JSON.stringify(statement)}`;
}
