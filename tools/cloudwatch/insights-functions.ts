import type { Scope } from "./insights-expressions.ts";
import { MalformedQuery, numberOf, textOf, type Value } from "./insights-values.ts";

/** A function of one row (page CWL_QuerySyntax-operations-functions). */
export interface RowFunction {
  readonly least: number;
  readonly most: number;
  readonly of: (args: readonly Value[], scope: Scope) => Value;
}

/** Milliseconds of a unit, and the largest number that the service takes with it as it is. */
const UNITS: Readonly<Record<string, { readonly ms: number; readonly most: number }>> = {
  s: { ms: 1_000, most: 60 },
  m: { ms: 60_000, most: 60 },
  h: { ms: 3_600_000, most: 24 },
  d: { ms: 86_400_000, most: Number.POSITIVE_INFINITY },
};

const ofNumbers = (of: (...numbers: number[]) => number): RowFunction["of"] => {
  return (args) => {
    const numbers = args.map(numberOf).filter((number) => number !== undefined);
    return numbers.length === args.length ? of(...numbers) : undefined;
  };
};
const ofText = (of: (text: string) => Value): RowFunction["of"] => {
  return ([arg]) => (arg === undefined ? undefined : of(textOf(arg) ?? ""));
};
const floorTo = (value: Value, period: Value): Value => {
  if (typeof value !== "object") throw new MalformedQuery("not a timestamp");
  const ms = periodMs(period);
  return { at: Math.floor(value.at / ms) * ms };
};

export const FUNCTIONS: Readonly<Record<string, RowFunction>> = {
  abs: { least: 1, most: 1, of: ofNumbers(Math.abs) },
  ceil: { least: 1, most: 1, of: ofNumbers(Math.ceil) },
  floor: { least: 1, most: 1, of: ofNumbers(Math.floor) },
  greatest: { least: 1, most: 30, of: ofNumbers(Math.max) },
  least: { least: 1, most: 30, of: ofNumbers(Math.min) },
  round: {
    least: 1,
    most: 2,
    of: ofNumbers((a, d = 0) => Math.round(a * 10 ** d) / 10 ** d),
  },
  ispresent: { least: 1, most: 1, of: ([arg]) => arg !== undefined },
  coalesce: { least: 1, most: 30, of: (args) => args.find((arg) => arg !== undefined) },
  if: {
    least: 3,
    most: 3,
    of: ([condition, one, other]) => (condition === true ? one : other),
  },
  isempty: { least: 1, most: 1, of: ([arg]) => Number((textOf(arg) ?? "") === "") },
  concat: { least: 1, most: 30, of: (args) => args.map((arg) => textOf(arg) ?? "").join("") },
  strlen: { least: 1, most: 1, of: ofText((text) => [...text].length) },
  tolower: { least: 1, most: 1, of: ofText((text) => text.toLowerCase()) },
  toupper: { least: 1, most: 1, of: ofText((text) => text.toUpperCase()) },
  strcontains: {
    least: 2,
    most: 2,
    of: ([text, part]) => Number((textOf(text) ?? "").includes(textOf(part) ?? "")),
  },
  bin: { least: 1, most: 1, of: ([period], { row }) => floorTo(row.get("@timestamp"), period) },
  datefloor: { least: 2, most: 2, of: ([value, period]) => floorTo(value, period) },
  fromMillis: { least: 1, most: 1, of: ([ms]) => ({ at: numberOf(ms) ?? 0 }) },
  toMillis: {
    least: 1,
    most: 1,
    of: ([value]) => (typeof value === "object" ? value.at : undefined),
  },
  // In seconds.
  now: { least: 0, most: 0, of: (_, { now }) => Math.floor(now / 1_000) },
};

/** Above the largest number the service would take that one instead; no query should want that. */
function periodMs(period: Value): number {
  const [, count = "", name = ""] = /^(\d+)([a-z]+)$/.exec(`${period}`) ?? [];
  const unit = UNITS[name];
  if (unit === undefined || Number(count) < 1 || Number(count) > unit.most) {
    throw new MalformedQuery(`bad period ${period}`);
  }
  return Number(count) * unit.ms;
}
