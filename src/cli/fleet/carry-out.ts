import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { type Applied, applyPlan, assertUnmoved } from "../../fleet/apply.ts";
import { type FleetPlan, isDue } from "../../fleet/plan.ts";
import { partName } from "../../fleet/read-fleet.ts";
import { type ReleaseTexts, writeRelease } from "../../fleet/release.ts";
import { planText } from "../../fleet/render-plan.ts";
import { AgentError, configurationError, ExitCode, messageOf } from "../../lib/errors.ts";
import { printable } from "../text.ts";
import {
  explained,
  type FleetSession,
  makeReleaseId,
  operatorOf,
  withPermissions,
} from "./session.ts";

/** Options of every command that changes parameters. */
export interface ChangeOptions {
  readonly yes?: boolean;
  readonly message?: string;
}

const REMARK_CHARACTERS_MAX = 200;

/** A bar is so many characters wide. */
const BAR_WIDTH = 30;

/**
 * Shows a plan, asks, and does it.
 * @param about.yes nobody is asked
 * @param about.done what is told at the end
 * @returns 0; 1 if the person did not say yes, or somebody else wrote at the same moment; 2 if hosts
 *   or SSM would refuse it; 3 if a service refused in the middle
 * @throws AgentError: 2 if there is nobody to ask, 1 if somebody else changed the parameters meanwhile
 */
export async function carryOut(
  plan: FleetPlan,
  session: FleetSession,
  about: { readonly yes: boolean; readonly done?: string },
): Promise<ExitCode> {
  const { palette, access, patience } = session;
  session.tell(planText(plan, palette));
  if (!isDue(plan) || plan.problems.length > 0) {
    session.answer({ plan, applied: null });
    return planExitCode(plan, session);
  }
  const release = releaseTexts(plan, session);
  if (!about.yes && !(await isConfirmed(session))) {
    session.tell("Not applied.\n");
    session.answer({ plan, applied: null });
    return ExitCode.failed;
  }
  const ports = { ...access, ...patience };
  return await withPermissions(session, async () => {
    await assertUnmoved(plan, ports);
    const progress = makeProgress(session);
    const applied = await applyPlan(plan, release, ports, progress.draw);
    progress.clear();
    if (applied.failure !== undefined) return tellFailure(plan, applied, session);
    const what = plan.host === null ? `Release ${applied.release}` : `Host ${plan.host}`;
    const values = countText(plan.changes.filter(({ to }) => to !== undefined).length, "value");
    const outcome = `${what}: ${values} written, ${applied.removed.length} removed.`;
    session.tell(`${palette.green(outcome)}\n`);
    if (about.done !== undefined) session.tell(`${about.done}\n`);
    session.answer({ plan, applied: { ...applied, failure: null } });
    return ExitCode.done;
  });
}

/** 0, or 2 if hosts or SSM would refuse it, which the text of the plan has told. */
export function planExitCode(
  { problems }: FleetPlan,
  { palette, context }: FleetSession,
): ExitCode {
  if (problems.length === 0) return ExitCode.done;
  const text = `Hosts or SSM would refuse this: ${countText(problems.length, "problem")}, see above. Nothing was written.`;
  context.stderr.write(`${palette.red(text)}\n`);
  return ExitCode.configuration;
}

function countText(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function releaseTexts(plan: FleetPlan, { context, patience }: FleetSession): ReleaseTexts {
  const record = {
    id: makeReleaseId(patience.clock.now()),
    by: shortened(operatorOf(context)),
    note: plan.note === null ? undefined : shortened(plan.note),
    spreadMs: plan.spreadMs,
    leaves: new Map(Object.entries(plan.leaves)),
  };
  return writeRelease(record, (index) => plan.seen[partName(index, plan.place)]);
}

/** A remark leaves room for the values; and SSM takes two braces for a reference of its own. */
function shortened(text: string): string {
  return text.replace(/\{(?=\{)/g, "{ ").slice(0, REMARK_CHARACTERS_MAX);
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
  // Ctrl-C and Ctrl-D close it, and no answer comes.
  const closed = once(asking, "close").then(() => "");
  try {
    const answer = asking.question('Apply this? Only "yes" is taken: ', {
      signal: patience.signal,
    });
    return (await Promise.race([answer, closed])).trim() === "yes";
  } catch (error) {
    patience.signal.throwIfAborted();
    if (error instanceof Error && error.name === "AbortError") return false;
    throw error;
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
function tellFailure(
  plan: FleetPlan,
  { failure, ...applied }: Applied,
  session: FleetSession,
): ExitCode {
  const { written, removed, left } = applied;
  const error = explained(failure, session);
  const list = (names: readonly string[]) => (names.length === 0 ? "nothing" : names.join(", "));
  const isRace = error instanceof AgentError && error.exitCode === ExitCode.failed;
  const again = isRace ? "" : "Run the same command again: it finishes what is left.";
  const hint = `${error instanceof AgentError ? `${error.hint} ` : ""}${again}`.trim();
  const lines = [
    `It ended in the middle: ${messageOf(error)}`,
    `Written: ${list(written.map(({ name, version }) => `${name} (version ${version})`))}.`,
    `Removed: ${list(removed)}.`,
    `Not reached: ${list(left)}.`,
    left.includes(plan.revision.name)
      ? "The revision was not written: hosts that follow it take the rest with the next release, or within about 6 hours; a host that starts takes what is there."
      : "The revision was written as well.",
    `way out: ${hint}`,
  ];
  session.context.stderr.write(`${lines.map(printable).join("\n")}\n`);
  // A bug is told as one, after what it has left behind.
  if (!(error instanceof AgentError) && !session.context.stop.aborted) throw error;
  const told = { message: messageOf(error), hint };
  session.answer({ plan, applied: { ...applied, failure: told } });
  return error instanceof AgentError ? error.exitCode : ExitCode.failed;
}
