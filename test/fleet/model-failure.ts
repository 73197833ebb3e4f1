import { ServiceError } from "../../src/lib/errors.ts";

/** One for each code: a fleet makes millions of them, and where they come from tells nothing. */
export const THROTTLED = passingError("ThrottlingException");
export const DOWN = passingError("503");

/** What the agent makes of an answer that is none and that passes: see src/aws/errors.ts. */
function passingError(code: string): ServiceError {
  return new ServiceError(`The service answered ${code}.`, {
    code,
    isPassing: true,
    // Neither SSM nor CloudWatch Logs says how long it wants to be left alone.
    retryAfterMs: undefined,
    hint: "It passes.",
  });
}

/** A request that the service would refuse as wrong, which the agent must never send. */
export class WrongRequest extends Error {}
