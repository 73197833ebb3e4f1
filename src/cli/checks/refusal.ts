import type { AwsFailure } from "../../agent/examination.ts";
import { problem, type Verdict, warning } from "./check.ts";

/**
 * What it means that a service did not do what was asked. Pure.
 * @param about.wish what was asked, as `read ...`
 * @param about.wayOut what allows it
 */
export function refusalVerdict(
  { kind, code, message }: AwsFailure,
  about: { readonly wish: string; readonly wayOut: string },
): Verdict {
  const said = `${code}: ${message}`.replace(/\.$/, "");
  switch (kind) {
    case "denied":
      return problem(`The role may not ${about.wish}: ${said}.`, about.wayOut);
    case "credentials":
      // Said once, of the credentials themselves.
      if (code === "CredentialsProviderError") {
        return warning(
          `Nobody can be asked to ${about.wish} without credentials.`,
          "Mend what doctor says of the credentials, and ask again.",
        );
      }
      return problem(
        `The service does not take the credentials: ${said}.`,
        "See what doctor says of the credentials and of the time; renew the key, or choose another source by `credentials` in the bootstrap file.",
      );
    case "clock-skew":
      return problem(
        `The host's clock is refused: ${said}.`,
        "Let the host keep its time by NTP (timedatectl set-ntp true).",
      );
    case "throttled":
      return warning(
        `The service asks for fewer requests: ${said}.`,
        "Ask again later; a large fleet needs a longer refresh-interval.",
      );
    case "transient":
      return problem(
        `The service is out of reach, to ${about.wish}: ${said}.`,
        "Check DNS, routes, firewall or VPC endpoint, the region, and AWS_ENDPOINT_URL if it is set.",
      );
    case "missing":
    case "exists":
    case "permanent":
      return problem(
        `The service refuses to ${about.wish}: ${said}.`,
        "Check the names, the region, and AWS_ENDPOINT_URL if it is set.",
      );
  }
}
