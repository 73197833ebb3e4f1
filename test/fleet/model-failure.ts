import { AgentError, ExitCode } from "../../src/lib/errors.ts";

/** What the agent makes of an answer that is none: see src/aws/errors.ts. */
export function unreachable(code: string): AgentError {
  return new AgentError(`The service answered ${code}.`, {
    exitCode: ExitCode.unreachable,
    hint: "It passes.",
  });
}

/** A request that the service would refuse as wrong, which the agent must never send. */
export class WrongRequest extends Error {}
