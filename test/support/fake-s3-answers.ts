import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Fault } from "./fake-s3-faults.ts";
import { errorXml, type Refusal } from "./fake-s3-rules.ts";

/** An answer that is ready to be sent. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The answer to a request that was done, with the headers that belong to what it stored. */
export function successAnswer(headers: Readonly<Record<string, string>>): Answer {
  return { status: 200, headers: { ...requestIds(), ...headers }, body: "" };
}

/**
 * The answer to a request that was refused.
 * @param headers go with it and win over the usual ones.
 */
export function refusalAnswer(
  refusal: Refusal,
  request: IncomingMessage,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  const ids = requestIds();
  const resource = (request.url ?? "").replace(/\?.*$/, "");
  return {
    status: refusal.status,
    headers: { "content-type": "application/xml", ...ids, ...headers },
    body: errorXml(refusal, resource, ids["x-amz-request-id"]),
  };
}

/** @returns the answer with which a fault replaces the work, or undefined if the work is done. */
export function answerInstead(
  fault: Fault | undefined,
  request: IncomingMessage,
): Answer | undefined {
  switch (fault?.kind) {
    case "status": {
      const { status, code, message = `A fault of the test: ${code}` } = fault;
      return refusalAnswer({ status, code, message }, request, fault.headers);
    }
    case "error-200": {
      const { code } = fault;
      const refused = { status: 200, code, message: `A fault of the test: ${code}` };
      return refusalAnswer(refused, request);
    }
    case "captive-portal": {
      const body = "<!doctype html><title>Welcome to our wireless network</title><p>Please log in.";
      return { status: 200, headers: { "content-type": "text/html" }, body };
    }
    case "empty-200":
      return { status: 200, headers: {}, body: "" };
    default:
      return undefined;
  }
}

/** Takes the checksum out of an answer, or puts another one in, if the fault says so. */
export function spoilChecksum(answer: Answer, fault: Fault | undefined): Answer {
  const removes = fault?.kind === "no-checksum";
  if (!removes && fault?.kind !== "wrong-checksum") return answer;
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(answer.headers)) {
    const isValue = name.startsWith("x-amz-checksum-") && name !== "x-amz-checksum-type";
    if (!name.startsWith("x-amz-checksum-")) headers[name] = value;
    else if (!removes) headers[name] = isValue ? otherChecksum(value) : value;
  }
  return { ...answer, headers, body: spoilXml(answer.body, removes) };
}

/** A completion says its checksum in the body. */
function spoilXml(body: string, removes: boolean): string {
  return body
    .replace(/<ChecksumType>.*?<\/ChecksumType>/, (whole) => (removes ? "" : whole))
    .replace(/<(ChecksumCRC32)>(.*?)<\/ChecksumCRC32>/, (_, name: string, value: string) =>
      removes ? "" : `<${name}>${otherChecksum(value)}</${name}>`,
    );
}

/** A checksum of the same length in which a single bit differs. */
function otherChecksum(base64: string): string {
  const bytes = Buffer.from(base64, "base64");
  bytes.writeUInt8(bytes.readUInt8(0) ^ 1, 0);
  return bytes.toString("base64");
}

function requestIds() {
  return {
    server: "AmazonS3",
    "x-amz-request-id": randomBytes(8).toString("hex").toUpperCase(),
    "x-amz-id-2": randomBytes(48).toString("base64"),
  };
}
