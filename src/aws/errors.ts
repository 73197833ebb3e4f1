import { AgentError, ExitCode, errnoOf, messageOf, ServiceError } from "../lib/errors.ts";

/** What an error of the SDK means, whichever service it came from. */
export type FailureKind =
  /** No credentials were found, or the service does not accept them. */
  | "credentials"
  /** The credentials are good, but they do not allow this. */
  | "denied"
  /** Too many requests. */
  | "throttled"
  /** The service failed or was not reached; the same request may succeed later. */
  | "transient"
  /**
   * The request's time is too far from the service's. The SDK takes the time of the answer, so the
   * next request is signed right.
   */
  | "clock-skew"
  /** What was asked for does not exist. */
  | "missing"
  /** There is one already. */
  | "exists"
  /** The request is wrong, or of a kind we do not know; sending it again would not help. */
  | "permanent";

export interface AwsFailure {
  readonly kind: FailureKind;
  /** The service's code, such as `SlowDown`, or the system's, such as `ECONNREFUSED`. */
  readonly code: string;
  readonly message: string;
}

// The codes of the services' "Common Errors" pages and of the SDK's own retry classification
// (@smithy/service-error-classification). Only this file knows them.
const KINDS: Readonly<Record<Exclude<FailureKind, "permanent">, ReadonlySet<string>>> = {
  credentials: new Set([
    "CredentialsProviderError",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "UnrecognizedClientException",
    "TokenRefreshRequired",
    "IncompleteSignature",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
  ]),
  denied: new Set([
    "AccessDenied",
    "AccessDeniedException",
    "AllAccessDisabled",
    "AccountProblem",
    "NotSignedUp",
    "UnauthorizedOperation",
    "Forbidden",
  ]),
  throttled: new Set([
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
    "TooManyUpdates",
    "RequestLimitExceeded",
    "RequestThrottled",
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "PriorRequestNotComplete",
  ]),
  transient: new Set([
    "InternalError",
    "InternalServerError",
    "InternalFailure",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "RequestTimeout",
    "RequestTimeoutException",
    "TimeoutError",
    "OperationAborted",
    "OperationAbortedException",
    "ConditionalRequestConflict",
    "BadDigest",
    "ECONNREFUSED",
    "ECONNRESET",
    "ECONNABORTED",
    "EPIPE",
    "ETIMEDOUT",
    "ENOTFOUND",
    "EAI_AGAIN",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "EHOSTDOWN",
    "EADDRNOTAVAIL",
    "ERR_SOCKET_CONNECTION_TIMEOUT",
  ]),
  "clock-skew": new Set(["RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"]),
  missing: new Set([
    "NoSuchBucket",
    "NoSuchKey",
    "NoSuchUpload",
    "ResourceNotFoundException",
    "ParameterNotFound",
  ]),
  exists: new Set(["PreconditionFailed", "ResourceAlreadyExistsException"]),
};

/**
 * There are no credentials, or nobody gives any: exit code 3. The message names what was tried and
 * holds nothing that was read there. It bears the name that the SDK's own errors of this kind have.
 */
export class CredentialsError extends AgentError {
  /** Nothing on this host says that credentials come from there; another source may have some. */
  readonly isAbsent: boolean;

  constructor(message: string, hint: string, { isAbsent = false } = {}) {
    super(message, { exitCode: ExitCode.unreachable, hint });
    this.name = "CredentialsProviderError";
    this.isAbsent = isAbsent;
  }
}

/** Whether new credentials are needed, and whoever made these may have them already. */
export function asksForNewCredentials(failure: AwsFailure): boolean {
  return RENEWABLE.has(failure.code);
}

/** The codes, of those of `credentials`, that say that these were good once. */
const RENEWABLE: ReadonlySet<string> = new Set([
  "ExpiredToken",
  "ExpiredTokenException",
  "TokenRefreshRequired",
]);

/** Reads an error of the SDK. */
export function readFailure(error: unknown): AwsFailure {
  const code = codeOf(error);
  const message = textOf(error);
  for (const [kind, codes] of Object.entries(KINDS)) {
    if (codes.has(code)) return { kind: kind as FailureKind, code, message };
  }
  return { kind: kindOfStatus(statusOf(error)), code, message };
}

/**
 * Makes an error for a person of an error of the SDK: exit code 3, with the way out.
 * @param what what the agent wanted to do, such as "read the parameters below /x/"
 * @param action the IAM action that it takes
 */
export function unreachableError(what: string, action: string, error: unknown): ServiceError {
  if (error instanceof CredentialsError) {
    return new ServiceError(`Cannot ${what}: ${error.message}`, {
      code: error.name,
      // Whoever made them may have others at any time.
      isPassing: false,
      retryAfterMs: undefined,
      hint: error.hint,
      cause: error,
    });
  }
  const { kind, code, message } = readFailure(error);
  const hints: Readonly<Record<FailureKind, string>> = {
    credentials:
      "Check the host's credentials: instance profile, AWS_PROFILE, shared files, or AWS_ACCESS_KEY_ID and its fellows.",
    denied: `Allow ${action} in the policy of the host's role.`,
    throttled: "Try again later; the service asks for fewer requests.",
    transient: "Check the network, the region and the endpoint (AWS_ENDPOINT_URL), then try again.",
    "clock-skew": "Set the host's clock right, with NTP or chrony.",
    missing: "Check the names and the region.",
    exists: "Check the names.",
    permanent: "Check the region and the endpoint (AWS_ENDPOINT_URL).",
  };
  return new ServiceError(`Cannot ${what}: ${code}: ${message}.`, {
    code,
    isPassing: PASSING.has(kind),
    retryAfterMs: retryAfterMs(error),
    deniedAction: kind === "denied" ? action : undefined,
    hint: hints[kind],
    cause: error,
  });
}

const PASSING: ReadonlySet<FailureKind> = new Set(["throttled", "transient", "clock-skew"]);

/**
 * Whether the service says that what it was sent is not as it should be, and not that something else
 * is in the way: a part of it may be right.
 */
export function isInputRefused(failure: AwsFailure): boolean {
  return REFUSED_INPUT.has(failure.code);
}

const REFUSED_INPUT: ReadonlySet<string> = new Set([
  "InvalidParameterException",
  "ValidationException",
  "SerializationException",
  "RequestEntityTooLargeException",
]);

/** Whether the answer did not come in time, be it that the request itself took longer than that. */
export function isTimedOut(failure: AwsFailure): boolean {
  return failure.code === "TimeoutError" || failure.code === "ETIMEDOUT";
}

/** The SDK keeps the answer of a refusal; `Retry-After` is in seconds (RFC 9110, 10.2.3). */
export function retryAfterMs(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("$response" in error)) return undefined;
  const response = error.$response as { readonly headers?: Readonly<Record<string, string>> };
  const text = response.headers?.["retry-after"];
  return text !== undefined && /^\d{1,5}$/.test(text) ? Number(text) * 1_000 : undefined;
}

function codeOf(error: unknown): string {
  const errno = errnoOf(error);
  if (errno !== undefined) return errno;
  if (!(error instanceof Error)) return "Unknown";
  // A service error that the SDK could not read is named after the status alone.
  return error.name === "Error" || error.name === "" ? "Unknown" : error.name;
}

/** Several addresses that all refused come as one error with an empty message. */
function textOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") {
    return error.errors.map(messageOf).join("; ");
  }
  // What a service says of a wrong signature repeats the headers, the session token among them.
  return messageOf(error)
    .replace(/\s*The Canonical String for this request.*$/s, "")
    .replace(/\.$/, "");
}

function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("$metadata" in error)) return undefined;
  const metadata = error.$metadata;
  if (typeof metadata !== "object" || metadata === null || !("httpStatusCode" in metadata))
    return undefined;
  return typeof metadata.httpStatusCode === "number" ? metadata.httpStatusCode : undefined;
}

function kindOfStatus(status: number | undefined): FailureKind {
  if (status === undefined) return "permanent";
  if (status === 403) return "denied";
  if (status === 404) return "missing";
  if (status === 409) return "transient";
  if (status === 412) return "exists";
  if (status === 429) return "throttled";
  // A 2xx that cannot be read is the answer of something that is not the service.
  return status >= 500 || status < 300 ? "transient" : "permanent";
}
