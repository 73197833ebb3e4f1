import { createInterface } from "node:readline/promises";
import { type Applied, applyPlan, assertUnmoved } from "../../fleet/apply.ts";
import { type FleetPlan, isDue } from "../../fleet/plan.ts";
import { writeRelease } from "../../fleet/release.ts";
import { planText } from "../../fleet/render-plan.ts";
import { configurationError, ExitCode, ServiceError } from "../../lib/errors.ts";
import { printable } from "../text.ts";
import { type FleetSession, makeReleaseId, operatorOf, withPermissions } from "./session.ts";

/** Options of every command that changes parameters. */
export interface ChangeOptions {
  readonly yes?: boolean;
  readonly message?: string;
}

/** A bar is so many characters wide. */
const BAR_WIDTH = 30;

/**
 * Shows a plan, asks, and does it.
 * @param about.yes nobody is asked
 * @param about.done what is told at the end
 * @returns 0; 1 if the person did not say yes
 * @throws AgentError: 2 for a plan with problems or nobody to ask, 1 if somebody else changed the
 *   parameters meanwhile, 3 if a service refused in the middle
 */
export async function carryOut(
  plan: FleetPlan,
  session: FleetSession,
  about: { readonly yes: boolean; readonly done?: string },
): Promise<ExitCode> {
  const { palette, access, patience } = session;
  session.tell(planText(plan, palette));
  assertApplicable(plan);
  if (!isDue(plan)) {
    session.answer({ plan, applied: null });
    return ExitCode.done;
  }
  const revision = revisionText(plan, session);
  if (!about.yes && !(await isConfirmed(session))) {
    session.tell("Not applied.\n");
    session.answer({ plan, applied: null });
    return ExitCode.failed;
  }
  const ports = { ...access, ...patience };
  return await withPermissions(session, async () => {
    await assertUnmoved(plan, ports);
    const progress = makeProgress(session);
    const applied = await applyPlan(plan, revision, ports, progress.draw);
    progress.clear();
    if (applied.failure !== undefined) throw interrupted(plan, applied, session);
    const what = plan.host === null ? `Release ${applied.release}` : `Host ${plan.host}`;
    const { written, removed } = applied;
    session.tell(
      palette.green(`${what}: ${written.length} parameters written, ${removed.length} removed.`) +
        `${about.done === undefined ? "" : `\n${about.done}`}\n`,
    );
    session.answer({ plan, applied: { ...applied, failure: undefined } });
    return ExitCode.done;
  });
}

/** @throws AgentError (exit code 2) that names all that must be mended first */
export function assertApplicable({ problems }: FleetPlan): void {
  if (problems.length === 0) return;
  throw configurationError(
    `Hosts or SSM would refuse this:\n  ${problems.map(printable).join("\n  ")}`,
    "Mend what is named; nothing was written.",
  );
}

function revisionText(plan: FleetPlan, { context, patience }: FleetSession): string {
  return writeRelease({
    id: makeReleaseId(patience.clock.now()),
    by: operatorOf(context),
    // SSM takes two braces for a reference of its own.
    note: plan.note?.replaceAll("{{", "{ {") ?? undefined,
    spreadMs: plan.spreadMs,
    leaves: new Map(Object.entries(plan.leaves)),
  });
}

async function isConfirmed({ context, patience }: FleetSession): Promise<boolean> {
  const { stdin, stderr } = context;
  if (stdin.isTTY !== true) {
    throw configurationError(
      "Nobody can be asked: standard input is not a terminal.",
      "Look at the plan, and add --yes if it is what you want.",
    );
  }
  const asking = createInterface({ input: stdin, output: stderr, terminal: true });
  try {
    const answer = await asking.question('Apply this? Only "yes" is taken: ', {
      signal: patience.signal,
    });
    return answer.trim() === "yes";
  } finally {
    asking.close();
  }
}

function makeProgress({ context }: FleetSession) {
  return {
    draw(done: number, total: number) {
      if (!context.isTerminal) return;
      const filled = Math.round((BAR_WIDTH * done) / total);
      const bar = "#".repeat(filled).padEnd(BAR_WIDTH, ".");
      context.stderr.write(`\r[${bar}] ${done}/${total}`);
    },
    clear() {
      if (context.isTerminal) context.stderr.write("\r\u001b[K");
    },
  };
}

/** Tells how far it came before it ended; a command that is stopped says so as well. */
function interrupted(plan: FleetPlan, applied: Applied, { context }: FleetSession): unknown {
  const { written, removed, left, failure } = applied;
  const list = (names: readonly string[]) => (names.length === 0 ? "nothing" : names.join(", "));
  const lines = [
    `Written: ${list(written.map(({ name, version }) => `${name} (version ${version})`))}.`,
    `Removed: ${list(removed)}.`,
    `Not reached: ${list(left)}.`,
    left.includes(plan.revision.name)
      ? "The revision was not written: hosts that follow it take the rest only with the next release, or within about 6 hours; a host that starts takes what is there."
      : "The revision was written as well.",
  ];
  context.stderr.write(`${lines.map(printable).join("\n")}\n`);
  if (!(failure instanceof ServiceError)) return failure;
  return new ServiceError(`${failure.message} ${written.length} parameters were written.`, {
    code: failure.code,
    isPassing: failure.isPassing,
    retryAfterMs: failure.retryAfterMs,
    deniedAction: failure.deniedAction,
    hint: `${failure.hint} Then run the same command again: it finishes what is left.`,
    cause: failure,
  });
}
