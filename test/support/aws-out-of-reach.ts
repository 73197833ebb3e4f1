import { mkdir } from "node:fs/promises";
import { join } from "node:path";

/**
 * The variables of an agent that has all it needs to come as far as AWS, which does not answer: it
 * locks its directory by koffi, then asks the Parameter Store.
 * @param scratch an empty directory, for its spool and its state
 */
export async function environmentOutOfReach(scratch: string): Promise<Record<string, string>> {
  const spool = join(scratch, "spool");
  await mkdir(spool);
  return {
    PATH: "/usr/bin:/bin",
    S3_OFFLOAD_FLEET: "web",
    S3_OFFLOAD_ALLOWED_ROOTS: spool,
    S3_OFFLOAD_STATE_DIRECTORY: join(scratch, "state"),
    AWS_REGION: "eu-central-1",
    AWS_ACCESS_KEY_ID: "none",
    AWS_SECRET_ACCESS_KEY: "none",
    // The discard port: nobody listens.
    AWS_ENDPOINT_URL: "http://127.0.0.1:9",
  };
}
