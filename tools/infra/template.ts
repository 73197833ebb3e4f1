import { isMap, isScalar, isSeq, type Node, parseDocument } from "yaml";

/** What CloudFormation reads as a number, a text, a list or a map, intrinsic functions included. */
export type Value = string | number | boolean | null | readonly Value[] | ValueMap;
export interface ValueMap {
  readonly [name: string]: Value;
}

export interface Parameter {
  readonly Type: string;
  readonly Default?: string | number;
  readonly Description?: string;
  readonly AllowedPattern?: string;
  readonly AllowedValues?: readonly (string | number)[];
  readonly MinLength?: number;
  readonly MaxLength?: number;
  readonly MinValue?: number;
  readonly MaxValue?: number;
}

export interface Resource {
  readonly Type: string;
  readonly Condition?: string;
  readonly DeletionPolicy?: string;
  readonly Properties?: ValueMap;
}

export interface Rule {
  readonly RuleCondition?: Value;
  readonly Assertions: readonly { readonly Assert: Value; readonly AssertDescription: string }[];
}

/** A template, with every short form (`!Sub x`) written as the long one (`{"Fn::Sub": "x"}`). */
export interface Template {
  readonly Parameters: Readonly<Record<string, Parameter>>;
  readonly Rules: Readonly<Record<string, Rule>>;
  readonly Conditions: Readonly<Record<string, Value>>;
  readonly Resources: Readonly<Record<string, Resource>>;
  readonly Outputs: Readonly<
    Record<string, { readonly Condition?: string; readonly Value: Value }>
  >;
  readonly Metadata: ValueMap;
}

/**
 * Reads a template in YAML 1.1, as CloudFormation does: `yes` is true there, and `n` is false to
 * some readers, so that both want quotes where they are texts.
 * @throws Error when it is no YAML
 */
export function readTemplate(text: string): Template {
  // The tags of the short forms are warnings to the parser, and the rest of its errors are errors.
  const document = parseDocument(text, { version: "1.1", logLevel: "silent" });
  const [error] = document.errors;
  if (error !== undefined) throw error;
  if (document.contents === null) throw new Error("the template is empty");
  const none = { Parameters: {}, Rules: {}, Conditions: {}, Outputs: {}, Metadata: {} };
  // The linter holds the shape of a template; here it is taken for one.
  return { ...none, ...(longForm(document.contents) as object) } as Template;
}

function longForm(node: Node | null): Value {
  if (node === null) return null;
  const value = untagged(node);
  const tag = node.tag;
  if (tag === undefined || !/^![A-Za-z]/.test(tag)) return value;
  const name = tag.slice(1);
  if (name === "Ref" || name === "Condition") return { [name]: value };
  if (name === "GetAtt" && typeof value === "string") {
    const dot = value.indexOf(".");
    return { "Fn::GetAtt": [value.slice(0, dot), value.slice(dot + 1)] };
  }
  return { [`Fn::${name}`]: value };
}

function untagged(node: Node): Value {
  if (isSeq<Node>(node)) return node.items.map(longForm);
  if (isMap<Node, Node | null>(node)) {
    return Object.fromEntries(node.items.map((pair) => [String(pair.key), longForm(pair.value)]));
  }
  if (isScalar(node)) return node.value as Value;
  throw new Error("CloudFormation takes no aliases");
}

/** @throws Error if it is no list */
export function asList(value: Value | undefined): readonly Value[] {
  if (isList(value)) return value;
  throw new Error(`a list is expected, not ${JSON.stringify(value)}`);
}

/** @throws Error if it has no members */
export function asMap(value: Value | undefined): ValueMap {
  if (typeof value === "object" && value !== null && !isList(value)) return value;
  throw new Error(`a mapping is expected, not ${JSON.stringify(value)}`);
}

/** `Array.isArray` does not tell a read-only list from the other kinds of values. */
function isList(value: Value | undefined): value is readonly Value[] {
  return Array.isArray(value);
}
