/** Any number of characters of a name (`*`), or of names of a path (`**`). */
export const ANY = Symbol("any");

/** What one place of a pattern takes, or any number of places. */
export type Item<T> = ((one: T) => boolean) | typeof ANY;

/**
 * Makes the test that a glob stands for. `*` is any part of a name, `?` one character, `[a-z]` and
 * `[!a-z]` one of a set, `{a,b}` either of both, and `**` as a whole name any number of folders, or
 * at the end all that is below.
 * A regular expression would go back to each star again and again: a path that a producer made to
 * match almost would keep a sweep for years. Here the work is at most glob times path.
 * @param glob as `globsProblem` lets it pass
 * @returns whether a path with slashes matches
 */
export function makeGlob(glob: string): (path: readonly string[]) => boolean {
  const patterns = branchesOf(glob).map((branch) => nameItems(branch.split("/")));
  return (names) => patterns.some((pattern) => matches(pattern, names));
}

/** What a glob with braces stands for: `*.{log,csv}` for `*.log` and `*.csv`. */
export function branchesOf(glob: string): readonly string[] {
  const [whole, list = ""] = /\{([^{}]*)\}/.exec(glob) ?? [];
  if (whole === undefined) return [glob];
  return list.split(",").flatMap((part) => branchesOf(glob.replace(whole, () => part)));
}

function nameItems(patterns: readonly string[]): readonly Item<string>[] {
  const items = patterns.map((pattern) => (pattern === "**" ? ANY : nameItem(pattern)));
  return items.at(-1) === ANY ? [...items, () => true] : items;
}

function nameItem(pattern: string): Item<string> {
  const items = characterItems(pattern);
  // Nearly all names are told by how they begin or end, which costs next to nothing.
  const [head = ""] = /^[^*?[]*/.exec(pattern) ?? [];
  const [tail = ""] = /[^*?\]]*$/.exec(pattern) ?? [];
  return (name) => name.startsWith(head) && name.endsWith(tail) && matches(items, [...name]);
}

function characterItems(pattern: string): readonly Item<string>[] {
  return Array.from(pattern.matchAll(/\[([!^]?)([^\]]+)\]|\*+|./gsu), ([text, not, set]) => {
    if (set !== undefined) return setItem(set, not !== "");
    if (text.startsWith("*")) return ANY;
    if (text === "?") return () => true;
    return (character) => character === text;
  });
}

/** Characters and ranges of them, such as `a-z_`. */
function setItem(set: string, isNegated: boolean): (character: string) => boolean {
  const ranges = Array.from(set.matchAll(/(.)-(.)|./gsu), ([one, from = one, to = one]) => {
    return [from, to] as const;
  });
  return (character) =>
    ranges.some(([from, to]) => from <= character && character <= to) !== isNegated;
}

/**
 * Whether a sequence matches a pattern. Only the last ANY is ever gone back to: what stands before
 * it was found as early as can be, so that nothing is gained by finding it later.
 */
export function matches<T>(pattern: readonly Item<T>[], sequence: readonly T[]): boolean {
  let at = 0;
  let any = -1;
  let takenByAny = 0;
  for (let index = 0; index < sequence.length; ) {
    const item = pattern[at];
    if (item === ANY) {
      any = at;
      at += 1;
      takenByAny = index;
    } else if (item?.(sequence[index] as T) === true) {
      at += 1;
      index += 1;
    } else {
      if (any < 0) return false;
      takenByAny += 1;
      index = takenByAny;
      at = any + 1;
    }
  }
  return pattern.slice(at).every((item) => item === ANY);
}
