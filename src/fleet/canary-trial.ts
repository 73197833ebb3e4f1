import type { Parameter } from "../config/parameters.ts";
import { configurationError } from "../lib/errors.ts";
import type { Target } from "./difference.ts";
import { CANARY, readKey } from "./keys.ts";
import { isSameValue, settingOf } from "./values.ts";

type Leaves = ReadonlyMap<string, Parameter>;

const PERCENT = `${CANARY}percent`;

/**
 * What a file changes for the whole fleet, to be tried by some hosts first: the changed values go
 * below `canary/`, and the fleet's own stay as they are.
 * @param values those of the file, by key
 * @param percent of the hosts, as text
 * @returns the target, and what of the file waits until after the trial
 * @throws AgentError (exit code 2) if there is nothing to try, or the file has a trial of its own
 */
export function trialTarget(
  leaves: Leaves,
  values: ReadonlyMap<string, string>,
  percent: string,
): { readonly target: Target; readonly waits: readonly string[] } {
  const wanted = new Map<string, string>();
  const waits: string[] = [];
  for (const [key, value] of values) {
    if (key.startsWith(CANARY)) {
      throw configurationError(
        "The file has a canary section of its own.",
        "Apply the file without --canary, or take its canary section away: --canary makes one of what the file changes.",
      );
    }
    const found = leaves.get(key)?.value;
    if (found !== undefined && isSameValue(key, found, value)) continue;
    const isOfFleet = readKey(key).host === undefined && settingOf(key) !== undefined;
    if (isOfFleet) wanted.set(`${CANARY}${key}`, value);
    else waits.push(key);
  }
  if (wanted.size === 0) {
    throw configurationError(
      "There is nothing to try: the file changes no setting of the whole fleet.",
      "Change a setting in the file, or apply it without --canary.",
    );
  }
  wanted.set(PERCENT, percent);
  const dropped = trialKeys(leaves).filter((key) => !wanted.has(key));
  return { target: { wanted, dropped: new Set(dropped) }, waits };
}

/** What the canaries have becomes the whole fleet's. @throws AgentError (exit code 2): no trial */
export function promoteTarget(leaves: Leaves): Target {
  const keys = trialKeys(leaves);
  assertTrial(keys);
  const wanted = new Map<string, string>();
  for (const key of keys) {
    const value = leaves.get(key)?.value;
    const isSetting = key !== PERCENT && settingOf(key) !== undefined;
    if (isSetting && value !== undefined) wanted.set(key.slice(CANARY.length), value);
  }
  return { wanted, dropped: new Set(keys) };
}

/** All hosts have the fleet's own values again. @throws AgentError (exit code 2): no trial */
export function abortTarget(leaves: Leaves): Target {
  const keys = trialKeys(leaves);
  assertTrial(keys);
  return { wanted: new Map(), dropped: new Set(keys) };
}

function trialKeys(leaves: Leaves): readonly string[] {
  return [...leaves.keys()].filter((key) => key.startsWith(CANARY));
}

function assertTrial(keys: readonly string[]): void {
  if (keys.length > 0) return;
  throw configurationError(
    "No canary is under way: the fleet has no parameters below canary/.",
    "Begin one with `fleet apply FILE --canary PERCENT`.",
  );
}
