import { ExitCode } from "../lib/errors.ts";
import type { Checked, Verdict } from "./checks/check.ts";
import { type DoctorOptions, surveyHost } from "./checks/host-survey.ts";
import type { CommandContext } from "./context.ts";
import { printable } from "./text.ts";

/**
 * `doctor`: checks what the agent needs of this host and of AWS, and says what to do about what is
 * missing. It may run beside an agent. On the host it leaves everything as it was; in AWS it makes
 * this host's log streams, as the agent does, and with `--write` one tiny object for each route.
 * @returns 1 if there is a problem; warnings are none
 */
export async function doctor(options: DoctorOptions, context: CommandContext): Promise<ExitCode> {
  const checked: Checked[] = [];
  const isJson = options.json === true;
  for await (const one of surveyHost(options, context)) {
    checked.push(one);
    if (!isJson) context.stdout.write(printableLines(one));
  }
  const isWell = checked.every(({ verdict }) => verdict !== "problem");
  if (isJson) {
    const answer = { isWell, uid: process.geteuid?.(), checks: checked };
    context.stdout.write(`${JSON.stringify(answer)}\n`);
  } else {
    const count = (kind: Verdict["verdict"]) =>
      checked.filter(({ verdict }) => verdict === kind).length;
    const counts = `${count("ok")} ok, ${count("warning")} warnings, ${count("problem")} problems`;
    context.stdout.write(`${counts}, as user ${process.geteuid?.()}\n`);
  }
  return isWell ? ExitCode.done : ExitCode.failed;
}

function printableLines(checked: Checked): string {
  const { name, about, verdict } = checked;
  const what = about === undefined ? name : `${name}, ${about}`;
  const word = verdict === "ok" ? "ok" : verdict.toUpperCase();
  if (checked.verdict === "ok")
    return `${printable(`${word.padEnd(8)} ${what}: ${checked.detail}`)}\n`;
  return `${printable(`${word.padEnd(8)} ${what}: ${checked.reason}`)}\n  way out: ${printable(checked.wayOut)}\n`;
}
