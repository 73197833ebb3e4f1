/**
 * The query language of CloudWatch Logs Insights, as far as the product's queries and alarms use
 * it: a double for tests. What it does not know it refuses, as the service refuses what is wrong.
 * Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html and the
 * pages below it. Not in it, because groups of the Infrequent Access class do not know them:
 * `pattern`, `diff`, `filterIndex`, `unmask` (page CWL_AnalyzeLogData_Classes).
 */
import {
  ExpressionParser,
  type Fields,
  isTrue,
  type Named,
  type Scope,
} from "./insights-expressions.ts";
import {
  compareNaturally,
  MalformedQuery,
  type Row,
  textOf,
  type Value,
} from "./insights-values.ts";

export { compareNaturally, MalformedQuery } from "./insights-values.ts";

/** An event as a query sees it. */
export interface InsightsEvent {
  /** Wall-clock milliseconds. */
  readonly timestamp: number;
  readonly message: string;
  readonly logStream: string;
}

/** A row of the answer; a field that is missing has no member. */
export type InsightsRow = Readonly<Record<string, string>>;

/** Without `limit`, so many rows come; more than the second cannot be asked for (page -Limit). */
const LIMIT_DEFAULT = 10_000;
const LIMIT_MAX = 100_000;

/** So many fields of a JSON event are known (page "Supported logs and discovered fields"). */
const FIELDS_MAX = 200;

/** A query may have so many `stats` commands (page -Stats). */
const STATS_MAX = 2;

/** What the commands of a query do, one after the other, to rows. */
interface Query {
  readonly steps: readonly ((rows: readonly Row[], now: number) => readonly Row[])[];
  /** What is shown; undefined: everything that there is. */
  readonly shown: readonly string[] | undefined;
  readonly hasLimit: boolean;
  readonly recordFields: ReadonlySet<string>;
}

/**
 * Runs a query.
 * @param now wall-clock milliseconds
 * @throws MalformedQuery
 */
export function runInsights(
  text: string,
  events: readonly InsightsEvent[],
  now = Date.now(),
): InsightsRow[] {
  const { steps, shown, hasLimit } = parse(text);
  let rows: readonly Row[] = events.map(discoverFields);
  for (const step of steps) rows = step(rows, now);
  if (!hasLimit) rows = rows.slice(0, LIMIT_DEFAULT);
  return rows.map((row) => {
    const names = shown ?? [...row.keys()];
    const cells = names.flatMap((name) => {
      const cell = textOf(row.get(name));
      return cell === undefined ? [] : [[name, cell] as const];
    });
    return Object.fromEntries(cells);
  });
}

/** The fields of records that a query reads: those with `@` and its own names are not among them. */
export function recordFieldsOf(text: string): readonly string[] {
  return [...parse(text).recordFields].filter((name) => !name.startsWith("@"));
}

/** A saved query with the texts in place of its parameters. @throws MalformedQuery if one is missing */
export function fillIn(text: string, parameters: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => {
    const value = parameters[name];
    if (value === undefined) throw new MalformedQuery(`no value for ${name}`);
    return value;
  });
}

function parse(text: string): Query {
  const lines = text.split("\n").filter((line) => !line.trimStart().startsWith("#"));
  const commands = splitOutside(lines.join("\n"), "|").map((part) => part.trim());
  const reader = new CommandReader(commands.filter((one) => one.startsWith("stats ")).length);
  for (const command of commands) reader.read(command);
  return reader;
}

/** Reads the commands of a query in their order, and knows which names there are at each. */
class CommandReader implements Fields, Query {
  readonly steps: ((rows: readonly Row[], now: number) => readonly Row[])[] = [];
  readonly recordFields = new Set<string>();
  shown: readonly string[] | undefined = ["@timestamp", "@message"];
  hasLimit = false;
  readonly #own = new Set<string>();
  readonly #statsInAll: number;
  #stats = 0;
  #isSorted = false;
  #isDeduped = false;
  #hasFields = false;

  constructor(statsInAll: number) {
    this.#statsInAll = statsInAll;
  }

  use(name: string): void {
    if (this.#own.has(name)) return;
    if (this.#stats > 0) throw new MalformedQuery(`${name} is not there after stats`);
    this.recordFields.add(name);
  }

  read(command: string): void {
    const [, name = "", rest = ""] = /^(\w+)\s+(.+)$/s.exec(command) ?? [];
    const parser = new ExpressionParser(rest, this);
    if (this.#isDeduped && name !== "limit") throw new MalformedQuery(`${name} after dedup`);
    if (["sort", "limit", "dedup"].includes(name) && this.#stats < this.#statsInAll) {
      throw new MalformedQuery(`${name} before stats`);
    }
    switch (name) {
      case "filter":
        this.#filter(parser);
        return;
      case "fields":
        this.#fields(parser);
        return;
      case "display":
        this.shown = parser.names();
        for (const one of this.shown) this.use(one);
        break;
      case "stats":
        this.#group(parser);
        break;
      case "sort":
        this.#sort(parser);
        break;
      case "dedup":
        this.#dedup(parser);
        break;
      case "limit":
        this.#limit(rest);
        return;
      default:
        throw new MalformedQuery(`unexpected symbol found ${command}`);
    }
    parser.end();
  }

  #filter(parser: ExpressionParser): void {
    const { evaluate } = parser.whole();
    this.steps.push((rows, now) => rows.filter((row) => isTrue(evaluate({ row, group: [], now }))));
  }

  #fields(parser: ExpressionParser): void {
    const list = parser.list({ ofGroup: false });
    parser.end();
    for (const one of list) {
      // `foo-bar` would be a subtraction: a name with such characters stands in backticks.
      if (!one.isPlain && one.name === one.text) {
        throw new MalformedQuery(`${one.text} has no name`);
      }
    }
    const names = list.map(({ name }) => name);
    this.shown = [...(this.#hasFields ? (this.shown ?? []) : []), ...names];
    this.#hasFields = true;
    this.#define(list.filter(({ isPlain, name, text }) => !isPlain || name !== text));
    this.steps.push((rows, now) =>
      rows.map((row) => new Map([...row, ...cellsOf(list, { row, group: [], now })])),
    );
  }

  #group(parser: ExpressionParser): void {
    if (this.#stats === STATS_MAX) throw new MalformedQuery("too many stats");
    const made = parser.list({ ofGroup: true });
    const by = parser.word("by") ? parser.list({ ofGroup: false }) : [];
    this.#stats += 1;
    this.shown = undefined;
    this.#own.clear();
    this.#define([...by, ...made]);
    this.steps.push((rows, now) => {
      const groups = Map.groupBy(rows, (row) => {
        const cells = by.map(({ evaluate }) => textOf(evaluate({ row, group: [], now })) ?? null);
        return JSON.stringify(cells);
      });
      // Without `by` there is one group, be it empty.
      const members = by.length === 0 ? [rows] : [...groups.values()];
      return members.map((group) => {
        const row = group[0] ?? new Map<string, Value>();
        const scope = { row, group, now };
        return new Map([...cellsOf(by, scope), ...cellsOf(made, scope)]);
      });
    });
  }

  #sort(parser: ExpressionParser): void {
    const field = parser.name();
    this.use(field);
    const sign = parser.word("asc") ? 1 : -1;
    if (sign < 0) parser.word("desc");
    this.#isSorted = true;
    this.steps.push((rows) => inOrder(rows, field, sign));
  }

  #dedup(parser: ExpressionParser): void {
    const names = parser.names();
    for (const name of names) this.use(name);
    const isSorted = this.#isSorted;
    this.#isDeduped = true;
    this.steps.push((rows) => {
      const seen = new Set<string>();
      const ordered = isSorted ? rows : inOrder(rows, "@timestamp", -1);
      return ordered.filter((row) => {
        const values = names.map((name) => textOf(row.get(name)));
        // What is missing is no duplicate.
        if (values.includes(undefined)) return true;
        const key = JSON.stringify(values);
        const isNew = !seen.has(key);
        seen.add(key);
        return isNew;
      });
    });
  }

  #limit(text: string): void {
    const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(count >= 1 && count <= LIMIT_MAX)) throw new MalformedQuery(`bad limit ${text}`);
    this.hasLimit = true;
    this.steps.push((rows) => rows.slice(0, count));
  }

  #define(list: readonly Named[]): void {
    for (const { name } of list) this.#own.add(name);
  }
}

function inOrder(rows: readonly Row[], field: string, sign: number): readonly Row[] {
  return rows.toSorted(
    (one, other) => sign * compareNaturally(textOf(one.get(field)), textOf(other.get(field))),
  );
}

function cellsOf(list: readonly Named[], scope: Scope): (readonly [string, Value])[] {
  return list.map(({ name, evaluate }) => [name, evaluate(scope)] as const);
}

function splitOutside(text: string, separator: string): readonly string[] {
  const parts: string[] = [""];
  let quote: string | undefined;
  for (const [index, character] of [...text].entries()) {
    if (quote === undefined && character === separator) {
      parts.push("");
      continue;
    }
    // A slash begins an expression after `like` or `=~`, else it divides.
    const isOpening =
      `"'`.includes(character) ||
      (character === "/" && /(?:\blike|=~)\s*$/.test([...text].slice(0, index).join("")));
    if (character === quote) quote = undefined;
    else if (quote === undefined && isOpening) quote = character;
    parts.push(`${parts.pop()}${character}`);
  }
  return parts;
}

function discoverFields({ timestamp, message, logStream }: InsightsEvent): Row {
  const fields = new Map<string, Value>([
    ["@timestamp", { at: timestamp }],
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
