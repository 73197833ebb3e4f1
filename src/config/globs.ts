import { hasUnseen } from "../lib/unseen.ts";
import { branchesOf } from "../sweep/glob.ts";

/** Far more than anybody writes; matching a path takes time for each. */
const GLOBS_MAX = 100;
const GLOB_CHARACTERS_MAX = 1_024;
/** All together, with what braces stand for written out. */
const WRITTEN_OUT_CHARACTERS_MAX = 16_384;
/** Before they are written out: each pair of braces multiplies. */
const BRANCHES_MAX = 100;

const SETS = /\[[!^]?([^\][/{},]+)\]/g;

/** Splits at commas, but not at those in braces: `*.{log,csv}` is one glob. */
export function splitGlobs(text: string): string[] {
  const globs: string[] = [];
  let isInBraces = false;
  let beginsAt = 0;
  for (let at = 0; at <= text.length; at += 1) {
    const character = text[at];
    if (character === "{") isInBraces = true;
    if (character === "}") isInBraces = false;
    if (character !== undefined && (character !== "," || isInBraces)) continue;
    globs.push(text.slice(beginsAt, at).trim());
    beginsAt = at + 1;
  }
  return globs;
}

/**
 * Checks globs before they select files: what a person did not mean would take nothing, or too much.
 * @returns what is wrong with the first wrong one, or undefined
 */
export function globsProblem(globs: readonly string[]): string | undefined {
  if (globs.length > GLOBS_MAX) return `must be at most ${GLOBS_MAX} globs`;
  for (const glob of globs) {
    const reason = globProblem(glob);
    if (reason === undefined) continue;
    return `the glob ${glob.length > 40 ? `${glob.slice(0, 40)}...` : glob} ${reason}`;
  }
  const written = globs.flatMap(branchesOf).reduce((sum, { length }) => sum + length, 0);
  if (written <= WRITTEN_OUT_CHARACTERS_MAX) return undefined;
  return `must be at most ${WRITTEN_OUT_CHARACTERS_MAX} characters with braces written out`;
}

function globProblem(glob: string): string | undefined {
  if (glob.length > GLOB_CHARACTERS_MAX) return `has more than ${GLOB_CHARACTERS_MAX} characters`;
  if (hasUnseen(glob)) return "must not contain control characters, nor any that are not seen";
  if (/^none$/i.test(glob)) return "is a word that stands alone and means no globs";
  if (glob.startsWith("/")) return "begins with a slash, but paths are relative to the directory";
  if (glob.endsWith("/")) return "ends with a slash: all that is below a folder is folder/**";
  if (glob.includes("//")) return "has two slashes in a row, which no path has";
  if (/(^|\/)\.\.?(\/|$)/.test(glob)) return "has a segment . or .., which no path has";
  if (glob.startsWith("!")) return "begins with an exclamation mark: use exclude";
  // In a set, `[;]`, each of these stands for itself.
  const left = glob.replace(SETS, "x");
  if (/["';\\]/.test(left))
    return "must be without quotes, semicolons and backslashes: a comma separates globs";
  if (/[()|]/.test(left)) return "has a group such as +(a|b) or (a|b): use {a,b}";
  if (/[[\]]/.test(left)) return "has a bracket without a partner, or an empty pair of them";
  return bracesProblem(left) ?? rangeProblem(glob);
}

function bracesProblem(glob: string): string | undefined {
  let branches = 1;
  for (const [group] of glob.matchAll(/\{[^{}]*\}?|\}/g)) {
    if (!/^\{.*\}$/.test(group)) return "has a brace without a partner, or braces in braces";
    if (group.includes("..")) return "has a range in braces: write [0-9], or each one";
    if (!group.includes(",")) return "has braces around one thing only: write {a,b}";
    branches *= group.split(",").length;
    if (branches > BRANCHES_MAX) return `stands for more than ${BRANCHES_MAX} globs`;
  }
  return undefined;
}

function rangeProblem(glob: string): string | undefined {
  for (const [, set = ""] of glob.matchAll(SETS)) {
    for (const [range, from = "", to = ""] of set.matchAll(/(.)-(.)/gu)) {
      if (from > to) return `has a range that ends before it begins: ${range}`;
    }
  }
  return undefined;
}
