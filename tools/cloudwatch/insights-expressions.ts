/**
 * Expressions of the query language of CloudWatch Logs Insights: what stands in `filter`, `fields`
 * and `stats`. Source:
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-operations-functions.html
 * and the pages -Filter and -Stats beside it. What is not written there is refused.
 */
import { AGGREGATES } from "./insights-aggregates.ts";
import { FUNCTIONS } from "./insights-functions.ts";
import { MalformedQuery, numberOf, type Row, textOf, type Value } from "./insights-values.ts";

/** What an expression is computed of. */
export interface Scope {
  readonly row: Row;
  /** The rows of the group, where there is one. */
  readonly group: readonly Row[];
  /** Wall-clock milliseconds. */
  readonly now: number;
}

export interface Expression {
  /** As it was written. */
  readonly text: string;
  readonly evaluate: (scope: Scope) => Value;
}

/** An expression, and the name that its value has from then on. */
export interface Named extends Expression {
  readonly name: string;
  /** Whether it is a field as it is, without a name of its own. */
  readonly isPlain: boolean;
}

type Evaluate = Expression["evaluate"];

/** Where in the query fields are looked up: see `Names`. */
export interface Fields {
  /** @throws MalformedQuery if there can be no such field any more */
  use(name: string): void;
}

const NAME = /`([^`]+)`|(@?[A-Za-z_][\w.]*|@[\w.]+)/y;
const STRING = /"([^"]*)"|'([^']*)'/y;
const PERIOD = /\d+[a-z]+/y;
const NUMBER = /\d+(?:\.\d+)?/y;
const REGEXP = /\/((?:[^/\\]|\\.)+)\//y;
const WORDS: ReadonlySet<string> = new Set(["and", "or", "not", "in", "like", "as", "by"]);

/** The words of commands (page CWL_QuerySyntax and those below it). */
const COMMANDS: ReadonlySet<string> = new Set(
  "display fields filter filterIndex stats sort limit parse dedup pattern diff anomaly unmask unnest lookup join source left inner on asc desc type".split(
    " ",
  ),
);

/** No page says whether such a name would be understood: a query had better not depend on it. */
function isTaken(name: string): boolean {
  return COMMANDS.has(name) || Object.hasOwn(FUNCTIONS, name) || Object.hasOwn(AGGREGATES, name);
}

/** Reads one command's text from left to right. */
export class ExpressionParser {
  readonly #text: string;
  readonly #fields: Fields;
  #at = 0;
  /** In `stats`, functions of groups stand where a row's fields stand elsewhere. */
  #isOfGroup = false;

  constructor(text: string, fields: Fields) {
    this.#text = text;
    this.#fields = fields;
  }

  /** One expression, to the end. */
  whole(): Expression {
    const expression = this.#expression();
    this.end();
    return expression;
  }

  /** Expressions with names, separated by commas. */
  list({ ofGroup }: { readonly ofGroup: boolean }): Named[] {
    this.#isOfGroup = ofGroup;
    const list: Named[] = [];
    do list.push(this.#named());
    while (this.takes(/,/y));
    return list;
  }

  /** Names of fields, separated by commas. */
  names(): string[] {
    const names: string[] = [];
    do names.push(this.name());
    while (this.takes(/,/y));
    return names;
  }

  name(): string {
    const match = this.#match(NAME);
    const name = match?.[1] ?? match?.[2];
    if (name === undefined || WORDS.has(name)) throw this.#unexpected();
    return name;
  }

  word(word: string): boolean {
    return this.takes(new RegExp(`${word}\\b`, "y"));
  }

  takes(pattern: RegExp): boolean {
    return this.#match(pattern) !== undefined;
  }

  /** @throws MalformedQuery if there is more */
  end(): void {
    this.#match(/\s*/y);
    if (this.#at < this.#text.length) throw this.#unexpected();
  }

  #named(): Named {
    const { text, evaluate } = this.#expression();
    const isPlain = /^(?:`[^`]+`|@?[\w.]+)$/.test(text);
    const own = this.word("as") ? this.name() : undefined;
    if (own !== undefined && isTaken(own)) throw new MalformedQuery(`${own} has a meaning`);
    return { text, evaluate, isPlain, name: own ?? text.replaceAll("`", "") };
  }

  #expression(): Expression {
    this.#match(/\s*/y);
    const from = this.#at;
    const evaluate = this.#either();
    return { text: this.#text.slice(from, this.#at).trim(), evaluate };
  }

  #either(): Evaluate {
    let left = this.#both();
    while (this.word("or")) {
      const [one, other] = [left, this.#both()];
      left = (scope) => isTrue(one(scope)) || isTrue(other(scope));
    }
    return left;
  }

  #both(): Evaluate {
    let left = this.#negated();
    while (this.word("and")) {
      const [one, other] = [left, this.#negated()];
      left = (scope) => isTrue(one(scope)) && isTrue(other(scope));
    }
    return left;
  }

  #negated(): Evaluate {
    if (!this.word("not")) return this.#comparison();
    const operand = this.#negated();
    return (scope) => !isTrue(operand(scope));
  }

  #comparison(): Evaluate {
    const left = this.#sum();
    const isNot = this.takes(/not(?=\s+(?:in|like)\b)/y);
    const test = this.#membership(left) ?? this.#likeness(left);
    if (test !== undefined) return isNot ? (scope) => !isTrue(test(scope)) : test;
    if (this.takes(/=~/y)) return this.#matches(left, this.#regexp());
    const operator = this.#match(/!=|<=|>=|=|<|>/y)?.[0];
    if (operator === undefined) return left;
    const right = this.#sum();
    return (scope) => compare(operator, left(scope), right(scope));
  }

  #membership(left: Evaluate): Evaluate | undefined {
    if (!this.word("in")) return undefined;
    this.#expect(/\[/y);
    const members: Evaluate[] = [];
    do members.push(this.#primary());
    while (this.takes(/,/y));
    this.#expect(/\]/y);
    return (scope) => members.some((member) => compare("=", left(scope), member(scope)));
  }

  #likeness(left: Evaluate): Evaluate | undefined {
    if (!this.word("like")) return undefined;
    const part = this.#match(STRING);
    if (part === undefined) return this.#matches(left, this.#regexp());
    const wanted = part[1] ?? part[2] ?? "";
    return (scope) => textOf(left(scope))?.includes(wanted) ?? false;
  }

  #matches(left: Evaluate, pattern: RegExp): Evaluate {
    return (scope) => pattern.test(textOf(left(scope)) ?? "");
  }

  #regexp(): RegExp {
    const source = this.#match(REGEXP)?.[1];
    if (source === undefined) throw this.#unexpected();
    return source.startsWith("(?i)") ? new RegExp(source.slice(4), "i") : new RegExp(source);
  }

  #sum(): Evaluate {
    let left = this.#product();
    for (;;) {
      const operator = this.#match(/[+-]/y)?.[0];
      if (operator === undefined) return left;
      left = arithmetic(operator, left, this.#product());
    }
  }

  #product(): Evaluate {
    let left = this.#primary();
    for (;;) {
      const operator = this.#match(/[*/%]/y)?.[0];
      if (operator === undefined) return left;
      left = arithmetic(operator, left, this.#primary());
    }
  }

  #primary(): Evaluate {
    if (this.takes(/\(/y)) {
      const inner = this.#either();
      this.#expect(/\)/y);
      return inner;
    }
    const string = this.#match(STRING);
    if (string !== undefined) return () => string[1] ?? string[2] ?? "";
    const period = this.#match(PERIOD)?.[0];
    if (period !== undefined) return () => period;
    const number = this.#match(NUMBER)?.[0];
    if (number !== undefined) return () => Number(number);
    const name = this.name();
    if (this.takes(/\(/y)) return this.#call(name);
    if (this.#isOfGroup) throw new MalformedQuery(`${name} is not a function of a group`);
    this.#fields.use(name);
    return ({ row }) => row.get(name);
  }

  #call(name: string): Evaluate {
    const aggregate = this.#isOfGroup ? AGGREGATES[name] : undefined;
    const isOuter = this.#isOfGroup;
    if (aggregate !== undefined) this.#isOfGroup = false;
    const args = this.#arguments(aggregate !== undefined);
    this.#isOfGroup = isOuter;
    if (aggregate !== undefined) {
      const [of, parameter] = args;
      return (scope) =>
        aggregate(
          scope.group.map((row) => ({ row, value: of?.({ ...scope, row }) })),
          { isOfRows: of === undefined, parameter: parameter?.(scope) },
        );
    }
    const make = FUNCTIONS[name];
    if (make === undefined) throw new MalformedQuery(`no function ${name}`);
    if (args.length < make.least || args.length > make.most) {
      throw new MalformedQuery(`${name} takes ${make.least} to ${make.most} arguments`);
    }
    return (scope) =>
      make.of(
        args.map((arg) => arg(scope)),
        scope,
      );
  }

  #arguments(mayBeRows: boolean): Evaluate[] {
    if (this.takes(/\)/y)) return [];
    if (mayBeRows && this.takes(/\*\s*\)/y)) return [];
    const args: Evaluate[] = [];
    do args.push(this.#either());
    while (this.takes(/,/y));
    this.#expect(/\)/y);
    return args;
  }

  #expect(pattern: RegExp): void {
    if (!this.takes(pattern)) throw this.#unexpected();
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    const blank = /\s*/y;
    blank.lastIndex = this.#at;
    blank.exec(this.#text);
    pattern.lastIndex = blank.lastIndex;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#at = pattern.lastIndex;
    return match;
  }

  #unexpected(): MalformedQuery {
    return new MalformedQuery(`unexpected symbol found ${this.#text.slice(this.#at).trim()}`);
  }
}

export function isTrue(value: Value): boolean {
  return value === true || (typeof value === "number" && value !== 0);
}

function compare(operator: string, one: Value, other: Value): boolean {
  const [number, otherNumber] = [numberOf(one), numberOf(other)];
  const areNumbers = number !== undefined && otherNumber !== undefined;
  const areEqual = areNumbers ? number === otherNumber : textOf(one) === textOf(other);
  if (operator === "=") return one !== undefined && areEqual;
  if (operator === "!=") return !areEqual;
  if (!areNumbers) return false;
  if (operator === "<") return number < otherNumber;
  if (operator === "<=") return number <= otherNumber;
  return operator === ">" ? number > otherNumber : number >= otherNumber;
}

function arithmetic(operator: string, one: Evaluate, other: Evaluate): Evaluate {
  return (scope) => {
    const [left, right] = [one(scope), other(scope)];
    if (typeof left === "object" || typeof right === "object") {
      throw new MalformedQuery("arithmetic takes numbers: use toMillis");
    }
    const [a, b] = [numberOf(left), numberOf(right)];
    if (a === undefined || b === undefined) return undefined;
    if (operator === "+") return a + b;
    if (operator === "-") return a - b;
    if (operator === "*") return a * b;
    if (b === 0) return undefined;
    return operator === "/" ? a / b : a % b;
  };
}
