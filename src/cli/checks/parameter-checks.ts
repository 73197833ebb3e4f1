import type { Examination, Probed } from "../../agent/examination.ts";
import { type Config, type Resolved, refusalText } from "../../config/config.ts";
import { formatDuration } from "../../lib/units.ts";
import type { DaemonReport } from "../daemon-status.ts";
import { type Check, ok, problem, type Verdict, warning } from "./check.ts";
import { allow, arnOf, type PolicyPlace } from "./policy.ts";
import { refusalVerdict } from "./refusal.ts";

/** What the agent asks the Parameter Store, each kind of question once. */
export function parameterStoreChecks(
  examination: Pick<Examination, "paths" | "readNames" | "readPage">,
  place: () => Promise<PolicyPlace>,
): readonly Check[] {
  const { paths } = examination;
  const revisions = [`${paths.fleet}/revision`, `${paths.host}/revision`];
  const byPath = (path: string): Check => ({
    name: "ssm:GetParametersByPath",
    about: path,
    async run() {
      const probed = await examination.readPage(path);
      if (probed.kind === "answered") return ok("allowed");
      // Reading by path is authorised on the path itself.
      const resources = [`parameter${path}`, `parameter${path}/*`];
      const where = await place();
      return refusalVerdict(probed.failure, {
        wish: `read the parameters below ${path}/`,
        wayOut: allow(
          ["ssm:GetParametersByPath"],
          resources.map((resource) => arnOf("ssm", resource, where)),
        ),
      });
    },
  });
  return [
    {
      name: "ssm:GetParameters",
      about: revisions.join(", "),
      run: () => revisionsVerdict(examination, revisions, place),
    },
    byPath(paths.fleet),
    byPath(paths.host),
  ];
}

/** The agent asks for both at once, and one that is denied denies both: which one is asked for singly. */
async function revisionsVerdict(
  examination: Pick<Examination, "readNames">,
  revisions: readonly string[],
  place: () => Promise<PolicyPlace>,
): Promise<Verdict> {
  const both = await examination.readNames(revisions);
  if (both.kind === "answered") return ok("allowed");
  let denied = revisions;
  if (both.failure.kind === "denied") {
    const single = await Promise.all(revisions.map((name) => examination.readNames([name])));
    const refused = revisions.filter((_, index) => single[index]?.kind === "failed");
    if (refused.length > 0) denied = refused;
  }
  const where = await place();
  return refusalVerdict(both.failure, {
    wish: `read ${denied.join(" and ")}`,
    wayOut: allow(
      ["ssm:GetParameters"],
      denied.map((name) => arnOf("ssm", `parameter${name}`, where)),
    ),
  });
}

/** What is known of the parameters, for the checks that need them. */
export interface KnownParameters {
  /** What they say now; undefined: they could not be read. */
  readonly resolved: Resolved | undefined;
  /** The configuration whose directories and buckets are looked at. */
  readonly config: Config | undefined;
  readonly verdict: Verdict;
}

/** Whether this host takes its parameters. Pure. @param now wall-clock milliseconds */
export function parametersVerdict(
  read: Probed<{ readonly resolved: Resolved; readonly isEmpty: boolean }>,
  last: Config | undefined,
  about: { readonly path: string; readonly now: number },
): KnownParameters {
  const instead =
    last === undefined
      ? "The allowed roots are looked at instead."
      : `The last good ones (${last.hash}, read ${formatDuration(about.now - last.readAt)} ago) are looked at instead.`;
  if (read.kind === "failed") {
    const { code } = read.failure;
    const verdict = warning(
      `They cannot be read (${code}). ${instead}`,
      "Mend what doctor says of credentials and of ssm.",
    );
    return { resolved: undefined, config: last, verdict };
  }
  const { resolved, isEmpty } = read.answer;
  if ("config" in resolved) {
    return { resolved, config: resolved.config, verdict: validVerdict(resolved.config) };
  }
  if (isEmpty) {
    const verdict = problem(
      `There are none: no fleet is at ${about.path}/ in this region. ${instead}`,
      `Check \`fleet\` in the bootstrap file and the region, or make the fleet: aws ssm put-parameter --type String --name ${about.path}/bucket --value BUCKET`,
    );
    return { resolved, config: last, verdict };
  }
  const verdict = problem(
    `${refusalText(resolved.problems)} ${instead}`,
    "Put a right value with `aws ssm put-parameter --overwrite`; s3-offload-agent config check names all that is wrong.",
  );
  return { resolved, config: last, verdict };
}

function validVerdict({ hash, cohort, routes, unknown }: Config): Verdict {
  if (unknown.length > 0) {
    const told = unknown.map(({ parameter, reason }) => `${parameter} ${reason}`).join("; ");
    return warning(
      `${told}. Everything else is valid.`,
      "Mend the names, or take these parameters away (aws ssm delete-parameter).",
    );
  }
  const watched = routes.map(({ settings }) => settings.directory).join(", ");
  return ok(`valid, ${hash} (${cohort}); watched: ${watched}`);
}

/** Whether the daemon works by what the parameters say, and if not, why. Pure. */
export function inEffectVerdict(
  { view, liveness }: DaemonReport,
  desired: Resolved | undefined,
  last: Config | undefined,
  now: number,
): Verdict {
  const kept = last === undefined ? "none is kept" : `kept is ${last.hash}`;
  if (liveness.kind === "held") {
    return ok(`not known: process ${liveness.by} is at work, and does not tell`);
  }
  if (view === undefined || liveness.kind !== "running") {
    return ok(`no daemon is at work; of its last good one, ${kept}`);
  }
  const { effectiveHash, refusal, unreachable, nextPollAt } = view.configuration;
  const effective = effectiveHash ?? "none yet";
  if (refusal !== undefined) {
    return problem(
      `The daemon works by ${effective} and refuses what is desired: ${refusal}`,
      "Mend the parameters; s3-offload-agent config check names all that is wrong.",
    );
  }
  if (unreachable !== undefined) {
    return problem(
      `The daemon works by ${effective}, since it cannot read the parameters: ${unreachable}`,
      "Mend what doctor says of credentials and of ssm; the daemon tries again by itself.",
    );
  }
  if (desired === undefined) return ok(`${effective}; what is desired is not known`);
  if (desired.hash === effectiveHash) return ok(`${effective}, as desired`);
  const poll = nextPollAt === undefined ? "" : ` in ${formatDuration(nextPollAt - now)}`;
  return warning(
    `The daemon works by ${effective}, and ${desired.hash} is desired: it has not read that yet. Its next poll is${poll || " not known"}.`,
    "Wait for it, or have it read at once: systemctl reload s3-offload-agent.",
  );
}
