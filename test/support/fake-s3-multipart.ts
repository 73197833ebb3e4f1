import type { IncomingHttpHeaders } from "node:http";
import { type Answer, successAnswer } from "./fake-s3-answers.ts";
import type { Body } from "./fake-s3-body.ts";
import type { Buckets } from "./fake-s3-buckets.ts";
import type { Asked } from "./fake-s3-operations.ts";
import {
  escapeXml,
  header,
  NOT_IMPLEMENTED,
  PRECONDITION_FAILED,
  type Refusal,
  refusal,
  refuseBody,
} from "./fake-s3-rules.ts";
import { joinParts, type OpenUpload, type UploadedPart, type Uploads } from "./fake-s3-uploads.ts";

/** Least bytes of a part but the last, and most parts. Source: S3 User Guide, "qfacts". */
export const PART_BYTES_MIN = 5 * 2 ** 20;
const PARTS_MAX = 10_000;

/** What the multipart operations work on. */
export interface MultipartContext {
  readonly buckets: Buckets;
  readonly uploads: Uploads;
  /** Answers of completed uploads, which S3 gives again when it is asked again. */
  readonly completed: Map<string, Answer>;
  readonly partBytesMin: number;
}

/** One multipart request whose head was not refused. */
export interface MultipartRequest extends Asked {
  readonly bucket: string;
  readonly key: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Body;
}

const NO_SUCH_UPLOAD = refusal(
  404,
  "NoSuchUpload",
  "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
);

/** Does a multipart operation. Source of the rules: S3 API reference, the page of each. */
export async function doMultipart(
  request: MultipartRequest,
  context: MultipartContext,
): Promise<Answer | Refusal> {
  const { operation, bucket, key, headers, body } = request;
  if (operation === "CreateMultipartUpload") return create(request, context);
  const upload = context.uploads.find(bucket, key, request.uploadId);
  if (upload === undefined) {
    const answer = context.completed.get(request.uploadId ?? "");
    return (operation === "CompleteMultipartUpload" && answer) || NO_SUCH_UPLOAD;
  }
  switch (operation) {
    case "UploadPart":
      return await putPart(upload, request, context);
    case "CompleteMultipartUpload":
      return await complete(upload, headers, body, context);
    default:
      await context.uploads.end(upload.uploadId);
      return { ...successAnswer({}), status: 204 };
  }
}

function create(request: MultipartRequest, { uploads }: MultipartContext): Answer | Refusal {
  const { bucket, key, headers } = request;
  const algorithm = header(headers, "x-amz-checksum-algorithm");
  const type = header(headers, "x-amz-checksum-type");
  // Others are real but not faked: without an algorithm S3 takes CRC-64/NVME.
  if (algorithm !== "CRC32" || type !== "FULL_OBJECT") return NOT_IMPLEMENTED;
  const uploadId = uploads.create(bucket, key, headers);
  const checksum = { "x-amz-checksum-algorithm": algorithm, "x-amz-checksum-type": type };
  return xmlAnswer(
    "InitiateMultipartUploadResult",
    { Bucket: bucket, Key: key, UploadId: uploadId },
    checksum,
  );
}

async function putPart(
  upload: OpenUpload,
  { headers, body, partNumber = "" }: MultipartRequest,
  { uploads }: MultipartContext,
): Promise<Answer | Refusal> {
  const number = /^\d{1,9}$/.test(partNumber) ? Number(partNumber) : 0;
  if (number < 1 || number > PARTS_MAX) {
    const message = "Part number must be an integer between 1 and 10000, inclusive";
    return refusal(400, "InvalidArgument", message);
  }
  const checksum = header(headers, "x-amz-checksum-crc32");
  if (checksum === undefined) {
    const message = "Checksum Type mismatch occurred, expected checksum Type: crc32";
    return refusal(400, "InvalidRequest", message);
  }
  const refused = refuseBody(headers, body);
  if (refused !== undefined) return refused;
  const part = await uploads.putPart(upload.uploadId, number, body);
  return successAnswer({ etag: part.etag, "x-amz-checksum-crc32": checksum });
}

async function complete(
  upload: OpenUpload,
  headers: IncomingHttpHeaders,
  body: Body,
  context: MultipartContext,
): Promise<Answer | Refusal> {
  const { buckets, uploads, completed } = context;
  const { bucket, key, uploadId } = upload;
  const parts = chosenParts(upload, body, context.partBytesMin);
  if (!Array.isArray(parts)) return parts;
  const isOpen = () => uploads.find(bucket, key, uploadId) !== undefined;
  const whole = await joinParts(parts).catch((error: unknown) => {
    // Its parts are gone: somebody has aborted it meanwhile.
    if (isOpen()) throw error;
    return undefined;
  });
  if (whole === undefined) return NO_SUCH_UPLOAD;
  const checksum = whole.crc32.toString("base64");
  const refused = refuseWhole(headers, whole, checksum);
  if (refused !== undefined) return refused;
  // From here in one turn of the event loop: of two requests for a key, one is refused.
  if (!isOpen()) return NO_SUCH_UPLOAD;
  const isTaken = headers["if-none-match"] === "*" && buckets.objects(bucket).has(key);
  if (isTaken) return PRECONDITION_FAILED;
  const { versionId } = buckets.put(bucket, key, whole, upload.headers);
  const fields = {
    Bucket: bucket,
    Key: key,
    ETag: `"${whole.md5.toString("hex")}-${parts.length}"`,
    ChecksumCRC32: checksum,
    ChecksumType: "FULL_OBJECT",
  };
  const version = versionId === undefined ? {} : { "x-amz-version-id": versionId };
  const answer = xmlAnswer("CompleteMultipartUploadResult", fields, version);
  completed.set(uploadId, answer);
  await uploads.end(uploadId);
  return answer;
}

/** The parts that the body of a completion names. */
function chosenParts(
  upload: OpenUpload,
  body: Body,
  partBytesMin: number,
): UploadedPart[] | Refusal {
  const xml = body.content?.toString("utf8") ?? "";
  const named = [...xml.matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, text = ""]) => text);
  if (named.length === 0) {
    const message = "The XML you provided was not well-formed or did not validate";
    return refusal(400, "MalformedXML", message);
  }
  const parts: UploadedPart[] = [];
  let lastNumber = 0;
  for (const text of named) {
    const number = Number(element(text, "PartNumber"));
    const part = upload.parts.get(number);
    const checksum = element(text, "ChecksumCRC32");
    const isSame =
      part !== undefined &&
      element(text, "ETag")?.replace(/^"|"$/g, "") === part.etag.replaceAll('"', "") &&
      (checksum ?? part.crc32.toString("base64")) === part.crc32.toString("base64");
    if (!isSame) {
      const message = "One or more of the specified parts could not be found.";
      return refusal(400, "InvalidPart", message);
    }
    if (number <= lastNumber) {
      return refusal(400, "InvalidPartOrder", "The list of parts was not in ascending order.");
    }
    lastNumber = number;
    parts.push(part);
  }
  if (parts.slice(0, -1).some(({ size }) => size < partBytesMin)) {
    const message = "Your proposed upload is smaller than the minimum allowed size";
    return refusal(400, "EntityTooSmall", message);
  }
  return parts;
}

function refuseWhole(
  headers: IncomingHttpHeaders,
  whole: Body,
  checksum: string,
): Refusal | undefined {
  const type = header(headers, "x-amz-checksum-type");
  if (type !== undefined && type !== "FULL_OBJECT") {
    return refusal(400, "InvalidRequest", "The upload was created using the FULL_OBJECT type.");
  }
  const size = header(headers, "x-amz-mp-object-size");
  if (size !== undefined && Number(size) !== whole.size) {
    const message = "The provided 'x-amz-mp-object-size' header does not match what was computed";
    return refusal(400, "InvalidRequest", message);
  }
  if ((header(headers, "x-amz-checksum-crc32") ?? checksum) !== checksum) {
    return refusal(400, "BadDigest", "The CRC32 you specified did not match the calculated one.");
  }
  return undefined;
}

function element(xml: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>(.*?)</${name}>`, "s").exec(xml)?.[1];
  return text?.replaceAll("&quot;", '"').replaceAll("&#34;", '"');
}

function xmlAnswer(
  root: string,
  fields: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>>,
): Answer {
  const elements = Object.entries(fields).map(
    ([name, text]) => `<${name}>${escapeXml(text)}</${name}>`,
  );
  return {
    ...successAnswer({ "content-type": "application/xml", ...headers }),
    body: `<?xml version="1.0" encoding="UTF-8"?>\n<${root}>${elements.join("")}</${root}>`,
  };
}
