import { createHash, randomBytes } from "node:crypto";
import { destinationOf } from "../../agent/destination.ts";
import type { Examination } from "../../agent/examination.ts";
import type { RouteConfig } from "../../config/config.ts";
import type { RouteSettings } from "../../config/schema.ts";
import { expandPrefix, objectKey } from "../../sweep/object-key.ts";
import type { StoreFailure } from "../../sweep/object-store.ts";
import { ok, problem, type Verdict, warning } from "./check.ts";
import { allow, arnOf, objectArn, type PolicyPlace } from "./policy.ts";

/** Below the prefix of a route: nobody's file has such a name. */
const NAME = ".s3-offload-agent-doctor-";

const BODY = Buffer.from("s3-offload-agent doctor --write\n");

/** Who the host is, for its keys. */
export interface KeyOwner {
  readonly host: string;
  readonly fleet: string;
}

/**
 * Puts a tiny object where a route's objects go, and as they are put: the proof that its files will
 * go. It stays: the role may not remove it.
 * @param now wall-clock milliseconds, for the prefix
 */
export async function writeVerdict(
  examination: Pick<Examination, "put" | "region">,
  { settings }: RouteConfig,
  about: KeyOwner & { readonly now: number; readonly place: () => Promise<PolicyPlace> },
): Promise<Verdict> {
  const { host, fleet, now: mtimeMs } = about;
  const { prefix, bucket } = settings;
  const path = Buffer.from(NAME + randomBytes(8).toString("hex"));
  const key = objectKey({ prefix, host, fleet, mtimeMs, path });
  const sha256 = createHash("sha256").update(BODY).digest("hex");
  const answer = await examination.put(destinationOf(settings), { key, body: BODY, sha256 });
  if (answer.kind === "taken") {
    return warning(
      `s3://${bucket}/${key} was there before.`,
      "Ask again: the name is a random one.",
    );
  }
  if (answer.kind === "failed") {
    const from = staticPrefix(settings.prefix, about);
    return failureVerdict(answer.failure, { settings, from, place: await about.place() });
  }
  if (answer.sha256 !== sha256) {
    return problem(
      `s3://${bucket}/${key} was put, but the answer bears no checksum of it: no file would ever be removed.`,
      "See what answers in S3's place (AWS_ENDPOINT_URL_S3, a proxy); it must give x-amz-checksum-sha256 back.",
    );
  }
  return ok(
    `put s3://${bucket}/${key}, ${BODY.length} bytes; it stays, since the role may not remove it`,
  );
}

/** The prefix up to the first part that changes with the date: what a policy has to allow. */
function staticPrefix(prefix: string, { host, fleet }: KeyOwner): string {
  const [beginning = ""] = prefix.split(/\{(?:yyyy|MM|dd|HH)\}/);
  return expandPrefix({ prefix: beginning, host, fleet, mtimeMs: 0 });
}

/** What S3's refusals of a put mean. Codes: S3 API reference, "Error responses". */
const MEANINGS: Readonly<Record<string, readonly [reason: string, wayOut: string]>> = {
  NoSuchBucket: ["There is no such bucket", "Make it (aws s3 mb), or mend the parameter `bucket`."],
  PermanentRedirect: [
    "The bucket is in another region",
    "Set `region` in the bootstrap file, or name a bucket of this region.",
  ],
  AuthorizationHeaderMalformed: [
    "The bucket is in another region",
    "Set `region` in the bootstrap file, or name a bucket of this region.",
  ],
  IllegalLocationConstraintException: [
    "The bucket is in another region",
    "Set `region` in the bootstrap file, or name a bucket of this region.",
  ],
  "KMS.NotFoundException": [
    "The KMS key is not there",
    "Mend the parameter `kms-key-id`, or the bucket's default encryption; the key must be in the bucket's region.",
  ],
  "KMS.DisabledException": [
    "The KMS key is disabled",
    "Enable it (aws kms enable-key), or name another one by `kms-key-id`.",
  ],
  "KMS.KMSInvalidStateException": [
    "The KMS key cannot be used in its state",
    "See aws kms describe-key: it may be about to be deleted.",
  ],
  InvalidStorageClass: [
    "The bucket knows no such storage class",
    "Mend the parameter `storage-class`.",
  ],
  ExpiredToken: ["The credentials have ended", "See what doctor says of the credentials."],
  InvalidAccessKeyId: [
    "AWS does not know the credentials",
    "See what doctor says of the credentials.",
  ],
  SignatureDoesNotMatch: [
    "The secret key does not fit the access key",
    "See what doctor says of the credentials.",
  ],
};

/** @param about.from the prefix that a policy has to allow. Pure. */
export function failureVerdict(
  { kind, code, message }: StoreFailure,
  about: { readonly settings: RouteSettings; readonly from: string; readonly place: PolicyPlace },
): Verdict {
  const said = `${code}: ${message}`.replace(/\.$/, "");
  const meaning = MEANINGS[code];
  if (meaning !== undefined) {
    const [reason, wayOut] = meaning;
    return problem(`${reason}: ${said}.`, wayOut);
  }
  if (code === "AccessDenied" || code === "Forbidden") {
    return problem(
      `S3 does not let the role put an object: ${said}.`,
      deniedWayOut(message, about),
    );
  }
  if (kind === "credentials") {
    return problem(`S3 does not take the credentials: ${said}.`, "See what doctor says of them.");
  }
  if (kind === "throttled")
    return warning(`S3 asks for fewer requests: ${said}.`, "Ask again later.");
  if (kind === "clock-skew") {
    return problem(`The host's clock is refused: ${said}.`, "Let the host keep its time by NTP.");
  }
  return problem(
    `Nothing was put: ${said}.`,
    kind === "transient"
      ? "Check DNS, routes, firewall or VPC endpoint, and AWS_ENDPOINT_URL_S3 if it is set."
      : "See the parameters of the route (config show), and the bucket's policy.",
  );
}

/** S3 does not always say which of the permissions a put takes is the missing one. */
function deniedWayOut(
  message: string,
  about: { readonly settings: RouteSettings; readonly from: string; readonly place: PolicyPlace },
): string {
  const { settings, from, place } = about;
  const { bucket } = settings;
  const key = settings["kms-key-id"];
  const objects = objectArn(bucket, `${from}*`, place.region);
  const puts = ["s3:PutObject", "s3:AbortMultipartUpload"];
  if (settings.tags.length > 0) puts.push("s3:PutObjectTagging");
  const ways = [allow(puts, [objects])];
  if (key !== "" || /kms/i.test(message)) {
    const resource = key.startsWith("arn:") ? key : arnOf("kms", "key/KEY-ID", place);
    const uses = allow(["kms:GenerateDataKey", "kms:Decrypt"], [resource]);
    ways.push(`for the KMS key, in its key policy or: ${uses}`);
  }
  if (settings["bucket-owner"] !== "") {
    ways.push(
      `see whether the bucket is of account ${settings["bucket-owner"]} (\`bucket-owner\`)`,
    );
  }
  ways.push("see whether the bucket's policy denies it");
  return `${ways.join("; ")}.`;
}
