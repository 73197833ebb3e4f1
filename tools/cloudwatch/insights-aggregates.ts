import {
  compareNaturally,
  MalformedQuery,
  numberOf,
  type Row,
  textOf,
  type Value,
} from "./insights-values.ts";

/** One row of a group, and the value of the argument for it. */
interface Member {
  readonly row: Row;
  readonly value: Value;
}

/** A function of a group of rows (page CWL_QuerySyntax-Stats). */
type Aggregate = (
  members: readonly Member[],
  about: { readonly isOfRows: boolean; readonly parameter: Value },
) => Value;

const present = (members: readonly Member[]) =>
  members.filter(({ value }) => value !== undefined).map(({ value }) => value);
const numbers = (members: readonly Member[]) =>
  present(members)
    .map(numberOf)
    .filter((number) => number !== undefined);
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const sorted = (members: readonly Member[]) =>
  present(members).toSorted((one, other) => compareNaturally(textOf(one), textOf(other)));
// Of those that have the field: the page does not say, and a query had better not depend on it.
const byTime = (members: readonly Member[]) =>
  members
    .filter(({ value }) => value !== undefined)
    .toSorted((one, other) => timeOf(one) - timeOf(other))
    .map(({ value }) => asNumber(value));

export const AGGREGATES: Readonly<Record<string, Aggregate>> = {
  count: (members, { isOfRows }) => (isOfRows ? members.length : present(members).length),
  // The service's is an approximation where there are very many.
  count_distinct: (members) => new Set(present(members).map(textOf)).size,
  sum: (members) => sum(numbers(members)),
  avg: (members) => {
    const values = numbers(members);
    return values.length === 0 ? undefined : sum(values) / values.length;
  },
  min: (members) => extreme(members, Math.min),
  max: (members) => extreme(members, Math.max),
  pct: (members, { parameter }) => {
    const values = numbers(members).toSorted((one, other) => one - other);
    const share = (numberOf(parameter) ?? Number.NaN) / 100;
    if (!(share >= 0 && share <= 1)) throw new MalformedQuery("pct takes 0 to 100");
    return values[Math.max(0, Math.ceil(share * values.length) - 1)];
  },
  earliest: (members) => byTime(members)[0],
  latest: (members) => byTime(members).at(-1),
  sortsFirst: (members) => sorted(members)[0],
  sortsLast: (members) => sorted(members).at(-1),
};

function timeOf({ row }: Member): number {
  const time = row.get("@timestamp");
  // After a first `stats` there is none, and the service has nothing to go by.
  if (typeof time !== "object") throw new MalformedQuery("no @timestamp to go by");
  return time.at;
}

/** What is computed of times is in milliseconds. */
function asNumber(value: Value): Value {
  return typeof value === "object" ? value.at : value;
}

function extreme(members: readonly Member[], of: (...values: number[]) => number): Value {
  const values = numbers(members);
  return values.length === 0 ? undefined : values.reduce((one, other) => of(one, other));
}
