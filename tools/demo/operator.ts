import { createHash } from "node:crypto";
import { CloudWatchLogsClient, GetLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  S3Client,
} from "@aws-sdk/client-s3";
import { PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";

/** What an operator does to a fleet, and sees of it, with nothing but the SDK. */
export interface Operator {
  makeBucket(): Promise<void>;
  setParameter(leaf: string, value: string): Promise<void>;
  setHostParameter(leaf: string, value: string): Promise<void>;
  /** Every object's key with the SHA-256 of its bytes, read back from the bucket. */
  readObjects(): Promise<Map<string, string>>;
  /** All records of one log group's stream, in the order of the service. */
  readRecords(group: string): Promise<Record<string, unknown>[]>;
}

/** @param access.endpoint and its fellows as the local AWS gives them */
export function makeOperator(access: {
  readonly endpoint: string;
  readonly env: Readonly<Record<string, string>>;
  readonly fleet: string;
  readonly host: string;
  readonly bucket: string;
}): Operator {
  const { env, bucket, fleet, host } = access;
  const config = {
    endpoint: access.endpoint,
    region: env["AWS_REGION"] ?? "us-east-1",
    credentials: {
      accessKeyId: env["AWS_ACCESS_KEY_ID"] ?? "",
      secretAccessKey: env["AWS_SECRET_ACCESS_KEY"] ?? "",
    },
  };
  const s3 = new S3Client({ ...config, forcePathStyle: true });
  const ssm = new SSMClient(config);
  const logs = new CloudWatchLogsClient(config);

  const put = async (path: string, value: string) => {
    const Name = `/s3-offload-agent/${path}`;
    await ssm.send(
      new PutParameterCommand({ Name, Value: value, Type: "String", Overwrite: true }),
    );
  };
  return {
    async makeBucket() {
      const LocationConstraint = config.region as "eu-central-1";
      await s3.send(
        new CreateBucketCommand({
          Bucket: bucket,
          CreateBucketConfiguration: { LocationConstraint },
        }),
      );
    },
    setParameter: (leaf, value) => put(`fleets/${fleet}/${leaf}`, value),
    setHostParameter: (leaf, value) => put(`hosts/${host}/${leaf}`, value),
    async readObjects() {
      const objects = new Map<string, string>();
      const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket }));
      for (const { Key = "" } of Contents) {
        const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key }));
        const bytes = (await Body?.transformToByteArray()) ?? new Uint8Array();
        objects.set(Key, createHash("sha256").update(bytes).digest("hex"));
      }
      return objects;
    },
    async readRecords(group) {
      const records: Record<string, unknown>[] = [];
      let token: string | undefined;
      for (;;) {
        const page = await logs.send(
          new GetLogEventsCommand({
            logGroupName: group,
            logStreamName: host,
            startFromHead: true,
            nextToken: token,
          }),
        );
        for (const { message = "" } of page.events ?? []) records.push(JSON.parse(message));
        // The service says that there is no more by giving the same token again.
        if (page.nextForwardToken === undefined || page.nextForwardToken === token) return records;
        token = page.nextForwardToken;
      }
    },
  };
}
