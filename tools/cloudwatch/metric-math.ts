// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html

/** One value a period, oldest first; undefined: no data. */
export type Series = readonly (number | undefined)[];

type Value = number | "REPEAT" | Series;

const COMPARISONS: Readonly<Record<string, (one: number, other: number) => boolean>> = {
  "<": (one, other) => one < other,
  ">": (one, other) => one > other,
  "<=": (one, other) => one <= other,
  ">=": (one, other) => one >= other,
  "==": (one, other) => one === other,
  "!=": (one, other) => one !== other,
};
const SUMS: Readonly<Record<string, (one: number, other: number) => number>> = {
  "+": (one, other) => one + other,
  "-": (one, other) => one - other,
};
const PRODUCTS: Readonly<Record<string, (one: number, other: number) => number>> = {
  "*": (one, other) => one * other,
  "/": (one, other) => one / other,
};

/**
 * The value of an expression of metric math, as far as alarms use it: `+ - * /`, comparisons
 * (1 or 0), `FILL` and `IF`. Where one side has no data, neither has the result.
 * @param series of the ids that the expression names, all as long as each other
 * @throws Error about what it does not know
 */
export function evaluateMath(text: string, series: ReadonlyMap<string, Series>): Series {
  const value = new Parser(text, series).parse();
  if (value === "REPEAT" || typeof value === "number") {
    throw new Error(`an alarm needs a time series: ${text}`);
  }
  return value;
}

class Parser {
  readonly #tokens: string[];
  readonly #series: ReadonlyMap<string, Series>;

  constructor(text: string, series: ReadonlyMap<string, Series>) {
    this.#tokens = text.match(/[A-Za-z]\w*|\d+(?:\.\d+)?|[<>=!]=|\S/g) ?? [];
    this.#series = series;
  }

  parse(): Value {
    const value = this.#comparison();
    if (this.#tokens.length > 0) throw new Error(`unexpected ${this.#tokens.join(" ")}`);
    return value;
  }

  #comparison(): Value {
    const one = this.#sum();
    const compare = COMPARISONS[this.#tokens[0] ?? ""];
    if (compare === undefined) return one;
    this.#tokens.shift();
    return combine(one, this.#sum(), (left, right) => Number(compare(left, right)));
  }

  #sum(): Value {
    return this.#chain(SUMS, () => this.#chain(PRODUCTS, () => this.#atom()));
  }

  #chain(
    operators: Readonly<Record<string, (one: number, other: number) => number>>,
    part: () => Value,
  ): Value {
    let value = part();
    for (;;) {
      const operator = operators[this.#tokens[0] ?? ""];
      if (operator === undefined) return value;
      this.#tokens.shift();
      value = combine(value, part(), operator);
    }
  }

  #atom(): Value {
    const token = this.#tokens.shift() ?? "";
    if (token === "(") {
      const value = this.#comparison();
      this.#expect(")");
      return value;
    }
    if (/^\d/.test(token)) return Number(token);
    if (token === "REPEAT") return token;
    if (/^[A-Z]/.test(token)) return this.#call(token);
    const series = this.#series.get(token);
    if (series === undefined) throw new Error(`no metric ${token}`);
    return series;
  }

  #call(name: string): Value {
    this.#expect("(");
    const args = [this.#comparison()];
    while (this.#tokens[0] === ",") {
      this.#tokens.shift();
      args.push(this.#comparison());
    }
    this.#expect(")");
    const [first, second, third] = args;
    if (name === "FILL" && args.length === 2 && isSeries(first)) return fill(first, second);
    if (name === "IF" && args.length === 3 && isSeries(first)) {
      return first.map((condition, index) => {
        if (condition === undefined) return undefined;
        return at(condition === 0 ? third : second, index);
      });
    }
    throw new Error(`unknown function ${name} of ${args.length}`);
  }

  #expect(token: string): void {
    const found = this.#tokens.shift();
    if (found !== token) throw new Error(`expected ${token}, found ${found}`);
  }
}

/** REPEAT takes the value before; where there is none before, nothing is filled. */
function fill(series: Series, filler: Value | undefined): Series {
  let before: number | undefined;
  return series.map((value, index) => {
    const filled = value ?? (filler === "REPEAT" ? before : at(filler, index));
    before = filled;
    return filled;
  });
}

function combine(
  one: Value,
  other: Value,
  operator: (one: number, other: number) => number,
): Value {
  const length = isSeries(one) ? one.length : isSeries(other) ? other.length : undefined;
  const of = (index: number): number | undefined => {
    const [left, right] = [at(one, index), at(other, index)];
    return left === undefined || right === undefined ? undefined : operator(left, right);
  };
  return length === undefined ? (of(0) ?? Number.NaN) : Array.from({ length }, (_, i) => of(i));
}

function at(value: Value | undefined, index: number): number | undefined {
  if (value === "REPEAT") throw new Error("REPEAT is only for FILL");
  return isSeries(value) ? value[index] : value;
}

function isSeries(value: Value | undefined): value is Series {
  return Array.isArray(value);
}
