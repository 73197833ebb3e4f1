import { join } from "node:path";
import { CONTENT_MARK } from "../../tools/marks.ts";
import { makeHostWithFakeS3, problemsOf, runSideBySide } from "./fault-cases.ts";
import type { FaultReport } from "./fault-report.ts";
import { type Order, startStriker } from "./striker.ts";

/** A strike before the n-th step, in the folder of a file, of a sweep that transfers that file. */
export interface StrikeCase {
  readonly kind: Order["kind"];
  readonly via: "path" | "descriptor";
  readonly at: number;
  /** Only steps with such a name are numbered, as in a `FaultPlan`. */
  readonly op: string;
}

/** Where the file of a strike is. Only steps in this folder count: elsewhere there is no race. */
const FOLDER = "folder";
const NAME = `${FOLDER}/struck.csv`;
const CONTENT = `${CONTENT_MARK}\n`.repeat(50);

/** How many steps with such a name a sweep of that file has. */
export async function countStrikeSteps(op: string): Promise<number> {
  await using host = await makeHostWithFakeS3();
  await host.produce(NAME, CONTENT);
  return (await host.trace({ op, under: [join(host.watched, FOLDER)] })).length;
}

/**
 * A file, a sweep in which the striker strikes at it, and a clean sweep after it.
 * @returns what is wrong, each in one line; nothing if all is well
 */
async function runStrike(one: StrikeCase, report: FaultReport): Promise<string[]> {
  await using host = await makeHostWithFakeS3();
  const path = await host.produce(NAME, CONTENT);
  await using striker = await startStriker(host.folder, host.oracle);
  await striker.strike({ kind: "watch", path });
  const { kind, via, at, op } = one;
  const strike = striker.plan({ kind, via, path, to: `${host.away}/struck.csv` });
  const problems: string[] = [];

  const struck = await host.sweep({ under: [join(host.watched, FOLDER)], at, op, strike });
  if (struck.exitCode === null || struck.exitCode > 4) {
    problems.push(`the agent ended with ${struck.killedBy ?? struck.exitCode}: ${struck.stderr}`);
  } else {
    // At the latest the end of the agent lets it come through.
    const { missed } = await striker.blow(strike);
    problems.push(...problemsOf(await host.verify()).map((line) => `after it: ${line}`));
    if ((await host.left()).length > 0) await host.sweep();
    const verdict = await host.verify();
    problems.push(...problemsOf(verdict).map((line) => `at the end: ${line}`));
    report.add({ verdict, faults: missed === undefined ? 1 : 0 });
  }
  return problems.map((line) => `STRIKE_CASE='${JSON.stringify(one)}': ${line}`);
}

/** Runs cases side by side. @returns all that is wrong */
export function runStrikes(
  cases: readonly StrikeCase[],
  report: FaultReport,
): Promise<readonly string[]> {
  return runSideBySide(cases, (one) => runStrike(one, report));
}
