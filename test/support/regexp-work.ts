import v8 from "node:v8";

type Make = (source: string, flags: string, backtracksMax: number) => RegExp;

/**
 * Whether a regular expression decides on a text without going back more often than so: V8 counts
 * the steps back, and gives up where the limit is passed.
 */
export function decidesWithin(
  { source, flags }: RegExp,
  text: string,
  backtracksMax: number,
): boolean {
  v8.setFlagsFromString("--allow-natives-syntax");
  const make = new Function("s", "f", "n", "return %NewRegExpWithBacktrackLimit(s, f, n)") as Make;
  // What the expression itself does not match, nothing at all does: no answer means that it gave up.
  return make(`(?:${source})|`, flags.replace(/[gy]/g, ""), backtracksMax).exec(text) !== null;
}
