import { CloudFormationClient } from "@aws-sdk/client-cloudformation";
import { CloudWatchClient } from "@aws-sdk/client-cloudwatch";
import { CloudWatchLogsClient } from "@aws-sdk/client-cloudwatch-logs";
import { IAMClient } from "@aws-sdk/client-iam";
import { S3Client } from "@aws-sdk/client-s3";
import { SNSClient } from "@aws-sdk/client-sns";
import { SSMClient } from "@aws-sdk/client-ssm";
import { REGION } from "./made-up.ts";

/** The services that resources are of, each with its own API. */
export interface Clients {
  readonly cloudFormation: CloudFormationClient;
  readonly cloudWatch: CloudWatchClient;
  readonly iam: IAMClient;
  readonly logs: CloudWatchLogsClient;
  readonly s3: S3Client;
  readonly sns: SNSClient;
  readonly ssm: SSMClient;
}

/** Clients of a local AWS. @param endpoint its only address */
export function clientsOf({ endpoint }: { readonly endpoint: string }): Clients {
  const options = {
    endpoint,
    region: REGION,
    // A second try of what failed half-way only says that it is there.
    maxAttempts: 1,
    credentials: { accessKeyId: "local-aws", secretAccessKey: "local-aws" },
  };
  return {
    cloudFormation: new CloudFormationClient(options),
    cloudWatch: new CloudWatchClient(options),
    iam: new IAMClient(options),
    logs: new CloudWatchLogsClient(options),
    s3: new S3Client({ ...options, forcePathStyle: true }),
    sns: new SNSClient(options),
    ssm: new SSMClient(options),
  };
}
