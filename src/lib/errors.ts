/** What every command's exit code means. Part of the interface: see "Exit codes" in the README. */
export const ExitCode = {
  /** Everything that was asked for is done. */
  done: 0,
  /** Some files failed, or something is wrong on this host. */
  failed: 1,
  /** The command line, the bootstrap file or the configuration is wrong. */
  configuration: 2,
  /** A service or credential that the agent needs is out of reach or refused. */
  unreachable: 3,
  /** Another agent holds the watched directory. */
  directoryHeld: 4,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/**
 * An error for the person who runs the agent: the message names the thing that is wrong, `hint`
 * says the way out, `exitCode` is what the command ends with. Errors of any other class are bugs.
 */
export class AgentError extends Error {
  readonly exitCode: ExitCode;
  readonly hint: string;

  constructor(
    message: string,
    options: { readonly exitCode: ExitCode; readonly hint: string; readonly cause?: unknown },
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = "AgentError";
    this.exitCode = options.exitCode;
    this.hint = options.hint;
  }
}

/** A service that could not be asked, or that refused (exit code 3). */
export class ServiceError extends AgentError {
  /** The service's code, such as `ThrottlingException`, or the system's, such as `ECONNREFUSED`. */
  readonly code: string;
  /** The same request may succeed later without anybody's doing. */
  readonly isPassing: boolean;
  /** How long the service asks to be left alone, in milliseconds; undefined: it does not say. */
  readonly retryAfterMs: number | undefined;
  /** The IAM action that the credentials do not allow; undefined: it failed of something else. */
  readonly deniedAction: string | undefined;

  constructor(
    message: string,
    options: {
      readonly code: string;
      readonly isPassing: boolean;
      readonly retryAfterMs: number | undefined;
      readonly deniedAction?: string | undefined;
      readonly hint: string;
      readonly cause?: unknown;
    },
  ) {
    const { hint, cause } = options;
    super(message, { exitCode: ExitCode.unreachable, hint, cause });
    this.name = "ServiceError";
    this.code = options.code;
    this.isPassing = options.isPassing;
    this.retryAfterMs = options.retryAfterMs;
    this.deniedAction = options.deniedAction;
  }
}

/** A usage or configuration error (exit code 2). */
export function configurationError(message: string, hint: string, cause?: unknown): AgentError {
  return new AgentError(message, { exitCode: ExitCode.configuration, hint, cause });
}

/** The system error code, such as `ENOENT`, or undefined if the value carries none. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** Whether the value is a system error with one of these codes. */
export function isErrno(error: unknown, ...codes: readonly string[]): boolean {
  const code = errnoOf(error);
  return code !== undefined && codes.includes(code);
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Makes an Error of whatever was thrown. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
