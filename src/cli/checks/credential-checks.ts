import type {
  AwsFailure,
  Caller,
  CredentialsDescription,
  Probed,
} from "../../agent/examination.ts";
import { formatDuration } from "../../lib/units.ts";
import { ok, problem, type Verdict, warning } from "./check.ts";

/** What is told of credentials that could be read. Pure. @param now wall-clock milliseconds */
export function credentialsVerdict(
  { source, accessKeyId, expiresAt }: CredentialsDescription,
  now: number,
): Verdict {
  const what = `${source}, access key …${accessKeyId}`;
  if (expiresAt === undefined) return ok(`${what}, without an end that its source names`);
  if (expiresAt > now) return ok(`${what}, ${formatDuration(expiresAt - now)} left`);
  return problem(
    `${what}: they ended ${formatDuration(now - expiresAt)} ago.`,
    "Let their source give others; the agent looks for them by itself.",
  );
}

const NOT_TOLD =
  "Nothing to mend, unless other checks say so: the agent does not need to know. A VPC without an endpoint for STS cannot tell.";

/** Whose credentials they are. That nobody says it is no problem by itself. Pure. */
export function callerVerdict(probed: Probed<Caller>): Verdict {
  if (probed.kind === "answered") {
    const { arn, account } = probed.answer;
    return ok(`${arn} of account ${account}`);
  }
  const { kind, code, message } = probed.failure;
  if (isAbsent(probed.failure)) return ok("nobody's: there are none");
  if (kind === "credentials") {
    return problem(
      `AWS does not know these credentials: ${code}: ${message}.`,
      "Renew the key, or choose another source by `credentials` in the bootstrap file.",
    );
  }
  return warning(`Not told: ${code}: ${message}.`, NOT_TOLD);
}

function isAbsent({ code }: AwsFailure): boolean {
  return code === "CredentialsProviderError";
}
