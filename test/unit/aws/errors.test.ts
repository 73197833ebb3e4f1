import { expect } from "chai";
import { type FailureKind, readFailure, unreachableError } from "../../../src/aws/errors.ts";

/** An error as the SDK throws them: named after the service's code, with the status beside it. */
function serviceError(name: string, status?: number, message = "No"): Error {
  const error = new Error(message);
  error.name = name;
  return status === undefined
    ? error
    : Object.assign(error, { $metadata: { httpStatusCode: status }, $fault: "client" });
}

/** An error as Node's sockets throw them. */
function systemError(code: string): Error {
  return Object.assign(new Error(`connect ${code}`), { code });
}

const TABLE: readonly (readonly [error: unknown, kind: FailureKind, code: string])[] = [
  [serviceError("CredentialsProviderError"), "credentials", "CredentialsProviderError"],
  [serviceError("ExpiredToken", 400), "credentials", "ExpiredToken"],
  [serviceError("ExpiredTokenException", 400), "credentials", "ExpiredTokenException"],
  [serviceError("InvalidAccessKeyId", 403), "credentials", "InvalidAccessKeyId"],
  [serviceError("SignatureDoesNotMatch", 403), "credentials", "SignatureDoesNotMatch"],
  [serviceError("UnrecognizedClientException", 400), "credentials", "UnrecognizedClientException"],
  [serviceError("AccessDenied", 403), "denied", "AccessDenied"],
  [serviceError("AccessDeniedException", 400), "denied", "AccessDeniedException"],
  [serviceError("SlowDown", 503), "throttled", "SlowDown"],
  [serviceError("ThrottlingException", 400), "throttled", "ThrottlingException"],
  [serviceError("TooManyRequestsException", 429), "throttled", "TooManyRequestsException"],
  [serviceError("InternalError", 500), "transient", "InternalError"],
  [serviceError("ServiceUnavailable", 503), "transient", "ServiceUnavailable"],
  [serviceError("RequestTimeout", 400), "transient", "RequestTimeout"],
  [serviceError("RequestTimeTooSkewed", 403), "clock-skew", "RequestTimeTooSkewed"],
  [serviceError("BadDigest", 400), "transient", "BadDigest"],
  [serviceError("ConditionalRequestConflict", 409), "transient", "ConditionalRequestConflict"],
  [serviceError("TimeoutError"), "transient", "TimeoutError"],
  [systemError("ECONNREFUSED"), "transient", "ECONNREFUSED"],
  [systemError("ECONNRESET"), "transient", "ECONNRESET"],
  [systemError("ENOTFOUND"), "transient", "ENOTFOUND"],
  [systemError("EAI_AGAIN"), "transient", "EAI_AGAIN"],
  [serviceError("NoSuchBucket", 404), "missing", "NoSuchBucket"],
  [serviceError("ResourceNotFoundException", 400), "missing", "ResourceNotFoundException"],
  [serviceError("ParameterNotFound", 400), "missing", "ParameterNotFound"],
  [serviceError("PreconditionFailed", 412), "exists", "PreconditionFailed"],
  [serviceError("ResourceAlreadyExistsException", 400), "exists", "ResourceAlreadyExistsException"],
  [serviceError("InvalidRequest", 400), "permanent", "InvalidRequest"],
  // Codes that nobody knows go by the status.
  [serviceError("NewCode", 403), "denied", "NewCode"],
  [serviceError("NewCode", 404), "missing", "NewCode"],
  [serviceError("NewCode", 409), "transient", "NewCode"],
  [serviceError("NewCode", 412), "exists", "NewCode"],
  [serviceError("NewCode", 429), "throttled", "NewCode"],
  [serviceError("NewCode", 500), "transient", "NewCode"],
  [serviceError("NewCode", 599), "transient", "NewCode"],
  [serviceError("NewCode", 301), "permanent", "NewCode"],
  [serviceError("SyntaxError", 200), "transient", "SyntaxError"],
  [serviceError("Error", 503), "transient", "Unknown"],
  [new TypeError("x is not a function"), "permanent", "TypeError"],
  [new Error("what"), "permanent", "Unknown"],
  ["a text", "permanent", "Unknown"],
  [undefined, "permanent", "Unknown"],
  [Object.assign(new Error("odd"), { $metadata: null }), "permanent", "Unknown"],
  [
    Object.assign(new Error("odd"), { $metadata: { httpStatusCode: "403" } }),
    "permanent",
    "Unknown",
  ],
];

describe("readFailure", () => {
  for (const [error, kind, code] of TABLE) {
    it(`reads ${JSON.stringify(error)} ${String(error)} as ${kind}`, () => {
      expect(readFailure(error)).to.include({ kind, code });
    });
  }

  it("tells of every address that refused, when all of them did", () => {
    const errors = ["127.0.0.1:9", "::1:9"].map((at) => new Error(`connect ECONNREFUSED ${at}`));
    const both = Object.assign(new AggregateError(errors), { code: "ECONNREFUSED" });
    expect(readFailure(both)).to.deep.equal({
      kind: "transient",
      code: "ECONNREFUSED",
      message: "connect ECONNREFUSED 127.0.0.1:9; connect ECONNREFUSED ::1:9",
    });
    expect(readFailure(new AggregateError(errors, "all failed")).message).to.equal("all failed");
  });
});

describe("what is told of a wrong signature", () => {
  it("does not repeat the headers, with the session token among them", () => {
    const text =
      "The request signature we calculated does not match the signature you provided.\n\nThe Canonical String for this request should have been\n'POST\n/\nx-amz-security-token:TOKEN'";
    const error = serviceError("InvalidSignatureException", 400, text);
    expect(readFailure(error).message).to.equal(
      "The request signature we calculated does not match the signature you provided",
    );
  });
});

describe("unreachableError", () => {
  const HINTS: readonly (readonly [error: Error, hint: string])[] = [
    [serviceError("ExpiredToken"), "credentials"],
    [serviceError("AccessDenied"), "Allow ssm:GetParametersByPath"],
    [systemError("ECONNREFUSED"), "network"],
    [serviceError("InvalidRequest", 400), "AWS_ENDPOINT_URL"],
  ];
  for (const [error, hint] of HINTS) {
    it(`points at the way out of ${error.name} ${error.message}`, () => {
      const told = unreachableError("read the parameters", "ssm:GetParametersByPath", error);
      expect(told.exitCode).to.equal(3);
      expect(told.hint).to.include(hint);
      expect(told.cause).to.equal(error);
    });
  }

  it("is one sentence: what was tried, the code and the message, with one full stop", () => {
    const error = serviceError("AccessDenied", 403, "You may not.");
    expect(unreachableError("read it", "x:Y", error).message).to.equal(
      "Cannot read it: AccessDenied: You may not.",
    );
  });
});
