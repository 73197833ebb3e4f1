import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { formatDuration } from "../../lib/units.ts";
import { type Check, ok, problem, type Verdict, warning } from "./check.ts";

const run = promisify(execFile);

/** A service manager that hangs is not waited for longer. */
export const COMMAND_MS_MAX = 5_000;

const SET_IT = "Let the host keep its time by NTP (timedatectl set-ntp true).";

const WARNING_MS = 5 * 60_000;
/** AWS refuses requests that are signed for a time further away, but for the SDK's correction. */
const PROBLEM_MS = 15 * 60_000;

/**
 * How the host's clock stands to that of AWS. Pure.
 * @param offsetMs how far it is behind; undefined: no service has answered
 */
export function offsetVerdict(offsetMs: number | undefined): Verdict {
  if (offsetMs === undefined) return ok("not compared with AWS's: no service answered");
  const size = Math.abs(offsetMs);
  const text = `${formatDuration(size)} ${offsetMs > 0 ? "behind" : "ahead of"} AWS's`;
  if (size > PROBLEM_MS) {
    return problem(
      `The clock is ${text}: dates in keys are wrong, records are refused, and requests go only with a correction.`,
      SET_IT,
    );
  }
  if (size > WARNING_MS) return warning(`The clock is ${text}.`, SET_IT);
  return ok(size < 2_000 ? "as AWS's, to the second or two that can be told" : text);
}

/** Whether the host keeps its time by NTP, as timedatectl(1) says. @param env with the PATH */
export function ntpCheck(env: Readonly<Record<string, string | undefined>>): Check {
  return {
    name: "time synchronization",
    async run() {
      const args = ["show", "-p", "NTP", "-p", "NTPSynchronized"];
      const path = env["PATH"] ?? "";
      const options = { timeout: COMMAND_MS_MAX, env: { PATH: path } };
      try {
        return ntpVerdict((await run("timedatectl", args, options)).stdout);
      } catch {
        return ok("not known: there is no timedatectl that answers");
      }
    },
  };
}

/** @param shown what `timedatectl show` printed. Pure. */
export function ntpVerdict(shown: string): Verdict {
  const isYes = (name: string) => new RegExp(`^${name}=yes$`, "m").test(shown);
  if (isYes("NTPSynchronized")) return ok("the clock is synchronized");
  if (!/^NTPSynchronized=no$/m.test(shown)) return ok("not known: timedatectl does not say");
  const why = isYes("NTP") ? "NTP is on, but has not synchronized it" : "NTP is off";
  // Other ways, such as a hypervisor's clock, are none of timedatectl's.
  return warning(
    `The clock is not synchronized: ${why}.`,
    "Switch it on (timedatectl set-ntp true), or see chronyc tracking; where the hypervisor sets the clock, all is well.",
  );
}
