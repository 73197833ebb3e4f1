import type { S3Client } from "@aws-sdk/client-s3";
import { makeClients } from "../../src/aws/clients.ts";
import { makeS3Store } from "../../src/aws/s3.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { ObjectStore } from "../../src/sweep/object-store.ts";
import { SECRET_MARK } from "../../tools/marks.ts";

/** Credentials of no account, and nothing of the host's own. */
const ENVIRONMENT = {
  AWS_ACCESS_KEY_ID: "AKIDTEST",
  AWS_SECRET_ACCESS_KEY: `${SECRET_MARK}-s3-store`,
  AWS_EC2_METADATA_DISABLED: "true",
  AWS_CONFIG_FILE: "/dev/null",
  AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
};

type Environment = Readonly<Record<string, string | undefined>>;

/** Runs `work` with other environment variables, and puts back those that were there. */
export async function withEnvironment<T>(values: Environment, work: () => Promise<T>): Promise<T> {
  const before = { ...process.env };
  setEnvironment(values);
  try {
    return await work();
  } finally {
    setEnvironment(Object.fromEntries(Object.keys(values).map((name) => [name, before[name]])));
  }
}

function setEnvironment(values: Environment): void {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
}

/** The store that the agent would have with this endpoint. */
export async function withS3Store(
  endpoint: string,
  work: (store: ObjectStore, client: S3Client) => Promise<void>,
  environment: Environment = {},
): Promise<void> {
  const values = { ...ENVIRONMENT, AWS_ENDPOINT_URL: endpoint, ...environment };
  await withEnvironment(values, async () => {
    const clients = await makeClients({
      region: "eu-central-1",
      roleArn: undefined,
      hostId: "h",
      choice: { kind: "auto" },
      allowImdsV1: false,
      env: process.env,
      clock: systemClock,
    });
    try {
      await work(makeS3Store(clients.s3), clients.s3);
    } finally {
      clients.destroy();
    }
  });
}
