import { ServiceError } from "../lib/errors.ts";
import { readFailure, unreachableError } from "./errors.ts";

/**
 * An error for the operator at a terminal, whose credentials are a person's and not a host's: exit
 * code 3, with the way out.
 * @param what what was wanted, such as "read the heartbeats in /x"
 * @param access.actions the IAM actions that the whole of it takes
 * @param access.resource what they are needed on, such as "the log group /x"
 */
export function operatorError(
  what: string,
  access: { readonly actions: readonly string[]; readonly resource: string },
  error: unknown,
): ServiceError {
  const made = unreachableError(what, access.actions[0] ?? "", error);
  const hint = hintOf(access, error);
  if (hint === undefined) return made;
  const { message, code, isPassing, retryAfterMs } = made;
  return new ServiceError(message, { code, isPassing, retryAfterMs, hint, cause: error });
}

function hintOf(
  { actions, resource }: { readonly actions: readonly string[]; readonly resource: string },
  error: unknown,
): string | undefined {
  const { kind } = readFailure(error);
  const needs = `${actions.join(", ")} on ${resource}`;
  if (kind === "denied") return `Your credentials need ${needs}.`;
  if (kind === "credentials") {
    return `Sign in (aws sso login), or set AWS_PROFILE; the credentials need ${needs}.`;
  }
  if (kind === "clock-skew") return "Set this machine's clock right.";
  return undefined;
}
