import { request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import type { Examination } from "../../agent/examination.ts";
import { codeOf, ok, problem, type Verdict, warning } from "./check.ts";

/** What is heard of a bucket without credentials. */
export interface BucketAnswer {
  readonly status: number;
  /** As S3 says it of every bucket, to everybody. */
  readonly region: string | undefined;
}

/** No host that answers at all takes longer. */
const ANSWER_MS_MAX = 8_000;

const NETWORK_WAY_OUT =
  "Check DNS, routes, firewall or VPC endpoint, the region, and AWS_ENDPOINT_URL(_S3) if it is set.";

/**
 * What can be told of a bucket without touching it: an unsigned HEAD, which S3 answers with the
 * bucket's region, and with 403 or 404. It is no question to the role's permissions.
 */
export async function bucketVerdict(
  examination: Pick<Examination, "bucketUrl" | "region">,
  bucket: string,
  stop: AbortSignal,
): Promise<Verdict> {
  const url = await examination.bucketUrl(bucket);
  let answer: BucketAnswer;
  try {
    answer = await headWithoutCredentials(url, stop);
  } catch (error) {
    stop.throwIfAborted();
    const code = codeOf(error);
    const isCertificate = /CERT|SELF_SIGNED|UNABLE_TO|SSL|TLS/.test(code);
    return problem(
      `${url.host} is out of reach: ${code}.`,
      isCertificate
        ? "Whoever answers there is not trusted: see the host's certificates, and NODE_EXTRA_CA_CERTS where a proxy has its own."
        : NETWORK_WAY_OUT,
    );
  }
  return reachVerdict(answer, { bucket, host: url.host, region: await examination.region() });
}

/** Pure. @param about.region that requests are signed for */
export function reachVerdict(
  { status, region }: BucketAnswer,
  about: { readonly bucket: string; readonly host: string; readonly region: string },
): Verdict {
  if (region !== undefined && region !== about.region) {
    return problem(
      `The bucket is in ${region}, and the agent signs for ${about.region}.`,
      "Set `region` in the bootstrap file, or name a bucket of this region.",
    );
  }
  if (status === 404) {
    return problem(
      `There is no bucket ${about.bucket}.`,
      "Make it (aws s3 mb), or mend the parameter `bucket`.",
    );
  }
  // 403: there is one, and we are nobody.
  if (status === 200 || status === 403) {
    return ok(
      `${about.host} answers. Whether the role may write there is not told by that, since write-only credentials may ask nothing (HEAD, GET): doctor --write puts a tiny object`,
    );
  }
  if (status >= 500) {
    return warning(`${about.host} answers with ${status}.`, "Ask again later.");
  }
  return problem(
    `${about.host} answers with ${status}, which is nothing that S3 says of a bucket.`,
    `See whether that is S3 (a proxy or a portal answers for others). ${NETWORK_WAY_OUT}`,
  );
}

/** @throws system errors; the reason of `stop` */
async function headWithoutCredentials(url: URL, stop: AbortSignal): Promise<BucketAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<BucketAnswer>();
  const request = url.protocol === "http:" ? requestPlain : requestSecure;
  const late = AbortSignal.timeout(ANSWER_MS_MAX);
  const signal = AbortSignal.any([stop, late]);
  const sent = request(url, { method: "HEAD", agent: false, signal }, (response) => {
    const region = response.headers["x-amz-bucket-region"];
    response.resume();
    resolve({
      status: response.statusCode ?? 0,
      region: typeof region === "string" ? region : undefined,
    });
  });
  sent.on("error", (error) => {
    const isLate = late.aborted && !stop.aborted;
    reject(isLate ? new Error(`no answer within ${ANSWER_MS_MAX / 1_000} seconds`) : error);
  });
  sent.end();
  return await promise;
}
