import { type Palette, quoted } from "../lib/palette.ts";
import { formatDuration } from "../lib/units.ts";
import { type Change, countChanges } from "./difference.ts";
import { type FleetPlan, isDue, pathText } from "./plan.ts";

/** So many names of hosts or parameters are told; there may be thousands. */
const TOLD_MAX = 10;

/** A plan as a person reads it, in the manner of Terraform. */
export function planText(plan: FleetPlan, palette: Palette): string {
  const lines = [palette.bold(`${titleOf(plan)}  ${pathText(plan)}/`), ""];
  const { changes, kept, drift } = plan;
  if (changes.length > 0) lines.push(...changes.map(lineOf(changes, palette)), "");
  if (kept.length > 0) {
    lines.push("In the Parameter Store but not in the file, and kept (--prune removes them):");
    const width = widthOf(kept);
    lines.push(...kept.map(({ key, value }) => `    ${key.padEnd(width)}  ${quoted(value)}`), "");
  }
  if (drift.length > 0) {
    lines.push("Changed since the last release, outside of releases:");
    const width = widthOf(drift);
    const told = drift.slice(0, TOLD_MAX).map(({ key, from, to }) => {
      return `    ${key.padEnd(width)}  ${valueText(from)} -> ${valueText(to)}`;
    });
    if (drift.length > TOLD_MAX) told.push(`    and ${drift.length - TOLD_MAX} more`);
    lines.push(...told, "");
  }
  lines.push(palette.bold(summaryOf(plan)));
  if (isDue(plan)) lines.push(...effectOf(plan));
  for (const warning of plan.warnings) lines.push(palette.yellow(`Warning: ${warning}`));
  for (const problem of plan.problems) lines.push(palette.red(`Problem: ${problem}`));
  return `${lines.join("\n")}\n`;
}

function titleOf({ place, host }: FleetPlan): string {
  return host === null ? `Fleet ${place.fleet}` : `Host ${host}`;
}

function lineOf(changes: readonly Change[], palette: Palette): (change: Change) => string {
  const width = widthOf(changes);
  return ({ key, from, to }) => {
    const name = key.padEnd(width);
    if (from === undefined) return palette.green(`  + ${name}  ${valueText(to)}`);
    if (to === undefined) return palette.red(`  - ${name}  ${valueText(from.value)}`);
    return palette.yellow(`  ~ ${name}  ${valueText(from.value)} -> ${valueText(to)}`);
  };
}

function widthOf(rows: readonly { readonly key: string }[]): number {
  return Math.max(...rows.map(({ key }) => key.length));
}

function valueText(value: string | undefined): string {
  return value === undefined ? "(absent)" : quoted(value);
}

function summaryOf({ changes, recording }: FleetPlan): string {
  if (recording === "none") return "No changes.";
  if (recording === "first") {
    return "No changes. No release is recorded yet: applying this records the first one.";
  }
  if (recording === "drift") return "No changes. Applying this records what is there as a release.";
  const { added, changed, removed } = countChanges(changes);
  return `Plan: ${added} to add, ${changed} to change, ${removed} to remove.`;
}

function* effectOf({ host, hosts, spreadMs, changes }: FleetPlan): Generator<string> {
  if (host !== null) {
    yield "The host reads it at its next poll.";
    return;
  }
  const { live, affected, own } = hosts;
  if (live !== null && changes.length > 0) {
    yield `Hosts: ${affected} of ${live} live hosts get another configuration.`;
  }
  if (own.length > 0) {
    const told = own.slice(0, TOLD_MAX).join(", ");
    const more = own.length > TOLD_MAX ? ` and ${own.length - TOLD_MAX} more` : "";
    yield `Hosts with parameters of their own among them: ${told}${more}.`;
  }
  const within = spreadMs === null ? "its refresh interval" : formatDuration(spreadMs);
  yield `After its next poll, each host reads it at its own place within ${within}.`;
}
