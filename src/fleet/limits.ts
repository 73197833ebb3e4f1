import type { ParameterProblem } from "../config/merge.ts";
import { type Change, countChanges } from "./difference.ts";
import { VALUE_BYTES_MAX } from "./release.ts";
import { fitsStringList, isListSetting, settingOf } from "./values.ts";

// Source of all limits: SSM API reference, PutParameter, and the quotas of the Parameter Store.

/**
 * A name has at most 1,011 characters with the ARN before it; the longest one ends with
 * `arn:aws-us-gov:ssm:us-gov-west-1:111122223333:parameter`.
 */
const NAME_CHARACTERS_MAX =
  1_011 - "arn:aws-us-gov:ssm:us-gov-west-1:111122223333:parameter".length;
const LEVELS_MAX = 15;
/** Of one account and region, in the standard tier. */
const PARAMETERS_MAX = 10_000;

/**
 * What SSM would refuse, found before anything is written.
 * @param known how many parameters there are already, as far as anybody looked
 */
export function limitProblems(changes: readonly Change[], known: number): ParameterProblem[] {
  const problems: ParameterProblem[] = [];
  for (const { key, name, type, to } of changes) {
    if (to === undefined) continue;
    const reason = nameProblem(name) ?? valueProblem(key, type, to);
    if (reason !== undefined) problems.push({ parameter: name, reason });
  }
  const { added, removed } = countChanges(changes);
  const total = known + added - removed;
  if (added > 0 && total > PARAMETERS_MAX) {
    problems.push({
      parameter: changes[0]?.name ?? "",
      reason: `would be one of ${total} parameters: an account and region has at most ${PARAMETERS_MAX}`,
    });
  }
  return problems;
}

function nameProblem(name: string): string | undefined {
  if (name.length > NAME_CHARACTERS_MAX) {
    return `has a name of ${name.length} characters: SSM takes ${NAME_CHARACTERS_MAX}`;
  }
  if (!/^[A-Za-z0-9_.\-/]+$/.test(name)) {
    return "has a name with other characters than letters, digits, dots, hyphens and underscores";
  }
  if (/^\/?(aws|ssm)/i.test(name)) return "has a name that begins with aws or ssm: SSM keeps those";
  const levels = name.split("/").length - 1;
  if (levels > LEVELS_MAX) return `has ${levels} levels: SSM takes ${LEVELS_MAX}`;
  return undefined;
}

function valueProblem(key: string, type: string, value: string): string | undefined {
  const bytes = Buffer.byteLength(value);
  if (bytes > VALUE_BYTES_MAX)
    return `has ${bytes} bytes: SSM takes ${VALUE_BYTES_MAX} in the standard tier`;
  if (value === "") return "is empty, which SSM does not take";
  if (value.includes("{{")) return "has {{ in it, which SSM takes for a reference of its own";
  const setting = settingOf(key);
  const isList = type === "StringList" && setting !== undefined && isListSetting(setting);
  if (isList && !fitsStringList(setting, value)) {
    return "is a StringList in SSM, whose parts take no comma, not even in braces: remove the parameter first, and it becomes a String";
  }
  return undefined;
}
