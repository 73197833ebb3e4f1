import { isAlias, isMap, isScalar, isSeq, type Node, parseDocument } from "yaml";

// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html

/** A value of a template after its functions: as JSON knows it; undefined: AWS::NoValue. */
export type Resolved =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly Resolved[]
  | { readonly [name: string]: Resolved };

export interface Resource {
  readonly id: string;
  readonly type: string;
  readonly properties: { readonly [name: string]: Resolved };
}

/** What a function of the template is written as. */
interface Call {
  readonly tag: string;
  readonly argument: Raw;
}
type Raw = Call | string | number | boolean | null | readonly Raw[] | Map<string, Raw>;

const NO_VALUE = "AWS::NoValue";

/** What the pseudo parameters say here. */
const PSEUDO: Readonly<Record<string, string>> = {
  "AWS::Partition": "aws",
  "AWS::URLSuffix": "amazonaws.com",
  "AWS::Region": "eu-central-1",
  "AWS::AccountId": "123456789012",
  "AWS::StackName": "a-stack",
};

/**
 * A template as a stack of it would be: `Ref`, `Sub`, `GetAtt`, `If`, `Join`, `Select`, `Split` and
 * the conditions' functions in their short form, and no other. A reference to a resource is its
 * name if it has one, as with alarms and log groups, else its logical id.
 * @param parameters of the stack; those that are left out have the template's default
 * @returns the resources whose condition is true
 * @throws Error about what it does not know
 */
export function resolveTemplate(
  text: string,
  parameters: Readonly<Record<string, string>>,
): readonly Resource[] {
  // CloudFormation reads YAML 1.1, where `n` and `no` are false.
  const document = parseDocument(text, { version: "1.1", logLevel: "silent" });
  const template = asMap(toRaw(document.contents as Node));
  return new Stack(template, parameters).resources();
}

function toRaw(node: Node | null): Raw {
  if (node === null) return null;
  if (isAlias(node)) throw new Error("CloudFormation knows no aliases");
  let raw: Raw;
  if (isMap(node)) {
    const pairs = node.items.map(({ key, value }) => {
      return [String(toRaw(key as Node)), toRaw(value as Node | null)] as const;
    });
    raw = new Map(pairs);
  } else if (isSeq(node)) {
    raw = node.items.map((item) => toRaw(item as Node));
  } else if (isScalar(node)) {
    raw = node.value as Raw;
  } else {
    throw new Error("not a node of a template");
  }
  const tag = (node as { readonly tag?: string }).tag;
  return tag?.startsWith("!") ? { tag: tag.slice(1), argument: raw } : raw;
}

class Stack {
  readonly #parameters: ReadonlyMap<string, string>;
  readonly #conditions: ReadonlyMap<string, Raw>;
  readonly #resources: ReadonlyMap<string, Raw>;

  constructor(template: ReadonlyMap<string, Raw>, given: Readonly<Record<string, string>>) {
    const declared = asMap(template.get("Parameters") ?? new Map());
    for (const name of Object.keys(given)) {
      if (!declared.has(name)) throw new Error(`no parameter ${name}`);
    }
    this.#parameters = new Map(
      [...declared].map(([name, about]) => {
        const value = given[name] ?? asMap(about).get("Default");
        if (value === undefined) throw new Error(`parameter ${name} has no value`);
        return [name, String(value)];
      }),
    );
    this.#conditions = asMap(template.get("Conditions") ?? new Map());
    this.#resources = asMap(template.get("Resources") ?? new Map());
  }

  resources(): readonly Resource[] {
    return [...this.#resources].flatMap(([id, raw]) => {
      const about = asMap(raw);
      const condition = about.get("Condition");
      if (condition !== undefined && !this.#holds(String(condition))) return [];
      const properties = this.#resolve(about.get("Properties") ?? new Map());
      return [{ id, type: String(about.get("Type")), properties: asObject(properties) }];
    });
  }

  #resolve(raw: Raw): Resolved {
    if (raw instanceof Map) {
      const pairs = [...raw].map(([name, value]) => [name, this.#resolve(value)] as const);
      return Object.fromEntries(pairs.filter(([, value]) => value !== undefined));
    }
    if (isList(raw)) {
      return raw.map((item) => this.#resolve(item)).filter((item) => item !== undefined);
    }
    if (typeof raw === "object" && raw !== null) return this.#call(raw);
    return raw;
  }

  #call({ tag, argument }: Call): Resolved {
    const list = isList(argument) ? argument : [argument];
    switch (tag) {
      case "Ref":
        return this.#ref(String(argument));
      case "GetAtt":
        return this.#attribute(String(argument));
      case "Sub":
        return this.#substitute(list);
      case "If": {
        const [condition, one, other] = list;
        return this.#resolve((this.#holds(String(condition)) ? one : other) ?? null);
      }
      case "Join": {
        const [separator, parts] = list;
        return asList(this.#resolve(parts ?? [])).join(String(separator));
      }
      case "Select": {
        const [index, items] = list;
        return asList(this.#resolve(items ?? []))[Number(index)];
      }
      case "Split": {
        const [separator, whole] = list;
        return String(this.#resolve(whole ?? "")).split(String(separator));
      }
      default:
        return this.#test(tag, list);
    }
  }

  /** The functions of conditions. */
  #test(tag: string, list: readonly Raw[]): boolean {
    switch (tag) {
      case "Equals": {
        const [one, other] = list.map((item) => String(this.#resolve(item)));
        return one === other;
      }
      case "Not":
        return this.#resolve(list[0] ?? null) !== true;
      case "And":
        return list.every((item) => this.#resolve(item) === true);
      case "Or":
        return list.some((item) => this.#resolve(item) === true);
      case "Condition":
        return this.#holds(String(list[0]));
      default:
        throw new Error(`unknown function ${tag}`);
    }
  }

  #holds(name: string): boolean {
    const condition = this.#conditions.get(name);
    if (condition === undefined) throw new Error(`no condition ${name}`);
    return this.#resolve(condition) === true;
  }

  #ref(name: string): string | undefined {
    if (name === NO_VALUE) return undefined;
    const value = PSEUDO[name] ?? this.#parameters.get(name);
    if (value !== undefined) return value;
    const resource = this.#resources.get(name);
    if (resource === undefined) throw new Error(`reference to nothing: ${name}`);
    const properties = asMap(asMap(resource).get("Properties") ?? new Map());
    const own = properties.get("AlarmName") ?? properties.get("LogGroupName");
    return own === undefined ? name : String(this.#resolve(own));
  }

  /** Of a log group its ARN, which policies and queries name; of all else a word that tells it. */
  #attribute(name: string): string {
    const [id = ""] = name.split(".");
    const about = this.#resources.get(id);
    const isGroup = about instanceof Map && about.get("Type") === "AWS::Logs::LogGroup";
    const { "AWS::Region": region, "AWS::AccountId": account } = PSEUDO;
    return isGroup && name.endsWith(".Arn")
      ? `arn:aws:logs:${region}:${account}:log-group:${this.#ref(id)}:*`
      : `arn:of:${name}`;
  }

  #substitute([text, own = new Map()]: readonly Raw[]): string {
    const names = asMap(own);
    return String(text).replace(/\$\{(!?)([^}]+)\}/g, (whole, literal: string, name: string) => {
      if (literal !== "") return whole.replace("!", "");
      const given = names.get(name);
      if (given !== undefined) return String(this.#resolve(given));
      return name.includes(".") ? this.#attribute(name) : String(this.#ref(name));
    });
  }
}

function isList<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}

function asMap(raw: Raw | undefined): ReadonlyMap<string, Raw> {
  if (raw instanceof Map) return raw;
  throw new Error(`not a mapping: ${JSON.stringify(raw)}`);
}

/** @throws Error if it is no list */
export function asList(value: Resolved): readonly Resolved[] {
  if (isList(value)) return value;
  throw new Error(`not a list: ${JSON.stringify(value)}`);
}

/** @throws Error if it has no members */
export function asObject(value: Resolved): { readonly [name: string]: Resolved } {
  if (typeof value === "object" && value !== null && !isList(value)) return value;
  throw new Error(`not a mapping: ${JSON.stringify(value)}`);
}
