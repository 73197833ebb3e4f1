/**
 * The query language of CloudWatch Logs Insights, as far as the product's queries use it: `filter`,
 * `stats`, `fields`, `sort` and `limit`. What it does not know it refuses, as the service refuses
 * what is wrong. Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
 * and the pages below it.
 */

/** An event as a query sees it. */
export interface InsightsEvent {
  /** Wall-clock milliseconds. */
  readonly timestamp: number;
  readonly message: string;
  readonly logStream: string;
}

/** A row of the answer; a field that is missing has no member. */
export type InsightsRow = Readonly<Record<string, string>>;

/** The query is not valid; the service says MalformedQueryException. */
export class MalformedQuery extends Error {}

/** Without `limit`, so many rows come; more than the second cannot be asked for (page -Limit). */
const LIMIT_DEFAULT = 10_000;
const LIMIT_MAX = 100_000;

/** So many fields of a JSON event are known (page "Supported logs and discovered fields"). */
const FIELDS_MAX = 200;

type Command = (rows: readonly Row[]) => readonly Row[];
type Row = ReadonlyMap<string, string>;

/** Runs a query. @throws MalformedQuery */
export function runInsights(text: string, events: readonly InsightsEvent[]): InsightsRow[] {
  const commands = splitOutside(text, "|").map((part) => part.trim());
  const limits = commands.filter((command) => command.startsWith("limit "));
  const isGrouped = commands.some((command) => command.startsWith("stats "));
  const shown = commands.find((command) => command.startsWith("fields "));
  let rows: readonly Row[] = events.map(discoverFields);
  for (const command of commands) rows = parseCommand(command)(rows);
  if (limits.length === 0) rows = rows.slice(0, LIMIT_DEFAULT);
  const names = isGrouped ? undefined : namesOf(shown?.slice("fields ".length) ?? "@timestamp");
  return rows.map((row) => {
    const cells = [...row].filter(([name]) => names === undefined || names.includes(name));
    return Object.fromEntries(
      cells.map(([name, value]) => [name, name === "@timestamp" ? timeText(value) : value]),
    );
  });
}

function parseCommand(text: string): Command {
  const [, name = "", rest = ""] = /^(\w+)\s+(.+)$/s.exec(text) ?? [];
  switch (name) {
    case "filter":
      return filter(rest);
    case "stats":
      return stats(rest);
    case "sort":
      return sort(rest);
    case "limit":
      return limit(rest);
    case "fields":
      namesOf(rest);
      return (rows) => rows;
    default:
      throw new MalformedQuery(`unexpected symbol found ${text}`);
  }
}

function filter(text: string): Command {
  const conditions = text.split(/\s+and\s+/).map((condition) => {
    const equal = /^(@?[\w.]+)\s*=\s*"([^"]*)"$/.exec(condition);
    if (equal !== null) {
      const [, field = "", wanted = ""] = equal;
      return (row: Row) => row.get(field) === wanted;
    }
    const like = /^(@?[\w.]+)\s+like\s+\/(.+)\/$/.exec(condition);
    if (like === null) throw new MalformedQuery(`unexpected condition ${condition}`);
    const [, field = "", pattern = ""] = like;
    const expression = new RegExp(pattern);
    return (row: Row) => expression.test(row.get(field) ?? "");
  });
  return (rows) => rows.filter((row) => conditions.every((isTrue) => isTrue(row)));
}

function stats(text: string): Command {
  const [aggregates = "", groups] = text.split(/\s+by\s+/);
  const by = groups === undefined ? [] : namesOf(groups);
  const made = splitOutside(aggregates, ",").map((part) => {
    const match = /^(\w+)\((\*|@?[\w.]+)\)(?:\s+as\s+(\w+))?$/.exec(part.trim());
    if (match === null) throw new MalformedQuery(`unexpected statistic ${part}`);
    const [whole, name = "", field = "", alias = whole] = match;
    const aggregate = AGGREGATES[name];
    if (aggregate === undefined) throw new MalformedQuery(`no function ${name}`);
    return { alias, field, aggregate };
  });
  return (rows) => {
    const grouped = Map.groupBy(rows, (row) => JSON.stringify(by.map((name) => row.get(name))));
    return [...grouped.values()].map((members) => {
      const [first] = members;
      const cells = by.map((name) => [name, first?.get(name)] as const);
      const values = made.map(({ alias, field, aggregate }) => {
        return [alias, aggregate(members, field)] as const;
      });
      return new Map([...cells, ...values].flatMap(([name, value]) => present(name, value)));
    });
  };
}

function present(name: string, value: string | undefined): [string, string][] {
  return value === undefined ? [] : [[name, value]];
}

const AGGREGATES: Readonly<
  Record<string, (rows: readonly Row[], field: string) => string | undefined>
> = {
  count: (rows, field) =>
    String(field === "*" ? rows.length : rows.filter((row) => row.has(field)).length),
  count_distinct: (rows, field) =>
    String(new Set(rows.flatMap((row) => row.get(field) ?? [])).size),
  min: (rows, field) => extreme(rows, field, (one, other) => one < other),
  max: (rows, field) => extreme(rows, field, (one, other) => one > other),
  // Of those that have the field: the page does not say, and a query had better not depend on it.
  latest: (rows, field) => {
    const having = rows.filter((row) => row.has(field));
    const at = (row: Row) => Number(row.get("@timestamp"));
    return having
      .reduce<Row | undefined>(
        (one, other) => (one !== undefined && at(one) > at(other) ? one : other),
        undefined,
      )
      ?.get(field);
  },
};

function extreme(
  rows: readonly Row[],
  field: string,
  isBetter: (one: number, other: number) => boolean,
): string | undefined {
  const values = rows.flatMap((row) => (row.has(field) ? [Number(row.get(field))] : []));
  const best = values.reduce<number | undefined>(
    (one, other) => (one !== undefined && !isBetter(other, one) ? one : other),
    undefined,
  );
  return best === undefined ? undefined : String(best);
}

function sort(text: string): Command {
  const [, field = "", order] = /^(@?[\w.]+)(?:\s+(asc|desc))?$/.exec(text) ?? [];
  if (field === "") throw new MalformedQuery(`unexpected order ${text}`);
  const sign = order === "asc" ? 1 : -1;
  return (rows) =>
    rows.toSorted((one, other) => sign * compareNaturally(one.get(field), other.get(field)));
}

/**
 * Numbers after everything else and by value; else piece by piece, digits by their length and then
 * their value, the rest by Unicode (page -Sort).
 */
export function compareNaturally(one = "", other = ""): number {
  const [isNumber, isOtherNumber] = [isDigits(one), isDigits(other)];
  if (isNumber !== isOtherNumber) return isNumber ? 1 : -1;
  if (isNumber && Number(one) !== Number(other)) return Number(one) - Number(other);
  if (isNumber) return one < other ? -1 : Number(one > other);
  const [pieces, others] = [piecesOf(one), piecesOf(other)];
  for (const [index, piece] of pieces.entries()) {
    const against = others[index];
    if (against === undefined) return 1;
    const areDigits = isDigits(piece) && isDigits(against);
    const byLength = areDigits ? piece.length - against.length : 0;
    if (byLength !== 0) return byLength;
    if (piece !== against) return piece < against ? -1 : 1;
  }
  return pieces.length - others.length;
}

function isDigits(text: string): boolean {
  return /^\d+$/.test(text);
}

function piecesOf(text: string): readonly string[] {
  return text.match(/\d+|\D+/g) ?? [];
}

function limit(text: string): Command {
  const count = isDigits(text) ? Number(text) : Number.NaN;
  if (!(count >= 1 && count <= LIMIT_MAX)) throw new MalformedQuery(`bad limit ${text}`);
  return (rows) => rows.slice(0, count);
}

/** Names with other characters would have to stand in backticks. */
function namesOf(text: string): readonly string[] {
  const names = text.split(",").map((name) => name.trim());
  for (const name of names) {
    if (!/^@?[\w.]+$/.test(name)) throw new MalformedQuery(`unexpected name ${name}`);
  }
  return names;
}

function splitOutside(text: string, separator: string): readonly string[] {
  const parts: string[] = [""];
  let quote: string | undefined;
  for (const character of text) {
    if (quote === undefined && character === separator) {
      parts.push("");
      continue;
    }
    if (character === quote) quote = undefined;
    else if (quote === undefined && `"/`.includes(character)) quote = character;
    parts.push(`${parts.pop()}${character}`);
  }
  return parts;
}

function discoverFields({ timestamp, message, logStream }: InsightsEvent): Row {
  const fields = new Map([
    ["@timestamp", String(timestamp)],
    ["@message", message],
    ["@logStream", logStream],
  ]);
  let value: unknown;
  try {
    value = JSON.parse(message);
  } catch {
    return fields;
  }
  if (typeof value === "object" && value !== null) {
    for (const [name, text] of flatten(value).slice(0, FIELDS_MAX)) fields.set(name, text);
  }
  return fields;
}

function flatten(value: object, prefix = ""): [string, string][] {
  return Object.entries(value).flatMap(([name, member]): [string, string][] => {
    if (member === null || member === undefined) return [];
    if (typeof member === "object") return flatten(member, `${prefix}${name}.`);
    const text = typeof member === "boolean" ? String(Number(member)) : String(member);
    return [[`${prefix}${name}`, text]];
  });
}

function timeText(ms: string): string {
  return new Date(Number(ms)).toISOString().replace("T", " ").replace("Z", "");
}
