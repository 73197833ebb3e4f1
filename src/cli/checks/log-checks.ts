import type { AwsFailure, Examination, Probed } from "../../agent/examination.ts";
import { type Check, ok, problem, type Verdict, warning } from "./check.ts";
import { allow, arnOf, type PolicyPlace } from "./policy.ts";
import { refusalVerdict } from "./refusal.ts";

/**
 * Whether records can be sent: this host's stream is made in both groups, which the agent does as
 * well, and an event is put that is too old to be kept.
 */
export function logChecks(
  examination: Pick<Examination, "createStream" | "putNothing">,
  groups: readonly string[],
  place: () => Promise<PolicyPlace>,
): readonly Check[] {
  return groups.map((group) => ({
    name: "log group",
    about: group,
    async run() {
      const created = await examination.createStream(group);
      const put = await examination.putNothing(group);
      return logVerdict({ group, created: failureOf(created), put: failureOf(put) }, await place());
    },
  }));
}

function failureOf(probed: Probed<void>): AwsFailure | undefined {
  return probed.kind === "failed" ? probed.failure : undefined;
}

/**
 * | stream made | event put | verdict |
 * |---|---|---|
 * | yes | yes | ok |
 * | yes | denied | problem: PutLogEvents |
 * | denied | yes | warning: the stream is there, another host's would not be |
 * | denied | no stream | problem: CreateLogStream |
 * | denied | denied | problem: both |
 * | no group | whatever | warning: the agent makes it, if it may |
 * | otherwise | | what the service said |
 *
 * Pure.
 */
export function logVerdict(
  found: {
    readonly group: string;
    readonly created: AwsFailure | undefined;
    readonly put: AwsFailure | undefined;
  },
  place: PolicyPlace,
): Verdict {
  const { group, created, put } = found;
  if (created === undefined && put === undefined) return ok("records can be put into it");
  if (created?.kind === "missing") {
    return warning(
      "There is no such log group: the agent makes it if its role allows logs:CreateLogGroup; else its records wait on disk, and are lost in the end.",
      `Make it, with a retention of your choice: aws logs create-log-group --log-group-name ${group}`,
    );
  }
  const missing = [
    ...(created?.kind === "denied" ? ["logs:CreateLogStream"] : []),
    ...(put?.kind === "denied" ? ["logs:PutLogEvents"] : []),
  ];
  const about = {
    wish: "write log records",
    wayOut: allow(missing, [arnOf("logs", `log-group:${group}:*`, place)]),
  };
  if (created?.kind === "denied") {
    if (put === undefined) {
      return warning(
        `The role may not make log streams (${created.code}); this host has one already.`,
        about.wayOut,
      );
    }
    const said = `${created.code}: ${created.message}`.replace(/\.$/, "");
    return problem(`The role lacks ${missing.join(" and ")}: ${said}.`, about.wayOut);
  }
  const [failure] = [created, put].flatMap((one) => one ?? []);
  if (failure === undefined) return ok("records can be put into it");
  return refusalVerdict(failure, about);
}
